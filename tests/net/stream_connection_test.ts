import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { connectionFromStreams } from "../../src/net/stream_connection.ts";
import { settle } from "../support/settle.ts";

/** A pair of streams whose every event the test sees and whose sink takes a write when the test says so. */
function setUp() {
  let source!: ReadableStreamDefaultController<Uint8Array>;
  let pulls = 0;
  const sunk: Uint8Array[] = [];
  const seen: string[] = [];
  let take: (() => void) | undefined;
  const readable = new ReadableStream<Uint8Array>({
    start: (controller) => void (source = controller),
    pull: () => void pulls++,
    cancel: () => void seen.push("canceled"),
  }, { highWaterMark: 0 });
  const writable = new WritableStream<Uint8Array>({
    write(chunk) {
      sunk.push(chunk);
      return new Promise((resolve) => take = resolve);
    },
    close: () => void seen.push("closed"),
    abort: () => void seen.push("aborted"),
  });
  const connection = connectionFromStreams({ readable, writable });
  return { connection, source, seen, sunk, pulls: () => pulls, take: () => take!() };
}

Deno.test("a chunk larger than the buffer is read in pieces, and none is lost between two chunks", async () => {
  const { connection, source } = setUp();
  const buffer = new Uint8Array(3);
  const read = async () => [...buffer.subarray(0, (await connection.read(buffer)) ?? 0)];
  const first = read();
  source.enqueue(new Uint8Array([1, 2, 3, 4, 5]));
  source.enqueue(new Uint8Array(0));
  source.enqueue(new Uint8Array([6]));
  assertEquals([await first, await read(), await read()], [[1, 2, 3], [4, 5], [6]]);
  source.close();
  assertEquals(await connection.read(buffer), null);
  assertEquals(await connection.read(buffer), null);
  connection.close();
});

Deno.test("nothing is pulled before it is asked for", async () => {
  const { connection, source, pulls } = setUp();
  await settle();
  assertEquals(pulls(), 0);
  const read = connection.read(new Uint8Array(1));
  assertEquals(pulls(), 1);
  source.enqueue(new Uint8Array([1, 2]));
  await read;
  await connection.read(new Uint8Array(1));
  await settle();
  assertEquals(pulls(), 1);
  connection.close();
});

Deno.test("a write ends when the sink has taken it, and the caller may then use its buffer again", async () => {
  const { connection, sunk, take } = setUp();
  const bytes = new Uint8Array([1, 2, 3]);
  let written: number | undefined;
  const write = connection.write(bytes).then((count) => written = count);
  bytes.fill(0);
  await settle();
  assertEquals([written, sunk], [undefined, [new Uint8Array([1, 2, 3])]]);
  take();
  assertEquals(await write, 3);
  connection.close();
});

Deno.test("closeWrite ends the writing half alone", async () => {
  const { connection, source, seen } = setUp();
  await connection.closeWrite();
  assertEquals(seen, ["closed"]);
  source.enqueue(new Uint8Array([1]));
  assertEquals(await connection.read(new Uint8Array(1)), 1);
  connection.close();
  await settle();
  assertEquals(seen, ["closed", "canceled"]);
});

Deno.test("close ends both halves, and what is under way fails, though the sink is stuck", async () => {
  const { connection, seen, take } = setUp();
  const read = assertRejects(() => connection.read(new Uint8Array(1)), Deno.errors.BadResource);
  const write = assertRejects(() => connection.write(new Uint8Array(1)), Deno.errors.BadResource);
  await settle();
  connection.close();
  await Promise.all([read, write]);
  take();
  await settle();
  assertEquals(seen, ["canceled", "aborted"]);
  assertThrows(() => connection.close(), Deno.errors.BadResource);
});

Deno.test("close ends a closeWrite that the sink never finishes", async () => {
  const { readable } = new TransformStream<Uint8Array, Uint8Array>();
  const writable = new WritableStream<Uint8Array>({ close: () => new Promise(() => {}) });
  const connection = connectionFromStreams({ readable, writable });
  const ending = assertRejects(() => connection.closeWrite(), Deno.errors.BadResource);
  await settle();
  connection.close();
  await ending;
});

Deno.test("close delivers what has been written", async () => {
  const { connection, seen, take } = setUp();
  const write = connection.write(new Uint8Array([1]));
  await settle();
  take();
  await write;
  connection.close();
  await settle();
  assert(seen.includes("closed") && !seen.includes("aborted"), `${seen}`);
});

Deno.test("an error of either stream comes out where it is used, and nowhere else", async () => {
  const { connection, source } = setUp();
  source.error(new Deno.errors.ConnectionReset("reset by the test"));
  await settle();
  await assertRejects(() => connection.read(new Uint8Array(1)), Deno.errors.ConnectionReset);
  connection.close();
});

Deno.test("a locked stream is refused", () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  readable.getReader();
  assertThrows(() => connectionFromStreams({ readable, writable }), TypeError);
});
