import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Child, output, run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { DENO, SOURCE } from "../support/program.ts";
import { until, within } from "../support/wait.ts";

const ROOT = new URL("../../", import.meta.url).pathname;

/** The words of a task in `deno.json`, with another file as its output. */
async function task(name: string, to: string): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(`${ROOT}deno.json`));
  const words = String(tasks[name]).split(" ").slice(1);
  return words.map((word) => word === "main.ts" ? SOURCE : word.startsWith("dist/") ? to : word);
}

Deno.test("a compiled binary holds the program and what it imports, and nothing else", async () => {
  await using folder = new TemporaryFolder();
  // The runtime for binaries has to be fetched; this one stands in for it, and tells what is embedded all the same.
  await using compile = new Child({
    program: DENO,
    // Types are checked by `deno check`, and take most of the time here.
    args: (await task("compile", folder.file("culvert"))).toSpliced(1, 0, "--no-check"),
    cwd: ROOT,
    env: { DENORT_BIN: DENO },
  });
  assertEquals(await within(compile.exit, { what: "the binary", timeoutMs: 120_000 }), 0, compile.stderr);
  const listed = compile.stdout + compile.stderr;
  for (const name of ["main.ts", "tunnel.ts", "gate.ts", "deno.json"]) {
    assertStringIncludes(listed, name);
  }
  for (const name of ["_test.ts", "compare.ts", "client.key", "playwright"]) {
    assert(!listed.includes(name), name);
  }
});

Deno.test("the bundle is one file that runs", async () => {
  await using folder = new TemporaryFolder();
  const bundle = folder.file("culvert.js");
  const made = await run(DENO, await task("bundle", bundle), { cwd: ROOT });
  assertEquals(made.code, 0, made.stderr);
  assertStringIncludes(await output(DENO, ["run", bundle, "--version"]), "culvert ");
  const input =
    `{version: 1, services: [{name: a, listen: [":0"], upstream: {backends: [{address: "[::1]:7"}]}}]}`;
  assertStringIncludes(
    await output(DENO, ["run", bundle, "check", "--config", "-"], { input }),
    "service a (tcp)",
  );

  // Workers need a flag that the project's deno.json has, and which `permissions` prints.
  const file = folder.file("culvert.yaml");
  await Deno.writeTextFile(file, input.replace("version: 1", "version: 1, workers: 2"));
  const reads = `--allow-read=${file}`;
  const flags = (await output(DENO, ["run", reads, bundle, "permissions", "--config", file])).trim().split(
    " ",
  );
  const proxyArgs = ["run", "--no-prompt", ...flags, bundle, "--config", file];
  await using proxy = new Child({ program: DENO, args: proxyArgs, cwd: folder.path });
  const context = () => proxy.stdout + proxy.stderr;
  await until(() => /started services=1/.test(context()), { what: "the workers", context });
  proxy.signal("SIGTERM");
  assertEquals(await within(proxy.exit, { what: "the proxy to end" }), 0, context());

  // The demo's plain part needs neither the project's folder nor anything that is in it.
  const args = ["run", "--allow-net", bundle, "demo"];
  await using demo = new Child({ program: DENO, args, cwd: folder.path });
  await until(() => demo.stdout.includes("Ctrl-C drains"), { what: "the demo", context: () => demo.stderr });
  const [, url] = /^ {2}curl (.*)$/m.exec(demo.stdout)!;
  assertEquals(await (await fetch(url!)).text(), "hello from backend a\n");
  demo.signal("SIGINT");
  assertEquals(await within(demo.exit, { what: "the demo to end" }), 0, demo.stderr);
});
