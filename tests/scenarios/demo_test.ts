import manifest from "../../deno.json" with { type: "json" };
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Child, run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect } from "../support/peers.ts";
import { DENO } from "../support/program.ts";
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
    await prints(demo, "14 in all (a 10, b 2, c 2)");

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
  "the demo lets in who shows its certificate and refuses who does not, with the commands that it prints",
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
    await prints(demo, "3 in all (a 2, b 0, c 0)");
    demo.signal("SIGINT");
    assertEquals(await within(demo.exit, { what: "the demo to end" }), 0);
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
    demo.signal("SIGINT");
    assertEquals(await within(demo.exit, { what: "the demo to end" }), 0);
  },
);

function startDemo(): Child {
  const [program, ...args] = manifest.tasks.demo.split(" ");
  assertEquals(program, "deno");
  return new Child({ program: DENO, args, cwd: ROOT });
}

/** The commands that it prints, once it has printed all of them. */
async function commandsOf(demo: Child) {
  await prints(demo, "Ctrl-C drains");
  const commands = [...demo.stdout.matchAll(/^ {2}(curl .*)$/gm)].map(([, command]) => command!);
  assertEquals(commands.length, 6);
  const [plain, withCertificate, without, status, drain, enable] = commands as [string, ...string[]];
  return {
    plain,
    withCertificate: withCertificate!,
    without: without!,
    status: `${status} --silent`,
    drain: `${drain} --silent`,
    enable: `${enable} --silent`,
  };
}

function shell(command: string) {
  return run("sh", ["-c", command], { cwd: ROOT });
}

function prints(demo: Child, text: string): Promise<void> {
  return until(() => demo.stdout.includes(text), {
    what: `"${text}"`,
    context: () => demo.stdout + demo.stderr,
  });
}
