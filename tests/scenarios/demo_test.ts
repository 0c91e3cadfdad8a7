import manifest from "../../deno.json" with { type: "json" };
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Child, run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { connect } from "../support/peers.ts";
import { DENO, MAIN } from "../support/program.ts";
import { Python } from "../support/python.ts";
import { until, within } from "../support/wait.ts";

/** Where the task runs, and where the commands that it prints are to be tried. */
const ROOT = new URL("../../", import.meta.url).pathname;

testWith(
  ["curl"],
  "the demo serves by weights 5, 1, 1 and drains on SIGINT, as its task runs it",
  async () => {
    await using demo = startDemo();
    const { plain } = await commandsOf(demo);

    let names = "";
    for (let i = 0; i < 14; i++) names += (await shell(plain)).stdout.trim().at(-1);
    assertEquals(names, "aabacaaaabacaa");
    await prints(demo, "14 served (a 10, b 2, c 2), 0 refused");

    using waiting = await connect(Number(new URL(plain.split(" ").at(-1)!).port));
    await prints(demo, "1 active");
    demo.signal("SIGINT");
    await until(() => demo.stderr.includes("draining connections=1"), {
      what: "the drain",
      context: () => demo.stderr,
    });
    await waiting.closeWrite();
    assertEquals(await within(demo.exit, { what: "the demo to end" }), 0);
    assert(demo.stderr.includes("reason=drained"), demo.stderr);
  },
);

testWith(
  ["curl"],
  "the demo accepts a client with its certificate and rejects one without, with the commands that it prints",
  async () => {
    await using demo = startDemo();
    const { withCertificate, without } = await commandsOf(demo);

    const letIn = await shell(`${withCertificate} --write-out %{http_code}`);
    assertEquals([letIn.code, letIn.stdout], [0, "hello from backend a\n200"], letIn.stderr);
    assertEquals((await shell(withCertificate)).stdout, "hello from backend a\n");

    const refused = await shell(without);
    assert(refused.code !== 0, refused.stdout);
    assertEquals(refused.stdout, "");
    await until(() => demo.stderr.includes("reason=tls-no-certificate"), {
      what: "the refusal",
      context: () => demo.stderr,
    });
    assertStringIncludes(demo.stderr, 'identity="CN=client"');
    await prints(demo, "2 served (a 2, b 0, c 0), 1 refused");
    await endsWell(demo);
  },
);

testWith(
  ["curl"],
  "the demo's HTTP service rewrites, redirects and carries a WebSocket, with the commands that it prints",
  async () => {
    await using demo = startDemo();
    const { api, old, socket } = await commandsOf(demo);
    assertEquals((await shell(api)).stdout, "hello from backend a, path /v1/users\n");
    const redirected = (await shell(old)).stdout;
    assertStringIncludes(redirected, "HTTP/1.1 308 ");
    assertStringIncludes(redirected, "/api?page=2\r\n");
    const said = await shell(socket);
    assertEquals([said.code, said.stdout], [0, "backend a got: hello\n"], said.stderr);
    await endsWell(demo);
  },
);

testWith(
  ["curl"],
  "the demo's backends can be taken out and back by the commands that it prints",
  async () => {
    await using demo = startDemo();
    const { plain, status, drain, enable } = await commandsOf(demo);
    const backends = async () =>
      JSON.parse((await shell(status)).stdout).upstreams[0].backends.map(({ state }: { state: string }) =>
        state
      );
    await until(async () => (await backends()).join() === "up,up,up", { what: "the checks" });
    assertEquals(JSON.parse((await shell(drain)).stdout).state, "drained");
    assertEquals(await backends(), ["drained", "up", "up"]);
    assertEquals((await shell(plain)).stdout, "hello from backend b\n");
    assertEquals(JSON.parse((await shell(enable)).stdout).state, "up");
    await endsWell(demo);
  },
);

Deno.test("where its certificates are not, or may not be read, the demo runs its plain part and says why", async () => {
  await using folder = new TemporaryFolder();
  const elsewhere = { cwd: folder.path, flags: ["--allow-net", "--allow-read"] };
  const blind = { cwd: ROOT, flags: ["--allow-net=127.0.0.1"] };
  const cases = [
    [elsewhere, "there is no certs/server.pem here", 'make certificates with "culvert certs certs", or run'],
    [blind, "Deno may not read certs/", "add --allow-read=certs in a folder that has certs/"],
  ] as const;
  for (const [{ cwd, flags }, why, help] of cases) {
    await using demo = new Child({ program: DENO, args: ["run", ...flags, MAIN, "demo"], cwd });
    await prints(demo, "Ctrl-C drains");
    assertStringIncludes(
      demo.stdout,
      `requires a client certificate, is left out: ${why}.\nTo have it, ${help}`,
    );
    const [plain, ...others] = commandsIn(demo);
    assertEquals(others.map((command) => /\/api\/(status|upstreams)/.test(command)), [
      ...[false, false, false, true, true, true],
    ]);
    assertStringIncludes(await talk(plain!), "hello from backend a\n");
    await endsWell(demo);
  }
});

Deno.test("the demo has its certificates where the certs command has made them", async () => {
  await using folder = new TemporaryFolder();
  const flags = ["run", "--allow-read=certs", "--allow-write=certs"];
  const made = await run(DENO, [...flags, MAIN, "certs", "certs"], { cwd: folder.path });
  assertEquals(made.code, 0, made.stderr);
  const args = ["run", "--allow-net=127.0.0.1", "--allow-read=certs", MAIN, "demo"];
  await using demo = new Child({ program: DENO, args, cwd: folder.path });
  await prints(demo, "Ctrl-C drains");
  assertEquals(commandsIn(demo).length, 9);
  await endsWell(demo);
});

Deno.test("the demo without the network names the flag that it needs", async () => {
  const { code, stderr } = await run(DENO, ["run", MAIN, "demo"]);
  assertEquals([code, stderr], [
    77,
    "culvert: Cannot run: a permission is missing; add --allow-net=127.0.0.1\n",
  ]);
});

testWith(["python3"], "Ctrl-C in a terminal drains the demo that its task runs", async () => {
  // The task's own process passes the signal on that all of the terminal got. Whether the two are told apart is
  // up to chance, so it is tried more than once.
  await Promise.all(Array.from({ length: 3 }, typeControlC));
});

async function typeControlC(): Promise<void> {
  await using terminal = new Python(TERMINAL, ROOT, DENO, "task", "demo");
  const plain = (await hears(terminal, /^ {2}curl (http:.*)$/))[1]!;
  const api = (await hears(terminal, /^ {2}curl (http:.*)\/status$/))[1]!;
  const status = async () => await (await fetch(`${api}/status`)).json();
  using waiting = await connect(Number(new URL(plain).port));
  await until(async () => (await status()).services[0].active === 1, { what: "the connection" });
  await terminal.say("ctrl-c");
  await hears(terminal, / draining .*connections=1/);
  // Whatever was to cut it has done so by the time of an answer or two.
  for (let i = 0; i < 3; i++) {
    const { state, services: [service] } = await status();
    assertEquals([state, service.active], ["draining", 1]);
  }
  await waiting.closeWrite();
  await hears(terminal, / reason=drained/);
  assertEquals((await hears(terminal, /^exit (.*)$/))[1], "0");
}

/** Runs a command in a terminal of its own; types Ctrl-C for each line that it is told. */
const TERMINAL = `
import os, pty, select, signal
pid, terminal = pty.fork()
if pid == 0:
    os.chdir(sys.argv[1])
    os.environ.update(NO_COLOR="1", DENO_NO_UPDATE_CHECK="1")
    os.execv(sys.argv[2], sys.argv[2:])
while True:
    ready, _, _ = select.select([terminal, 0], [], [])
    if 0 in ready:
        if not os.read(0, 100):
            os.killpg(pid, signal.SIGKILL)
            break
        os.write(terminal, b"\\x03")
    if terminal in ready:
        try:
            piece = os.read(terminal, 4096)
        except OSError:
            break
        if not piece:
            break
        sys.stdout.buffer.write(piece)
        sys.stdout.flush()
say("\\nexit %d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

/** Resolves to the first of the next lines that matches. */
async function hears(terminal: Python, pattern: RegExp): Promise<RegExpExecArray> {
  let heard = "";
  const search = async () => {
    for (;;) {
      const line = (await terminal.hear()).replaceAll("\r", "");
      heard += `${line}\n`;
      const found = pattern.exec(line);
      if (found !== null) return found;
    }
  };
  return await within(search(), { what: String(pattern), context: () => heard });
}

/** The answer to one of its commands that only fetches. */
async function talk(command: string): Promise<string> {
  return await (await fetch(command.split(" ").at(-1)!)).text();
}

async function endsWell(demo: Child): Promise<void> {
  demo.signal("SIGINT");
  assertEquals(await within(demo.exit, { what: "the demo to end" }), 0, demo.stderr);
}

function startDemo(): Child {
  const [program, ...args] = manifest.tasks.demo.split(" ");
  assertEquals(program, "deno");
  return new Child({ program: DENO, args, cwd: ROOT });
}

/** The commands that it prints, once it has printed all of them. */
async function commandsOf(demo: Child) {
  await prints(demo, "Ctrl-C drains");
  const commands = commandsIn(demo);
  assertEquals(commands.length, 9);
  const [plain, api, old, socket, withCertificate, without, status, drain, enable] = commands as [
    string,
    ...string[],
  ];
  return {
    ...{ plain, api: api!, old: old!, socket: socket!.replace("deno", DENO) },
    withCertificate: withCertificate!,
    without: without!,
    status: `${status} --silent`,
    drain: `${drain} --silent`,
    enable: `${enable} --silent`,
  };
}

function commandsIn(demo: Child): string[] {
  return [...demo.stdout.matchAll(/^ {2}((?:curl|deno) .*)$/gm)].map(([, command]) => command!);
}

function shell(command: string) {
  return run("sh", ["-c", command], { cwd: ROOT });
}

async function prints(demo: Child, text: string): Promise<void> {
  const context = () => demo.stdout + demo.stderr;
  await until(() => demo.stdout.includes(text) || !demo.running, { what: `"${text}"`, context });
  assertStringIncludes(demo.stdout, text, context());
}
