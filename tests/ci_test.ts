import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "./support/child.ts";
import { TemporaryFolder } from "./support/folder.ts";
import { listedPrograms } from "./support/installed.ts";

const CI_RUN = new URL("../.ci/run", import.meta.url).pathname;
const TESTS = new URL("./", import.meta.url);
/** Run by hand, with programs of which the project keeps the output. */
const BY_HAND = "client_hello/corpus/capture.ts";

interface Case {
  readonly what: string;
  /** What the tests print. */
  readonly printed: readonly string[];
  /** The exit code of each command of Deno, by its first argument; absent: 0. */
  readonly exits?: Readonly<Record<string, number>>;
  /** Whether packages can be installed. @default true */
  readonly root?: boolean;
  readonly code: number;
  readonly closing: string;
}

const NOT_INSTALLED = "asks dnsmasq (skipped: dig not installed) ... ignored (0ms)";
const NOT_ALLOWED = "routes (skipped: a network namespace is not allowed here) ... ignored (0ms)";

const CASES: readonly Case[] = [
  {
    what: "all that passes is a success",
    printed: ["a ... ok (1ms)", "ok | 12 passed (3 steps) | 0 failed (5s)"],
    code: 0,
    closing: "12 passed, 0 failed, 0 skipped",
  },
  {
    what: "a test that was skipped for lack of a program is a failure where the program can be installed",
    printed: [NOT_INSTALLED, "ok | 12 passed | 0 failed | 1 ignored (5s)"],
    code: 1,
    closing: "12 passed, 0 failed, 1 skipped",
  },
  {
    what: "the same is none without the right to install programs",
    printed: [NOT_INSTALLED, "ok | 12 passed | 0 failed | 1 ignored (5s)"],
    root: false,
    code: 0,
    closing: "12 passed, 0 failed, 1 skipped",
  },
  {
    what: "a test that the kernel does not allow is no failure",
    printed: [NOT_ALLOWED, "ok | 12 passed | 0 failed | 1 ignored (5s)"],
    code: 0,
    closing: "12 passed, 0 failed, 1 skipped",
  },
  {
    what: "a test that was skipped for lack of a program is found beside one that is not allowed",
    printed: [NOT_ALLOWED, NOT_INSTALLED, "ok | 12 passed | 0 failed | 2 ignored (5s)"],
    code: 1,
    closing: "12 passed, 0 failed, 2 skipped",
  },
  {
    what: "failed tests are a failure",
    printed: ["FAILED | 11 passed | 1 failed (5s)"],
    exits: { task: 1 },
    code: 1,
    closing: "11 passed, 1 failed, 0 skipped",
  },
  {
    what: "tests that do not come to an end are a failure, whatever their exit code",
    printed: ["a ... ok (1ms)"],
    code: 1,
    closing: "0 passed, 0 failed, 0 skipped",
  },
  ...["fmt", "lint", "check", "doc"].map((command) => ({
    what: `what deno ${command} finds is a failure, and the tests run nonetheless`,
    printed: ["ok | 12 passed | 0 failed (5s)"],
    exits: { [command]: 3 },
    code: 3,
    closing: "12 passed, 0 failed, 0 skipped",
  })),
];

Deno.test("the run on a build machine ends with the counts and the right exit code", async (t) => {
  for (const { what, printed, exits = {}, root = true, code, closing } of CASES) {
    await t.step(what, async () => {
      await using folder = new TemporaryFolder();
      const rows = Object.entries(exits).map(([command, exit]) => `  ${command}) exit ${exit} ;;`);
      Deno.writeTextFileSync(folder.file("tests.log"), printed.join("\n") + "\n");
      const tests = `[ "$1" != task ] || cat '${folder.file("tests.log")}'`;
      writeStub(folder.file("npx"), `shift 2\n${tests}\ncase $1 in\n${rows.join("\n")}\nesac`);
      for (const installer of ["apt-get", "npm", "pip", "pip3"]) writeStub(folder.file(installer), "exit 0");
      writeStub(folder.file("id"), `echo ${root ? 0 : 1000}`);
      const result = await run("env", [`PATH=${folder.path}:${Deno.env.get("PATH")}`, CI_RUN]);
      const lines = result.stdout.trim().split("\n");
      assertEquals([result.code, lines.at(-1)], [code, closing], result.stdout + result.stderr);
      for (const line of printed) assertStringIncludes(result.stdout, line);
    });
  }
});

Deno.test("every program that a test starts is one that the build machine installs", async () => {
  const started = new Set<string>();
  for await (const file of sources(TESTS)) {
    const text = await Deno.readTextFile(file);
    const literals = text.matchAll(/(?:\b(?:run|output|hashOutput|Command)\(\s*|\bprogram: )"([^"/]+)"/g);
    for (const [, program] of literals) started.add(program!);
  }
  assert(started.size > 20, [...started].join(" "));
  const listed = listedPrograms();
  assertEquals([...started].filter((program) => !listed.has(program)), []);
});

function writeStub(path: string, body: string): void {
  Deno.writeTextFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
}

async function* sources(folder: URL): AsyncGenerator<URL> {
  for await (const entry of Deno.readDir(folder)) {
    if (entry.isDirectory) yield* sources(new URL(`${entry.name}/`, folder));
    else if (entry.name.endsWith(".ts") && !BY_HAND.endsWith(entry.name)) yield new URL(entry.name, folder);
  }
}
