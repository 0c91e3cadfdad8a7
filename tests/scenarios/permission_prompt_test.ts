import { assertEquals } from "@std/assert";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, exchange, startBackend } from "../support/peers.ts";
import { DENO, MAIN, printedFlags } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { Python } from "../support/python.ts";
import { within } from "../support/wait.ts";

/** Runs a program at a terminal: says each line that it writes, and types what it hears or sends that signal. */
const TERMINAL = `
import json, os, pty, re, signal, subprocess, threading
master, slave = pty.openpty()
child = subprocess.Popen(sys.argv[1:], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
os.close(slave)
def listen():
    for word in iter(hear, ""):
        if word.startswith("SIG"): child.send_signal(getattr(signal, word))
        else: os.write(master, (word + "\\n").encode())
    child.kill()
threading.Thread(target=listen, daemon=True).start()
try:
    while True:
        chunk = os.read(master, 65536).decode(errors="replace")
        say(json.dumps(re.sub(r"\\x1b\\[[0-9;?]*[A-Za-z]", "", chunk)))
except OSError:
    pass # The terminal has been left.
say(json.dumps("exit code %d" % child.wait()))
`;

/** What the program shows at its terminal. */
class Terminal implements AsyncDisposable {
  readonly #python: Python;
  seen = "";

  constructor(flags: readonly string[], file: string) {
    this.#python = new Python(TERMINAL, DENO, "run", ...flags, MAIN, "--config", file);
  }

  /** Resolves when it has shown this. */
  async shows(text: string): Promise<void> {
    const search = async () => {
      while (!this.seen.includes(text)) this.seen += JSON.parse(await this.#python.hear());
    };
    await within(search(), { what: `"${text}" at the terminal`, context: () => this.seen });
  }

  /** Types a line, or sends the signal of this name. */
  async do(what: string): Promise<void> {
    await this.#python.say(what);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#python[Symbol.asyncDispose]();
  }
}

testWith(["python3"], "at a terminal the start may ask for a permission, and a reload may not", async () => {
  await using folder = new TemporaryFolder();
  using first = startBackend(echo);
  using second = startBackend(echo);
  const file = folder.file("culvert.yaml");
  await Deno.writeTextFile(file, proxyConfig({ backends: [first.address] }));
  const flags = (await printedFlags(file)).map((flag) => flag.replace(`,${first.address}`, ""));
  await using terminal = new Terminal(flags, file);
  await terminal.shows(`requests net access to "${first.address}"`);
  // What is typed before the runtime listens, which nothing tells, is thrown away.
  const typing = setInterval(() => void terminal.do("y"), 200);
  await terminal.shows("Granted net access").finally(() => clearInterval(typing));
  await terminal.shows('"message":"started"');

  // A program that asks stops until there is an answer, with all of its connections.
  await Deno.writeTextFile(file, proxyConfig({ backends: [second.address] }));
  await terminal.do("SIGHUP");
  await terminal.shows(`a permission is missing; add --allow-net=${second.address}`);
  assertEquals(terminal.seen.match(/requests \w+ access/g), ["requests net access"]);
  using client = await connect(Number(/"listener":"127.0.0.1:(\d+)"/.exec(terminal.seen)![1]));
  assertEquals(await exchange(client, "hello"), "hello");
  client.close();
  assertEquals([first.accepted, second.accepted], [1, 0]);
  await terminal.do("SIGTERM");
  await terminal.shows("exit code 0");
});
