// Run by a test beside it: opens the C library and gives up the permission, then checks the port of its argument.
import { HeldLibc } from "../../../../src/upstream/check/half_open/held_libc.ts";
import { HalfOpenChecker } from "../../../../src/upstream/check/half_open/checker.ts";
import { libcPaths } from "../../../../src/upstream/check/half_open/libc_paths.ts";

const address = { kind: "tcp", host: "127.0.0.1", port: Number(Deno.args[0]) } as const;
const library = new HeldLibc();
library.open();
library.open();
console.log("open", library.isOpen);
for (let i = 0; i < 2; i++) {
  // Each lets go of what it has borrowed at its end.
  await using checker = new HalfOpenChecker({ library });
  try {
    checker.start();
    await checker.checkAddress(address, 10_000);
    console.log("checked");
  } catch (error) {
    console.log(error instanceof Error ? error.name : "");
  }
}
for (const path of libcPaths()) {
  try {
    Deno.dlopen(path, { getpid: { parameters: [], result: "i32" } });
    console.log("opened again");
  } catch (error) {
    console.log(error instanceof Error ? error.name : "");
  }
}
