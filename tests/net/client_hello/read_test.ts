import { assert, assertEquals, assertRejects } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { readClientHello } from "../../../src/net/client_hello/read.ts";
import { memoryPair } from "../../support/memory_connection.ts";
import { settle } from "../../support/settle.ts";
import { clientHello, extension, helloMessage, record, records, serverName } from "./hello_builder.ts";
import { joined } from "../hex.ts";

const HELLO = clientHello({ extensions: serverName("a.example.org") });

Deno.test("what comes with the hello is kept behind it, in the buffer that was handed in", async () => {
  const [peer, connection] = memoryPair();
  const stream = joined(HELLO, [23, 3, 3, 0, 1, 7]);
  await peer.send(stream);
  const buffer = new Uint8Array(1024);
  const { hello, bytes } = await readClientHello(connection, { buffer });
  assertEquals([hello.serverName, bytes], ["a.example.org", stream]);
  assertEquals(bytes.buffer === buffer.buffer, true);
});

Deno.test("a hello that does not fit into the buffer is read into a larger one", async () => {
  const padding = extension(21, new Uint8Array(16_000));
  const stream = records(helloMessage({ extensions: joined(padding, serverName("a.example.org")) }), 1000);
  for (const size of [0, 1, 100, 16_384]) {
    const [peer, connection] = memoryPair({ capacity: 100_000 });
    await peer.send(stream);
    const { hello, bytes } = await readClientHello(connection, { buffer: new Uint8Array(size) });
    assertEquals([hello.serverName, bytes], ["a.example.org", stream]);
  }
});

Deno.test("a hello that never ends is given up at 32 KiB, whatever the sizes of its records", async () => {
  const message = helloMessage({ extensions: extension(21, new Uint8Array(16_000)) });
  for (const size of [1, 2, 3, 4]) {
    const [peer, connection] = memoryPair({ capacity: 100_000 });
    await peer.send(records(message, size));
    const error = await assertRejects(() => readClientHello(connection), CulvertError);
    assertEquals(error.message, "Cannot read the ClientHello: its records take more than 32768 bytes");
  }
});

Deno.test("a record that announces much and sends little is not prepared for", async () => {
  const [peer, connection] = memoryPair();
  const sizes: number[] = [];
  const read = connection.read.bind(connection);
  connection.read = (buffer) => {
    sizes.push(buffer.buffer.byteLength);
    return read(buffer);
  };
  await peer.send(
    record(22, helloMessage({ extensions: extension(21, new Uint8Array(16_000)) })).subarray(0, 1000),
  );
  await peer.closeWrite();
  await assertRejects(() => readClientHello(connection), CulvertError);
  assertEquals(Math.max(...sizes), 2048);
});

Deno.test("an end of the stream before a hello is an error of its own", async () => {
  const [peer, connection] = memoryPair();
  await peer.closeWrite();
  const error = await assertRejects(() => readClientHello(connection), CulvertError);
  assertEquals([error.code, error.message], [
    "no_client_hello",
    "Cannot read the ClientHello: the stream ends before it",
  ]);
});

Deno.test("an end of the stream within a hello is an error", async () => {
  for (const length of [1, 5, 9, HELLO.length - 1]) {
    const [peer, connection] = memoryPair();
    await peer.send(HELLO.subarray(0, length));
    await peer.closeWrite();
    const error = await assertRejects(() => readClientHello(connection), CulvertError);
    assertEquals(error.message, `Cannot read the ClientHello: the stream ends after ${length} bytes`);
    assertEquals(error.code, "bad_client_hello");
  }
});

Deno.test("something else than a hello is refused at its first byte, and left open", async () => {
  const [peer, connection] = memoryPair();
  await peer.send("G");
  await assertRejects(() => readClientHello(connection), CulvertError, "looks like text");
  assert(!connection.closed);
});

Deno.test("a reset, and a close by the caller, come through as they are", async () => {
  const reset = memoryPair();
  await reset[0].send(HELLO.subarray(0, 20));
  reset[0].reset();
  await assertRejects(() => readClientHello(reset[1]), Deno.errors.ConnectionReset);

  const silent = memoryPair();
  const reading = assertRejects(() => readClientHello(silent[1]), Deno.errors.BadResource);
  await settle();
  silent[1].close();
  await reading;
});
