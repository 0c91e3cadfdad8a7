import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { bareConnection, PrefixedConnection } from "../../src/net/prefixed_connection.ts";
import { ReadAhead } from "../../src/net/read_ahead.ts";
import { Tunnel } from "../../src/net/tunnel.ts";
import { hashAll, seededBytes, sha256, writeAll } from "../support/bytes.ts";
import { memoryPair } from "../support/memory_connection.ts";

function setUp(prefix: string) {
  const [peer, bare] = memoryPair();
  return { peer, bare, connection: new PrefixedConnection(bare, new TextEncoder().encode(prefix)) };
}

async function readText(connection: Connection, sizeBytes: number): Promise<string | null> {
  const buffer = new Uint8Array(sizeBytes);
  const count = await connection.read(buffer);
  return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
}

Deno.test("what was read before comes first, in pieces as asked for, then what follows", async () => {
  const { peer, connection } = setUp("hello");
  await peer.send(" world");
  await peer.closeWrite();
  const pieces: (string | null)[] = [];
  for (let i = 0; i < 5; i++) pieces.push(await readText(connection, 4));
  assertEquals(pieces, ["hell", "o", " wor", "ld", null]);
});

Deno.test("what was read before is there at once, though the peer says nothing", async () => {
  const { connection } = setUp("hello");
  assertEquals(await readText(connection, 100), "hello");
});

Deno.test("the bare connection is given from the moment on that nothing is left of the prefix", async () => {
  const { bare, connection } = setUp("hello");
  assertStrictEquals(bareConnection(connection), connection);
  await readText(connection, 4);
  assertEquals(connection.passedOn, false);
  assertStrictEquals(bareConnection(connection), connection);
  await readText(connection, 1);
  assertEquals(connection.passedOn, true);
  assertStrictEquals(bareConnection(connection), bare);
});

Deno.test("an empty prefix is none, and prefixes may come before one another", async () => {
  const { bare, connection } = setUp("");
  assertStrictEquals(bareConnection(new PrefixedConnection(connection, new Uint8Array(0))), bare);
  assertStrictEquals(bareConnection(bare), bare);

  const two = setUp("two");
  const outer = new PrefixedConnection(two.connection, new TextEncoder().encode("one"));
  assertEquals([await readText(outer, 9), await readText(outer, 9)], ["one", "two"]);
  assertStrictEquals(bareConnection(outer), two.bare);
});

Deno.test("writing, half-close and close are those of the connection underneath", async () => {
  const { peer, bare, connection } = setUp("hello");
  assertEquals(await connection.write(new TextEncoder().encode("abc")), 3);
  assertEquals(await peer.receive(), "abc");
  await connection.closeWrite();
  assertEquals(await peer.receive(), null);
  connection.close();
  assert(bare.closed);
  await assertRejects(() => connection.read(new Uint8Array(1)), Deno.errors.BadResource);
  assertThrows(() => connection.close(), Deno.errors.BadResource);
});

Deno.test("abort is that of the connection underneath, or its close where it has none", async () => {
  const { bare, connection } = setUp("hello");
  connection.abort();
  assert(bare.closed);
  await assertRejects(() => connection.read(new Uint8Array(1)), Deno.errors.BadResource);

  const other = setUp("hello");
  let aborts = 0;
  const bareToAbort: Connection = other.bare;
  bareToAbort.abort = () => void aborts++;
  other.connection.abort();
  assertEquals([aborts, other.bare.closed], [1, false]);
});

Deno.test("a tunnel carries a prefix that is longer than what it reads ahead, unchanged", async () => {
  const [client, accepted] = memoryPair();
  const [dialled, backend] = memoryPair();
  const data = seededBytes(20_000, 7);
  const buffers = new BufferPool();
  const connection = new PrefixedConnection(accepted, data.slice(0, 3000));
  const ahead = new ReadAhead(connection, { buffer: buffers.take(), onChange() {} });
  const options = { wheel: new TimerWheel(), buffers, clientAhead: ahead };
  const ended = new Tunnel(bareConnection(connection), dialled, options).run();

  const received = hashAll(backend);
  await writeAll(client, data.subarray(3000));
  await client.closeWrite();
  assertEquals(await received, { length: data.length, sha256: sha256(data) });
  await backend.closeWrite();
  assertEquals(await ended, "client-closed");
  assertEquals(buffers.inUse, { small: 0, medium: 0, large: 0 });
});
