import { assert, assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Address } from "../../src/net/address.ts";
import { connectAndReset } from "../../src/net/connect_and_reset.ts";
import { run } from "../support/child.ts";
import { ownHostname } from "../support/member.ts";
import { startUnresponsive } from "../support/peers.ts";
import { until } from "../support/wait.ts";

/** Has the import map. */
const CONFIG = new URL("../../deno.json", import.meta.url).pathname;
const NEVER = new AbortController().signal;

/** An address that no other test uses: a port of 127.0.0.1 may have been another program's a moment ago. */
const HOST = ownHostname();

function at(port: number, host = HOST): Address {
  return { kind: "tcp", host, port };
}

/** The states of all sockets that have a port of `host` at either end, as the kernel names them. */
function states(port: number, host = HOST): string[] {
  const hexOf = (value: number, digits: number) => value.toString(16).toUpperCase().padStart(digits, "0");
  const octets = host.split(".").reverse();
  const hex = `${octets.map((octet) => hexOf(Number(octet), 2)).join("")}:${hexOf(port, 4)}`;
  const [, ...rows] = Deno.readTextFileSync("/proc/self/net/tcp").trim().split("\n");
  const fields = rows.map((row) => row.trim().split(/\s+/));
  return fields.filter(([, local, remote]) => local === hex || remote === hex)
    .map(([, , , state]) => ({ "0A": "listen", "06": "time-wait", "02": "syn-sent" })[state!] ?? state!);
}

/** How a connection that is accepted ends. The runtime may find the reset while it accepts. */
async function endOfNext(listener: Deno.Listener): Promise<string> {
  try {
    using connection = await listener.accept();
    return await connection.read(new Uint8Array(1)) === null ? "end" : "bytes";
  } catch (error) {
    return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected
      ? "reset"
      : String(error);
  }
}

Deno.test("the peer sees a reset, and nothing of the connection is left in the kernel", async () => {
  using listener = Deno.listen({ hostname: HOST, port: 0 });
  const { port } = listener.addr;
  for (let i = 0; i < 20; i++) {
    const [end] = await Promise.all([endOfNext(listener), connectAndReset(at(port), NEVER)]);
    assertEquals(end, "reset");
  }
  assertEquals(states(port), ["listen"]);
});

Deno.test("a plain close would leave a port in TIME_WAIT", async () => {
  using listener = Deno.listen({ hostname: HOST, port: 0 });
  const { port } = listener.addr;
  const ended = endOfNext(listener);
  (await Deno.connect({ hostname: HOST, port })).close();
  assertEquals(await ended, "end");
  await until(() => states(port).includes("time-wait"), { what: "the port to be kept" });
});

Deno.test("a backend that does not get round to accepting is reached, and its queue is not held", async () => {
  using listener = Deno.listen({ hostname: HOST, port: 0, tcpBacklog: 8 });
  const { port } = listener.addr;
  await connectAndReset(at(port), NEVER);
  await connectAndReset(at(port), NEVER);
  assert(!states(port).includes("time-wait"));
  using own = await Deno.connect({ hostname: HOST, port });
  await own.write(new Uint8Array([7]));
  const ends: string[] = [];
  while (!ends.includes("bytes")) ends.push(await endOfNext(listener));
  assertEquals(ends.filter((end) => end !== "reset"), ["bytes"]);
});

Deno.test("a host name will do, and one that does not exist is an error", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const [end] = await Promise.all([endOfNext(listener), connectAndReset(at(port, "localhost"), NEVER)]);
  assertEquals(end, "reset");
  await assertRejects(
    () => connectAndReset(at(port, "no.such.name.invalid"), NEVER),
    Error,
    "no.such.name.invalid",
  );
});

Deno.test("the error names the address that refuses", async () => {
  await assertRejects(
    () => connectAndReset(at(1, "127.0.0.1"), NEVER),
    Error,
    "connect ECONNREFUSED 127.0.0.1:1",
  );
});

Deno.test("the signal gives up at once with its reason, and nothing goes on in the kernel", async () => {
  using full = await startUnresponsive();
  const port = Number(full.address.split(":")[1]);
  const stop = new AbortController();
  const connecting = connectAndReset(at(port, "127.0.0.1"), stop.signal);
  await until(() => states(port, "127.0.0.1").includes("syn-sent"), { what: "the connection to be begun" });
  const reason = new Error("too late");
  stop.abort(reason);
  assertStrictEquals(await connecting.catch((error) => error), reason);
  assert(!states(port, "127.0.0.1").includes("syn-sent"));
});

Deno.test("with an aborted signal no connection is made", async () => {
  using listener = Deno.listen({ hostname: HOST, port: 0 });
  const reason = new Error("too late");
  const outcome = connectAndReset(at(listener.addr.port), AbortSignal.abort(reason)).catch((error) => error);
  assertStrictEquals(await outcome, reason);
  assertEquals(states(listener.addr.port), ["listen"]);
});

Deno.test("the right to connect to the name is the only one that is needed", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr;
  const module = new URL("../../src/net/connect_and_reset.ts", import.meta.url).href;
  const address = JSON.stringify(at(port, "localhost"));
  const program = `import { connectAndReset } from ${JSON.stringify(module)};
await connectAndReset(${address}, new AbortController().signal);
console.log("touched");`;
  const file = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(file, program);
    const args = ["run", "--config", CONFIG, "--no-prompt", `--allow-net=localhost:${port}`, file];
    const { code, stdout, stderr } = await run(Deno.execPath(), args);
    assertEquals([code, stdout], [0, "touched\n"], stderr);
  } finally {
    await Deno.remove(file);
  }
});
