import { assert, assertEquals, assertRejects } from "@std/assert";
import { HttpError } from "../../src/http/http_error.ts";
import { RequestReader } from "../../src/admin/request_reader.ts";
import { seededBytes } from "../support/bytes.ts";
import { type MemoryConnection, memoryPair } from "../support/memory_connection.ts";
import { settle } from "../support/settle.ts";

const HEAD = "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";

function setUp(): [MemoryConnection, RequestReader, MemoryConnection] {
  const [peer, connection] = memoryPair({ capacity: 1_000_000 });
  return [peer, new RequestReader(connection), connection];
}

Deno.test("requests that come in one piece are read one after the other, each with its body", async () => {
  const [peer, reader] = setUp();
  await peer.send(`${HEAD}first${HEAD}other`);
  for (const expected of ["first", "other"]) {
    assertEquals(await reader.awaitRequest(), true);
    const { contentLength } = await reader.readHead();
    assertEquals(new TextDecoder().decode(await reader.readBody(contentLength!)), expected);
  }
  assertEquals(reader.buffered, 0);
  await peer.closeWrite();
  assertEquals(await reader.awaitRequest(), false);
});

Deno.test("a large body is read whole, and the request behind it is found", async () => {
  const [peer, reader] = setUp();
  const body = seededBytes(300_000, 7);
  await peer.send(HEAD);
  await peer.send(body);
  await peer.send(HEAD);
  await reader.readHead();
  assertEquals(await reader.readBody(body.length), body);
  assertEquals((await reader.readHead()).path, "/a");
});

Deno.test("a body that is announced and does not come is not prepared for", async () => {
  const [peer, reader, connection] = setUp();
  const sizes: number[] = [];
  const read = connection.read.bind(connection);
  connection.read = (buffer) => {
    sizes.push(buffer.buffer.byteLength);
    return read(buffer);
  };
  await peer.send(`${HEAD}abc`);
  await reader.readHead();
  const reading = assertRejects(() => reader.readBody(4_000_000), HttpError, "3 of 4000000 bytes");
  await settle();
  await peer.closeWrite();
  await reading;
  assertEquals(Math.max(...sizes), 4096);
});

Deno.test("a head of more than 16 KiB is refused as soon as that is known, and holds no more", async () => {
  const [peer, reader, connection] = setUp();
  await peer.send(`GET / HTTP/1.1\r\nX: ${"x".repeat(200_000)}`);
  let read = 0;
  const original = connection.read.bind(connection);
  connection.read = async (buffer) => {
    const count = await original(buffer);
    read += count ?? 0;
    return count;
  };
  const error = await assertRejects(() => reader.readHead(), HttpError);
  assertEquals([error.status, read], [431, 16_384]);
});

Deno.test("what can't be the beginning of a request is refused at its first byte", async () => {
  for (const first of ["\x16\x03\x01", "\n", " GET", "\0", "("]) {
    const [peer, reader] = setUp();
    await peer.send(first);
    const error = await assertRejects(() => reader.readHead(), HttpError);
    assertEquals(error.status, 400);
  }
});

Deno.test("a bare line feed is refused at once, without waiting for the end of the head", async () => {
  const [peer, reader] = setUp();
  await peer.send("GET / HTTP/1.1\n");
  await assertRejects(() => reader.readHead(), HttpError, "a bare line feed");
});

Deno.test("an end of the stream within a head is an error; a reset comes through as it is", async () => {
  const [peer, reader] = setUp();
  await peer.send(HEAD.slice(0, 20));
  await peer.closeWrite();
  await assertRejects(
    () => reader.readHead(),
    HttpError,
    "the stream ends after 20 bytes of the head",
  );
  const [other, broken] = setUp();
  await other.send(HEAD.slice(0, 20));
  other.reset();
  await assertRejects(() => broken.readHead(), Deno.errors.ConnectionReset);
});

Deno.test("what is discarded is bounded", async () => {
  const [peer, reader, connection] = setUp();
  await peer.send(seededBytes(100_000, 1));
  await reader.discard(20_000);
  assert(await connection.read(new Uint8Array(1)) === 1);
  await peer.closeWrite();
  await reader.discard(1_000_000);
  assertEquals(await connection.read(new Uint8Array(1)), null);
});
