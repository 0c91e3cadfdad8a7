import { assertEquals } from "@std/assert";
import { fileURLToPath } from "node:url";
import { Child } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { DENO } from "../support/program.ts";
import { testWith } from "../support/installed.ts";
import { within } from "../support/wait.ts";

testWith([], "deno lint looks at every file: it warns of none that it can't parse", async () => {
  await using folder = new TemporaryFolder();
  await using child = new Child({
    program: DENO,
    args: ["lint", "--json"],
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    // Of files that it has seen before it does not warn again.
    env: { DENO_DIR: folder.path },
  });
  await within(child.exit, { what: "deno lint to end", timeoutMs: 60_000 });
  const warnings = child.stderr.split("\n").filter((line) => /\bwarn|SyntaxError/i.test(line));
  assertEquals(warnings, []);
});
