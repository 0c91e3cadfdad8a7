import manifest from "../../deno.json" with { type: "json" };
import { assert, assertEquals } from "@std/assert";
import { Child, output } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect } from "../support/peers.ts";
import { DENO, MAIN } from "../support/program.ts";
import { until, within } from "../support/wait.ts";

testWith(
  ["curl"],
  "the demo serves by weights 5, 1, 1 and drains on SIGINT, as its task runs it",
  async () => {
    const [program, ...words] = manifest.tasks.demo.split(" ");
    assertEquals(program, "deno");
    const args = words.map((word) => word === "main.ts" ? MAIN : word);
    await using demo = new Child({ program: DENO, args });
    const prints = (text: string) =>
      until(() => demo.stdout.includes(text), {
        what: `"${text}"`,
        context: () => demo.stdout + demo.stderr,
      });
    await prints("Ctrl-C drains");
    const url = /curl (http:\S+)/.exec(demo.stdout)![1]!;

    let names = "";
    for (let i = 0; i < 14; i++) names += (await output("curl", ["-sS", "--fail", url])).trim().at(-1);
    assertEquals(names, "aabacaaaabacaa");
    await prints("14 in all (a 10, b 2, c 2)");

    using waiting = await connect(Number(new URL(url).port));
    await prints("1 active");
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
