import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { Child, type Result, run } from "../support/child.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { connect, echo, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { DENO, flagsFor, MAIN, printedFlags, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until, within } from "../support/wait.ts";

/** Runs the program with these permissions. */
function culvert(flags: readonly string[], args: readonly string[], input?: string): Promise<Result> {
  return run(DENO, ["run", ...flags, MAIN, ...args], input === undefined ? {} : { input });
}

async function written(folder: TemporaryFolder, text: string, name = "culvert.yaml"): Promise<string> {
  await Deno.writeTextFile(folder.file(name), text);
  return folder.file(name);
}

Deno.test("--help and --version need no permission and exit with 0", async () => {
  const help = await culvert([], ["--help"]);
  assertEquals([help.code, help.stderr], [0, ""]);
  assertStringIncludes(help.stdout, "culvert permissions --config FILE");
  const version = await culvert([], ["--version"]);
  assertEquals(version.code, 0);
  assertMatch(version.stdout, /^culvert \d+\.\d+\.\d+ \(deno \d+\.\d+\.\d+\)\n$/);
});

Deno.test("bad usage says what was not understood and exits with 64", async () => {
  const cases: [string[], string][] = [
    [[], "run needs --config FILE, once"],
    [["--config"], "run needs --config FILE, once"],
    [["--config", "a", "--config", "b"], "run needs --config FILE, once"],
    [["check"], "check needs --config FILE, once"],
    [["fly"], 'unknown command "fly"'],
    [["run", "fast", "--config", "a"], 'unexpected argument "fast"'],
    [["--confg", "a"], 'unknown option "--confg"'],
    [["demo", "--config", "a"], "demo takes no --config"],
  ];
  for (const [args, message] of cases) {
    const { code, stdout, stderr } = await culvert([], args);
    assertEquals([args, code, stdout], [args, 64, ""]);
    assertStringIncludes(stderr, message);
  }
});

Deno.test("without the permission to read, the exact flag is named and the exit code is 77", async () => {
  await using folder = new TemporaryFolder();
  const file = await written(folder, proxyConfig({ backends: ["127.0.0.1:9"] }));
  for (const command of [["run"], ["check"], ["permissions"], []]) {
    const { code, stdout, stderr } = await culvert([], [...command, "--config", file]);
    assertEquals([code, stdout], [77, ""]);
    assertEquals(stderr, `culvert: Cannot run: a permission is missing; add --allow-read=${file}\n`);
  }
});

Deno.test("no path in a configuration can send a command to the terminal", async () => {
  await using folder = new TemporaryFolder();
  const hostile = String.raw`"unix:/tmp/\x1b[2J\u009b1m.sock"`;
  const good = await written(folder, proxyConfig({ backends: ["127.0.0.1:9"], listen: hostile }));
  const tls = String.raw`tls: {cert: "\x1b[2J.pem", key: "\x1b[2J.key"}`;
  const bad = await written(folder, proxyConfig({ backends: ["127.0.0.1:9"], service: tls }), "bad.yaml");
  for (const [command, file, code] of [["check", good, 0], ["permissions", good, 0], ["check", bad, 78]]) {
    const told = await culvert(["--allow-read", "--no-prompt"], [String(command), "--config", String(file)]);
    assertEquals(told.code, code, told.stderr);
    assertStringIncludes(told.stdout + told.stderr, String.raw`\u001b[2J`);
    assertEquals((told.stdout + told.stderr).match(/[^\n\x20-\x7e]/gu), null);
  }
});

Deno.test("a missing permission is named exactly with exit code 77, and with it the program runs", async () => {
  await using folder = new TemporaryFolder();
  using backend = startBackend(echo, { path: folder.file("backend.sock") });
  const config = proxyConfig({
    backends: [backend.address, "127.0.0.1:9"],
    listen: `"127.0.0.1:0", "unix:${folder.file("listen.sock")}"`,
    upstream: "balance: first",
  });
  const file = await written(folder, config);

  const read = `--allow-read=${file}`;
  const { code, stdout, stderr } = await culvert([read], ["--config", file]);
  assertEquals([code, stdout], [77, ""]);
  const flags = stderr.slice(stderr.indexOf("--allow")).trim().split(" ");
  assertStringIncludes(stderr, `--allow-net=127.0.0.1:0,unix:${folder.file("listen.sock")},`);

  await using child = new Child({ program: DENO, args: ["run", read, ...flags, MAIN, "--config", file] });
  await until(() => child.stderr.includes('"message":"started"'), {
    what: "the program to be ready",
    context: () => child.stderr,
  });
  const path = folder.file("listen.sock");
  {
    using client = await Deno.connect({ transport: "unix", path });
    assertEquals(await exchange(client, "hello"), "hello");
  }
  child.signal("SIGTERM");
  assertEquals(await within(child.exit, { what: "the program to end" }), 0);
});

Deno.test("permissions prints what the file needs and no more, and exits with 0", async () => {
  await using folder = new TemporaryFolder();
  const file = await written(
    folder,
    proxyConfig({ backends: ["127.0.0.1:5432", "[::1]:5433"], listen: '":4000"' }),
  );
  assertEquals(await printedFlags(file), [
    "--allow-net=[::]:4000,0.0.0.0:4000,127.0.0.1:5432,[::1]:5433",
    `--allow-read=${file}`,
  ]);
  // The other scenarios take them from here, without a start of the program for each.
  assertEquals(flagsFor(await Deno.readTextFile(file), file), await printedFlags(file));
});

Deno.test("a bad configuration is reported with all its problems, exit code 78, and nothing bound", async () => {
  await using folder = new TemporaryFolder();
  const port = freePort();
  const file = await written(
    folder,
    `version: 1
upstreams:
  database: {backends: [{address: "127.0.0.1:5432", weight: heavy}], balanse: first}
services:
  - {name: good, listen: ["127.0.0.1:${port}"], upstream: database}
  - {name: bad, listen: ["127.0.0.1:${port}"], upstream: databse, timeouts: {idle: soon}}
`,
  );
  for (const command of ["run", "check", "permissions"]) {
    const { code, stdout, stderr } = await culvert(["-A"], [command, "--config", file]);
    assertEquals([code, stdout], [78, ""]);
    const problems = stderr.trim().split("\n").map((line) => line.replace(`${file}:`, ""));
    assertEquals(problems.map((line) => line.split(": ").slice(0, 2).join(" ")), [
      "3 upstreams.database.backends[0].weight",
      "3 upstreams.database.balanse",
      "6 services[1].listen[0]",
      "6 services[1].timeouts.idle",
      "6 services[1].upstream",
    ]);
    assertStringIncludes(problems[1]!, 'did you mean "balance"?');
    assertStringIncludes(problems[3]!, '"soon"');
    assertStringIncludes(problems[4]!, 'did you mean "database"?');
  }
});

Deno.test("bad keys and missing files are reported in one go, each with its line", async () => {
  await using folder = new TemporaryFolder();
  const file = await written(
    folder,
    `version: 1
services:
  - name: web
    listen: ["127.0.0.1:0"]
    maxConections: 5
    tls:
      cert: none.pem
      key: none.key
      minVersion: 1.3
    upstream:
      backends: ["127.0.0.1:1"]
      tls: {ca: none-ca.pem}
`,
  );
  const key = `${file}:5: services[0].maxConections: unknown key; did you mean "maxConnections"?\n`;
  const files = `${file}:7: services[0].tls.cert: cannot read "${folder.file("none.pem")}": no such file
${file}:8: services[0].tls.key: cannot read "${folder.file("none.key")}": no such file
${file}:12: services[0].upstream.tls.ca: cannot read "${folder.file("none-ca.pem")}": no such file
`;
  for (const command of ["run", "check"]) {
    const { code, stdout, stderr } = await culvert(["-A"], [command, "--config", file]);
    assertEquals([code, stdout, stderr], [78, "", key + files]);
  }
  // Files that may not be read are passed over while there is something else to put right.
  const { code, stderr } = await culvert([`--allow-read=${file}`], ["check", "--config", file]);
  assertEquals([code, stderr], [78, key]);
});

Deno.test("what works but is hardly meant is a warning of check, and at the start", async () => {
  await using folder = new TemporaryFolder();
  const file = await written(
    folder,
    `version: 1
log: {format: json}
upstreams:
  db: {backends: ["127.0.0.1:1"], discover: {file: none.yaml}}
  spare: {backends: ["127.0.0.1:2"]}
services:
  - {name: web, listen: ["127.0.0.1:0"], trusted: ["10.0.0.1"], upstream: db}
`,
  );
  const warnings = [
    "service web: trusted does nothing without proxyProtocol: true: a PROXY header would go on to the backends as data",
    "upstream spare: no service uses it",
  ];
  const { code, stderr } = await culvert([`--allow-read=${folder.path}`], ["check", "--config", file]);
  const list = `upstream db: discover.file: cannot read "${folder.file("none.yaml")}": no such file`;
  assertEquals([code, stderr], [0, [...warnings, list].map((line) => `warning: ${line}\n`).join("")]);

  await using child = new Child({ program: DENO, args: ["run", "-A", MAIN, "--config", file] });
  await until(() => child.stderr.includes(warnings[1]!), { what: "warnings", context: () => child.stderr });
  for (const message of warnings) {
    assertStringIncludes(child.stderr, `"level":"WARN","message":${JSON.stringify(message)}`);
  }
  child.signal("SIGTERM");
  await within(child.exit, { what: "the program to end" });
});

Deno.test("an address in use is an exit code of 1 with the address in the message", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using folder = new TemporaryFolder();
  const listen = `"127.0.0.1:0", "127.0.0.1:${taken.addr.port}"`;
  const file = await written(folder, proxyConfig({ backends: ["127.0.0.1:9"], listen }));
  const { code, stderr } = await culvert(["-A"], ["--config", file]);
  assertEquals(code, 1);
  assertStringIncludes(
    stderr,
    `Cannot listen on "127.0.0.1:${taken.addr.port}": the address is in use (service main)`,
  );
});

Deno.test("a file that is not there is a bad configuration", async () => {
  const { code, stderr } = await culvert(["-A"], ["--config", "/nowhere/culvert.yaml"]);
  assertEquals(code, 78);
  assertStringIncludes(stderr, 'Cannot read configuration "/nowhere/culvert.yaml": there is no such file');
});

Deno.test("check says what a good file would do, and binds nothing", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using folder = new TemporaryFolder();
  const listen = `"127.0.0.1:${taken.addr.port}"`;
  const file = await written(
    folder,
    proxyConfig({ backends: ["127.0.0.1:5432"], listen, timeouts: "idle: 5m" }),
  );
  const { code, stdout, stderr } = await culvert([`--allow-read=${file}`], ["check", "--config", file]);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, `127.0.0.1:${taken.addr.port}`);
  assertStringIncludes(stdout, "127.0.0.1:5432");
  assertStringIncludes(stdout, "idle 5m");
});

Deno.test("--config - reads standard input under --allow-net alone, and says so when asked to reload", async () => {
  using backend = startBackend(echo);
  const input = proxyConfig({ backends: [backend.address] });
  await using child = new Child({
    program: DENO,
    args: ["run", "--allow-net", MAIN, "--config", "-"],
    input,
  });
  const said = (text: string) =>
    until(() => child.stderr.includes(text), { what: text, context: () => child.stderr });
  await said('"message":"started"');
  const port = Number(/"listener":"127.0.0.1:(\d+)"/.exec(child.stderr)![1]);
  child.signal("SIGHUP");
  await said("Cannot reload: standard input can't be read again");
  {
    using client = await connect(port);
    assertEquals(await exchange(client, "hello"), "hello");
  }
  child.signal("SIGTERM");
  assertEquals(await within(child.exit, { what: "the program to end" }), 0);

  const { code, stdout } = await culvert([], ["check", "--config", "-"], input);
  assertEquals(code, 0);
  assertStringIncludes(stdout, backend.address);
});

Deno.test("a config.json with Apps runs as it stands", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const ports = [freePort(), freePort()];
  const apps = { Apps: [{ Name: "echo", Ports: ports, Targets: [a.address, b.address] }] };
  await using culvert = await startCulvert(JSON.stringify(apps));
  let names = "";
  for (const port of [...ports, ...ports]) {
    using client = await connect(port);
    names += await readLine(client);
    assertEquals(await exchange(client, `to ${port}`), `to ${port}`);
  }
  assertEquals(names, "abab");
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  assert(culvert.stderr.includes("info  stopped cut=0\n"), culvert.stderr);
});
