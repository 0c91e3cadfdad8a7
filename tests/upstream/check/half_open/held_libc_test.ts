import { assertEquals } from "@std/assert";
import { libcPaths } from "../../../../src/upstream/check/half_open/libc_paths.ts";
import { run } from "../../../support/child.ts";
import { halfOpenTest, listenAt } from "./fixture.ts";

const PROGRAM = new URL("./held_libc_program.ts", import.meta.url).pathname;

async function said(flags: readonly string[]): Promise<string[]> {
  using backend = listenAt("127.0.0.1");
  const { address } = backend;
  const port = address.kind === "tcp" ? String(address.port) : "";
  const args = ["run", "--no-prompt", ...flags, PROGRAM, port];
  const { stdout, stderr } = await run(Deno.execPath(), args);
  assertEquals(stderr, "");
  return stdout.trim().split("\n");
}

halfOpenTest(
  "an opened library goes on working when the permission is given up, and none is opened again",
  async () => {
    const refused = libcPaths().map(() => "NotCapable");
    for (const flag of [`--allow-net --allow-ffi=${libcPaths().join(",")}`, "--allow-ffi", "-A"]) {
      assertEquals(await said(flag.split(" ")), ["open true", "checked", "checked", ...refused], flag);
    }
  },
);

halfOpenTest(
  "without the permission there is nothing to open, and a checker says what is missing",
  async () => {
    const refused = libcPaths().map(() => "NotCapable");
    const missing = ["HalfOpenPermissionError", "HalfOpenPermissionError"];
    assertEquals(await said([]), ["open false", ...missing, ...refused]);
  },
);
