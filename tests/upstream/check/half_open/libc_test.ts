import { assertEquals, assertThrows } from "@std/assert";
import {
  HalfOpenPermissionError,
  HalfOpenUnsupportedError,
} from "../../../../src/upstream/check/half_open/errors.ts";
import { openLibc } from "../../../../src/upstream/check/half_open/libc.ts";
import { libcPaths } from "../../../../src/upstream/check/half_open/libc_paths.ts";
import { run } from "../../../support/child.ts";
import { CHECK, halfOpenTest, listenAt } from "./fixture.ts";

Deno.test("the C library has a full path on each system that is known, and none elsewhere", () => {
  assertEquals(libcPaths({ os: "linux", arch: "x86_64", env: "gnu" }), [
    "/lib/x86_64-linux-gnu/libc.so.6",
    "/lib64/libc.so.6",
  ]);
  assertEquals(libcPaths({ os: "linux", arch: "aarch64" })[0], "/lib/aarch64-linux-gnu/libc.so.6");
  assertEquals(libcPaths({ os: "linux", arch: "aarch64", env: "musl" }), ["/lib/ld-musl-aarch64.so.1"]);
  assertEquals(libcPaths({ os: "linux", arch: "riscv64" }), []);
  assertEquals(libcPaths({ os: "darwin", arch: "aarch64" }), []);
});

Deno.test("a platform without a known C library is an error", () => {
  assertThrows(() => openLibc([]), HalfOpenUnsupportedError, "they need Linux on x86_64 or aarch64");
});

Deno.test("the error for a missing permission names the flag", () => {
  const error = new HalfOpenPermissionError(["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/libc.so.6"]);
  assertEquals(error.flag, "--allow-ffi=/lib/x86_64-linux-gnu/libc.so.6");
  assertEquals(
    error.message,
    "Cannot make half-open checks: a permission is missing; add --allow-ffi=/lib/x86_64-linux-gnu/libc.so.6 " +
      "(or, if the C library is there, =/lib64/libc.so.6)",
  );
});

/** Checks an address and writes what comes of it. */
function program(address: string): string {
  return `
import { HalfOpenCheck } from "${CHECK}half_open_check.ts";
import { parseAddress } from "${CHECK}../../net/address.ts";
try {
  const check = new HalfOpenCheck();
  const { detail } = await check.run(parseAddress("${address}"), AbortSignal.timeout(30_000));
  console.log(detail);
} catch (error) {
  console.log(error.code ?? error, error.flag);
}
`;
}

/** Runs that program with these permissions. It must end by itself: nothing is closed in it. */
async function outcome(address: string, permissions: readonly string[]): Promise<string> {
  const args = ["run", "--quiet", "--no-prompt", ...permissions, "--ext=ts", "-"];
  const { code, stdout, stderr } = await run(Deno.execPath(), args, { input: program(address) });
  assertEquals([code, stderr], [0, ""]);
  return stdout.trim();
}

halfOpenTest(
  "a check needs nothing but the flag that its error names, and without it does not connect",
  async () => {
    using backend = listenAt("127.0.0.1");
    if (backend.address.kind !== "tcp") throw new TypeError();
    const address = `127.0.0.1:${backend.address.port}`;
    const [code, flag] = (await outcome(address, ["--allow-net"])).split(" ");
    assertEquals([code, flag], ["half_open_permission", `--allow-ffi=${libcPaths()[0]}`]);
    // A bare name does not match.
    const bare = await outcome(address, ["--allow-net", "--allow-ffi=libc.so.6"]);
    assertEquals(bare.split(" ")[0], "half_open_permission");
    using library = openLibc();
    const paths = libcPaths().map((path) => `--allow-ffi=${path}`).join(" ");
    assertEquals(await outcome(address, paths.split(" ")), "answered SYN with SYN-ACK");
    assertEquals(typeof library.errno, "number");
  },
);
