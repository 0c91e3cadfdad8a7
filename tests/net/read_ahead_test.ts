import { assert, assertEquals, assertRejects } from "@std/assert";
import type { Connection } from "../../src/net/connection.ts";
import { ReadAhead, ReadAheadConnection } from "../../src/net/read_ahead.ts";
import { memoryPair } from "../support/memory_connection.ts";
import { settle } from "../support/settle.ts";

function setUp(sizeBytes = 100) {
  const [peer, connection] = memoryPair();
  const changes: string[] = [];
  const ahead = new ReadAhead(connection, {
    buffer: new Uint8Array(sizeBytes),
    onChange: () => changes.push(ahead.ended ? "ended" : `${ahead.filled}`),
  });
  const text = () => new TextDecoder().decode(ahead.buffer.subarray(0, ahead.filled));
  return { peer, connection, ahead, changes, text };
}

/** Reads once, at most `sizeBytes`, as text. */
async function readText(connection: ReadAheadConnection, sizeBytes: number): Promise<string | null> {
  const buffer = new Uint8Array(sizeBytes);
  const count = await connection.read(buffer);
  return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
}

Deno.test("what arrives is kept in order, and each arrival is reported", async () => {
  const { peer, ahead, changes, text } = setUp();
  await peer.send("one ");
  await settle();
  await peer.send("two");
  await settle();
  assertEquals([text(), ahead.ended, changes], ["one two", false, ["4", "7"]]);
});

Deno.test("the end is reported, with what came before it kept", async () => {
  const { peer, ahead, changes, text } = setUp();
  await peer.send("bye");
  await peer.closeWrite();
  await settle();
  assertEquals([text(), ahead.ended, ahead.error, ahead.pending], ["bye", true, undefined, undefined]);
  assertEquals(changes, ["3", "ended"]);
});

Deno.test("a reset is reported with its error", async () => {
  const { peer, ahead, changes } = setUp();
  peer.reset();
  await settle();
  assert(ahead.error instanceof Deno.errors.ConnectionReset);
  assertEquals([ahead.ended, changes], [true, ["ended"]]);
});

Deno.test("no more is read than the buffer holds", async () => {
  const { peer, connection, ahead, changes, text } = setUp(5);
  await peer.send("12345678");
  await settle();
  assertEquals([text(), ahead.pending, changes], ["12345", undefined, ["5"]]);
  assertEquals(await connection.receive(), "678");
});

Deno.test("after detach nothing is reported and nothing more is read than the read under way", async () => {
  const { peer, connection, ahead, changes, text } = setUp();
  ahead.detach();
  await peer.send("first");
  await ahead.pending;
  await peer.send("second");
  assertEquals(await connection.receive(), "second");
  assertEquals([text(), changes], ["first", []]);
});

Deno.test("the connection passes on what was read ahead first, then what follows", async () => {
  const { peer, ahead } = setUp();
  await peer.send("greeting");
  await settle();
  const connection = new ReadAheadConnection(ahead);
  assertEquals(connection.passedOn, false);
  assertEquals(await readText(connection, 5), "greet");
  assertEquals(await readText(connection, 5), "ing");
  const next = readText(connection, 100); // The read that was under way all along.
  await peer.send("more");
  assertEquals(await next, "more");
  assertEquals(connection.passedOn, true);
  await peer.send("and more");
  assertEquals(await readText(connection, 100), "and more");
});

Deno.test("a connection whose end was read ahead ends, after what came before", async () => {
  const { peer, ahead } = setUp();
  await peer.send("bye");
  await peer.closeWrite();
  await settle();
  const connection = new ReadAheadConnection(ahead);
  assertEquals(await readText(connection, 100), "bye");
  assertEquals([await readText(connection, 100), await readText(connection, 100)], [null, null]);
  assertEquals(connection.passedOn, false);
});

Deno.test("a connection whose break was read ahead fails with it, after what came before", async () => {
  const { peer, ahead } = setUp();
  await peer.send("oh");
  await settle();
  peer.reset();
  await settle();
  const connection = new ReadAheadConnection(ahead);
  assertEquals(await readText(connection, 100), "oh");
  await assertRejects(() => readText(connection, 100), Deno.errors.ConnectionReset);
});

Deno.test("writing and closing go to the connection itself", async () => {
  const { peer, connection, ahead } = setUp();
  const same = new ReadAheadConnection(ahead);
  await same.write(new TextEncoder().encode("question"));
  assertEquals(await peer.receive(), "question");
  await same.closeWrite();
  assertEquals(await peer.receive(), null);
  same.close();
  assert(connection.closed);
  await ahead.pending;
});

Deno.test("abort goes to the connection itself, or to its close where it has none", async () => {
  const { connection, ahead } = setUp();
  let aborts = 0;
  const bare: Connection = connection;
  bare.abort = () => void aborts++;
  new ReadAheadConnection(ahead).abort();
  assertEquals([aborts, connection.closed], [1, false]);
  delete bare.abort;
  new ReadAheadConnection(ahead).abort();
  assert(connection.closed);
  await ahead.pending;
});
