import { assert, assertEquals, assertInstanceOf, assertRejects, assertStrictEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import type { Connection } from "../../src/net/connection.ts";
import { FairConnection, takeTurns } from "../../src/net/fair_connection.ts";
import { ReadTurns } from "../../src/net/read_turns.ts";
import { memoryPair } from "../support/memory_connection.ts";

/** Turns of which the last one was full: the next read waits. */
async function fullTurns(): Promise<ReadTurns> {
  const turns = new ReadTurns();
  for (let i = 0; i < 200; i++) turns.join();
  for (let i = 0; i < 128; i++) turns.admit({ begin() {} });
  await new Promise<void>((resolve) => setImmediate(resolve));
  assert(turns.inRounds);
  return turns;
}

/** Awaits the end of the rounds. */
async function ended(turns: ReadTurns): Promise<void> {
  while (turns.inRounds) await new Promise<void>((resolve) => setImmediate(resolve));
}

async function socketPair(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return await Promise.all([Deno.connect({ port: listener.addr.port }), listener.accept()]);
}

Deno.test("a read that had to wait brings the bytes, and then the end of the stream", async () => {
  const [near, far] = memoryPair();
  const turns = await fullTurns();
  const fair = new FairConnection(near, turns);
  await far.send("bytes");
  await far.closeWrite();
  const buffer = new Uint8Array(16);
  const read = fair.read(buffer);
  assert(turns.inRounds);
  assertEquals(await read, 5);
  assertEquals(new TextDecoder().decode(buffer.subarray(0, 5)), "bytes");
  assertEquals(await fair.read(buffer), null);
  await ended(turns);
  fair.close();
});

Deno.test("a read that waits for its turn rejects at once when its connection is closed", async () => {
  for (const end of ["close", "abort"] as const) {
    const [near, far] = await socketPair();
    const turns = await fullTurns();
    const fair = new FairConnection(near, turns);
    const read = fair.read(new Uint8Array(16));
    fair[end]();
    assert(turns.inRounds);
    await assertRejects(() => read, Deno.errors.BadResource);
    await ended(turns);
    far.close();
  }
});

Deno.test("a connection that is closed twice says so, as its socket does, and is counted out once", async () => {
  let count = 0;
  class Counted extends ReadTurns {
    override join = () => void count++;
    override leave = () => void count--;
  }
  const [near, far] = await socketPair();
  const fair = new FairConnection(near, new Counted());
  assertEquals(count, 1);
  fair.close();
  let error: unknown;
  try {
    fair.close();
  } catch (thrown) {
    error = thrown;
  }
  assertInstanceOf(error, Deno.errors.BadResource);
  assertEquals(count, 0);
  far.close();
});

Deno.test("sockets take turns; what is no socket, or not yet through the runtime's TLS, is given back", async () => {
  const [near, far] = await socketPair();
  const fair = takeTurns(near);
  assertInstanceOf(fair, FairConnection);
  const [memory] = memoryPair();
  assertStrictEquals(takeTurns(memory), memory);
  const tls = { remoteAddr: near.remoteAddr, handshake() {} } as unknown as Connection;
  assertStrictEquals(takeTurns(tls), tls);
  fair.close();
  far.close();
});
