import { assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { runAtTerminal } from "../support/terminal.ts";
import { AcceptLoop } from "../../src/net/accept_loop.ts";
import { within } from "../support/wait.ts";

/** Has the import map. */
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
const PROGRAM = new URL("./dial_permission_program.ts", import.meta.url).pathname;

/** An address without permission to dial, and its error. */
const REFUSED = [
  ["127.0.0.1:1", "--allow-net=127.0.0.1:1"],
  ["[::1]:1", "--allow-net=[::1]:1"],
  ["[fe80::1%lo]:1", "--allow-net=[fe80::1]:1"],
  ["localhost:1", "--allow-net=localhost:1"],
  ["unix:/run/a.sock", "--allow-net=unix:/run/a.sock --allow-read=/run/a.sock --allow-write=/run/a.sock"],
] as const;

/** The program's lines about these addresses. */
function refusals(): string[] {
  const ways = ["dial", "connectAndReset"];
  return REFUSED.flatMap(([address, flags]) =>
    ways.map((way) =>
      `${way} ${address}: permission_missing Cannot dial "${address}": a permission is missing; add ${flags}`
    )
  );
}

/** A listener that closes whatever it accepts, and the flags to dial it alone. */
function startListener() {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const loop = new AcceptLoop<Deno.Conn>(listener, { onConnection: (connection) => connection.close() });
  const address = `127.0.0.1:${listener.addr.port}`;
  const close = async () => {
    loop.close();
    await within(loop.done, { what: "the listener to end" });
  };
  return {
    address,
    args: ["run", "--config", CONFIG, `--allow-net=${address}`],
    [Symbol.asyncDispose]: close,
  };
}

Deno.test("what may not be dialled is refused with the flags that are missing, and what may is dialled", async () => {
  await using good = startListener();
  const addresses = [...REFUSED.map(([address]) => address), good.address];
  const { stdout } = await run(Deno.execPath(), [...good.args, PROGRAM, ...addresses]);
  assertEquals(stdout.trim().split("\n"), [
    ...refusals(),
    `dial ${good.address}: good`,
    `connectAndReset ${good.address}: good`,
    "done",
  ]);
});

testWith(
  ["python3"],
  "at a terminal the runtime does not ask for permission either, and the program continues",
  async () => {
    await using good = startListener();
    const command = [
      Deno.execPath(),
      ...good.args,
      PROGRAM,
      ...REFUSED.map(([address]) => address),
      good.address,
    ];
    const output = await runAtTerminal(command, "Allow?");
    for (const line of refusals()) assertStringIncludes(output, line);
    assertStringIncludes(output, `connectAndReset ${good.address}: good\r\ndone`);
  },
);
