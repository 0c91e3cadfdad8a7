import { assert, assertEquals, assertRejects } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { readProxyHeader } from "../../../src/net/proxy_protocol/read.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { microtasks, settle } from "../../support/settle.ts";
import { hex, joined } from "../hex.ts";
import { V1, V2, v2 } from "./vectors.ts";

const GOOD = [...V1, ...V2];
const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

Deno.test("a header and what follows it in the same segment are told apart", async () => {
  for (const { name, bytes, header } of GOOD) {
    const [peer, connection] = memoryPair();
    await peer.send(joined(bytes, "hello\r\n"));
    const read = await readProxyHeader(connection);
    assertEquals([read.header, text(read.rest)], [header, "hello\r\n"], name);
  }
});

Deno.test("a header that comes in two pieces, wherever it is split, is read", async () => {
  for (const { name, bytes, header } of GOOD) {
    for (let at = 1; at < bytes.length; at++) {
      const [peer, connection] = memoryPair();
      const reading = readProxyHeader(connection);
      await peer.send(bytes.subarray(0, at));
      await microtasks(20);
      await peer.send(joined(bytes.subarray(at), "!"));
      const read = await reading;
      assertEquals([read.header, text(read.rest)], [header, "!"], `${name}, split at ${at}`);
    }
  }
});

Deno.test("a header that comes byte by byte is read, and nothing beyond it", async () => {
  for (const { name, bytes, header } of GOOD) {
    const [peer, connection] = memoryPair({ capacity: 1 });
    const sending = peer.send(joined(bytes, "!"));
    const read = await readProxyHeader(connection);
    assertEquals([read.header, read.rest.length], [header, 0], name);
    assertEquals(await connection.receive(), "!");
    await sending;
  }
});

Deno.test("the buffer that is handed in is used, unless the header does not fit", async () => {
  const buffer = new Uint8Array(100);
  const [peer, connection] = memoryPair({ capacity: 100_000 });
  await peer.send("PROXY UNKNOWN\r\nrest");
  const short = await readProxyHeader(connection, { buffer });
  assertEquals([short.rest.buffer === buffer.buffer, text(short.rest)], [true, "rest"]);

  const long = v2(0x21, 0x11, joined(new Uint8Array(12), hex("04 7ff1"), new Uint8Array(32_753)));
  assertEquals(long.length, 32_784);
  await peer.send(joined(long, "rest"));
  const read = await readProxyHeader(connection, { buffer });
  assertEquals([read.rest.buffer === buffer.buffer, read.header.kind], [false, "proxy"]);
  assertEquals(text(read.rest) + (read.rest.length < 4 ? await connection.receive() : ""), "rest");

  for (const size of [0, 1, 5, 16]) {
    await peer.send("PROXY UNKNOWN\r\n");
    const tiny = await readProxyHeader(connection, { buffer: new Uint8Array(size) });
    assertEquals(tiny.header.kind, "unknown");
  }
});

Deno.test("an end of the stream before a header is an error of its own", async () => {
  const [peer, connection] = memoryPair();
  await peer.closeWrite();
  const error = await assertRejects(() => readProxyHeader(connection), CulvertError);
  assertEquals([error.code, error.message], [
    "no_proxy_header",
    "Cannot read the PROXY header: the stream ends before it",
  ]);
});

Deno.test("an end of the stream within a header is an error", async () => {
  for (const { name, bytes } of GOOD) {
    for (const length of [1, bytes.length >> 1, bytes.length - 1]) {
      const [peer, connection] = memoryPair();
      await peer.send(bytes.subarray(0, length));
      await peer.closeWrite();
      const error = await assertRejects(() => readProxyHeader(connection), CulvertError);
      assertEquals(error.code, "bad_proxy_header");
      assertEquals(
        error.message,
        `Cannot read the PROXY header: the stream ends after ${length} bytes of it`,
        name,
      );
    }
  }
});

Deno.test("something else than a header is refused at its first byte, and left open", async () => {
  const [peer, connection] = memoryPair();
  await peer.send("G");
  const error = await assertRejects(() => readProxyHeader(connection), CulvertError);
  assertEquals(error.message, "Cannot read the PROXY header: there is none, the stream begins with 47");
  assert(!connection.closed);
});

Deno.test("a reset, and a close by the caller, come through as they are", async () => {
  const reset = memoryPair();
  await reset[0].send("PROXY TCP4");
  reset[0].reset();
  await assertRejects(() => readProxyHeader(reset[1]), Deno.errors.ConnectionReset);

  const silent = memoryPair();
  const reading = assertRejects(() => readProxyHeader(silent[1]), Deno.errors.BadResource);
  await settle();
  silent[1].close();
  await reading;
});
