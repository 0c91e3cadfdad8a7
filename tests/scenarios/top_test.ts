import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { output, run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, startBackend } from "../support/peers.ts";
import { type Culvert, DENO, HEAD, MAIN, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";

const CONFIG_HEAD = `${HEAD}admin: {listen: "127.0.0.1:0"}\n`;

async function adminOf(culvert: Culvert): Promise<string> {
  return String((await culvert.waitFor({ message: "admin API" })).listener);
}

/** A shell in a tmux session of its own, of 80 columns and 24 rows. */
class Tmux implements AsyncDisposable {
  readonly folder = new TemporaryFolder();

  async start(): Promise<void> {
    await this.#tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "24", "sh");
  }

  /** Sends keys by the names that tmux has for them. */
  async keys(...keys: string[]): Promise<void> {
    await this.#tmux("send-keys", ...keys);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.#tmux("resize-window", "-x", String(columns), "-y", String(rows));
  }

  /** The lines of the screen. */
  async screen(): Promise<string[]> {
    return (await this.#tmux("capture-pane", "-p")).split("\n");
  }

  /** Whether a program has the alternate screen. */
  async isAlternate(): Promise<boolean> {
    return (await this.#tmux("display-message", "-p", "#{alternate_on}")).trim() === "1";
  }

  /** Resolves to the screen as soon as it has a text. */
  async shows(text: string | RegExp): Promise<string[]> {
    let lines: string[] = [];
    const has = (line: string) => typeof text === "string" ? line.includes(text) : text.test(line);
    await until(async () => (lines = await this.screen()).some(has), {
      what: `the terminal to show ${text}`,
      context: () => lines.join("\n"),
    });
    return lines;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run("tmux", ["-S", this.folder.file("tmux"), "kill-server"]);
    await this.folder[Symbol.asyncDispose]();
  }

  #tmux(...args: string[]): Promise<string> {
    return output("tmux", ["-S", this.folder.file("tmux"), ...args]);
  }
}

testWith(
  ["tmux"],
  "top shows, sorts, filters, drains and enables at a terminal, and leaves it as it was",
  async () => {
    using backend = startBackend(echo);
    const backends = [backend.address, "127.0.0.1:9"];
    await using culvert = await startCulvert(proxyConfig({ head: CONFIG_HEAD, backends }));
    const admin = await adminOf(culvert);
    await using tmux = new Tmux();
    await tmux.start();
    const settings = "stty -a | grep -v rows";
    await tmux.keys(`clear; ${settings} > ${tmux.folder.file("before")}; echo begun`, "Enter");
    await tmux.shows(/^begun$/);
    const top = `${DENO} run --allow-net=${admin} ${MAIN} top --interval 200ms --admin http://${admin}`;
    await tmux.keys(top, "Enter");
    const services = await tmux.shows(/q quit/); // The last line that is drawn.
    assertEquals(services.length, 25); // With what follows the last line feed.
    assertMatch(services[3]!, /^ {2}SERVICE +ACTIVE +CONN\/S/);
    assertMatch(services[4]!, /^> main /);
    assertMatch(services[23]!, /q quit/);
    using client = await connect(culvert.port("main"));
    await client.write(new TextEncoder().encode("hello"));
    await tmux.shows(/^> main +1 /);

    await tmux.keys("3");
    await tmux.shows(/^>.* main +127\.0\.0\.1:\d+ /);
    await tmux.keys("2");
    await tmux.shows("127.0.0.1:9 ");
    await tmux.keys("/", "1:9", "Enter");
    await tmux.shows("filter: 1:9  1 row");
    await tmux.keys("d");
    await tmux.shows("drain 127.0.0.1:9 of main? (y/n)");
    await tmux.keys("y");
    await tmux.shows(/^> main +127\.0\.0\.1:9 +drained /);
    await tmux.keys("e", "y");
    await tmux.shows(/^> main +127\.0\.0\.1:9 +up /);
    await tmux.keys("Escape");
    await tmux.shows("2 rows");
    await tmux.resize(50, 8);
    await until(async () => (await tmux.screen())[7]?.startsWith("1-4 view") === true, {
      what: "the smaller screen",
    });
    await tmux.keys(">", ">", "r");
    await tmux.shows("BACKEND↓");

    await tmux.keys("q");
    await until(async () => !await tmux.isAlternate(), { what: "the screen of the shell" });
    await tmux.keys(`clear; ${settings} > ${tmux.folder.file("after")}; echo ended $?`, "Enter");
    await tmux.shows(/^ended 0$/);
    const read = (name: string) => Deno.readTextFile(tmux.folder.file(name));
    assertEquals(await read("after"), await read("before"));

    // By a signal, too.
    await tmux.keys(top, "Enter");
    await tmux.shows("[1 services]");
    await tmux.keys("C-c");
    await until(async () => !await tmux.isAlternate(), { what: "the screen of the shell" });
    const script = `echo $$ > ${tmux.folder.file("pid")}; exec ${top}`;
    await tmux.keys(`sh -c '${script}'; echo left $?`, "Enter");
    await tmux.shows("[1 services]");
    Deno.kill(Number(await read("pid")), "SIGTERM");
    await tmux.shows(/^left 0$/);
    await tmux.keys(`clear; ${settings} > ${tmux.folder.file("last")}; echo ended $?`, "Enter");
    await tmux.shows(/^ended 0$/);
    assertEquals(await read("last"), await read("before"));
    client.close();
    await culvert.finish();
  },
);

Deno.test("top prints text where there is no terminal", async () => {
  await using culvert = await startCulvert(proxyConfig({ head: CONFIG_HEAD, backends: ["127.0.0.1:9"] }));
  const admin = await adminOf(culvert);
  const args = ["top", "--interval", "100ms", "--admin", `http://${admin}`];
  const { code, stdout, stderr } = await run(DENO, ["run", `--allow-net=${admin}`, MAIN, ...args]);
  assertEquals([code, stderr], [0, ""]);
  assertStringIncludes(stdout, "UPSTREAM  BACKEND");
  // deno-lint-ignore no-control-regex
  assert(!/[\x00-\x09\x0b-\x1f]/.test(stdout));
  await culvert.finish();
});
