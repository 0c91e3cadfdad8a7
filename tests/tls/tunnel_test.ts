import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { Tunnel } from "../../src/net/tunnel.ts";
import { acceptTls } from "../../src/tls/accept.ts";
import { connectTls } from "../../src/tls/connect.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { hashAll, sha256, writeAll } from "../support/bytes.ts";
import { type MemoryConnection, memoryPair } from "../support/memory_connection.ts";
import { connectionCount } from "../support/proc.ts";
import { stampedBlocks } from "../support/stamped.ts";
import { until } from "../support/wait.ts";
import { clientContext, connect, echoAll, pki, serverContext, socketPair, TlsServer } from "./tls_fixture.ts";

const SIZE = 6 * 1024 * 1024;

/** A proxy with TLS in and TLS out, for one client. */
async function withProxy(
  options: { version: "1.2" | "1.3"; backend?: (connection: Connection) => Promise<void> },
  use: (client: Connection) => Promise<void>,
): Promise<{ reason: string; up: number; down: number }> {
  const material = await pki();
  const { version, backend } = options;
  const context = serverContext(material, { minVersion: version, maxVersion: version });
  const handler = backend === undefined
    ? echoAll
    : ({ connection }: { connection: Connection }) => backend(connection);
  await using origin = new TlsServer(context, { handler });
  const buffers = new BufferPool();
  const { signal } = new AbortController();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const proxying = (async () => {
    const inner = await listener.accept();
    const accepted = await acceptTls(inner, { context, signal, buffers });
    const outer = await Deno.connect({ hostname: "127.0.0.1", port: origin.port });
    const dialled = await connectTls(outer, { context: clientContext(material), signal, buffers });
    const tunnel = new Tunnel(accepted.connection, dialled.connection, { wheel: new TimerWheel(), buffers });
    return { reason: await tunnel.run(), up: tunnel.bytesUp, down: tunnel.bytesDown };
  })();
  const client = await connect(listener.addr.port, clientContext(material));
  await use(client.connection);
  const result = await proxying;
  client.connection.close();
  await until(() => buffers.inUse.small + buffers.inUse.medium + buffers.inUse.large === 0, {
    what: "the buffers to be given back",
  });
  return result;
}

async function sendStamped(connection: Connection, seed: number): Promise<void> {
  for (const block of stampedBlocks(SIZE, seed)) await writeAll(connection, block);
  await connection.closeWrite();
}

function stampedHash(seed: number): string {
  const all = new Uint8Array(SIZE);
  let at = 0;
  for (const block of stampedBlocks(SIZE, seed)) {
    all.set(block, at);
    at += block.length;
  }
  return sha256(all);
}

for (const version of ["1.2", "1.3"] as const) {
  Deno.test(`TLS ${version} in and out: an echo arrives whole, and nothing is left`, async () => {
    const before = connectionCount(Deno.pid);
    const result = await withProxy({ version }, async (client) => {
      const [received] = await Promise.all([hashAll(client), sendStamped(client, 3)]);
      assertEquals(received, { length: SIZE, sha256: stampedHash(3) });
    });
    assertEquals(result, { reason: "client-closed", up: SIZE, down: SIZE });
    await until(() => connectionCount(Deno.pid) <= before, { what: "the descriptors to be given back" });
  });

  Deno.test(`TLS ${version} in and out: both sides send at once, and end on their own`, async () => {
    let heard: { length: number; sha256: string } | undefined;
    const backend = async (connection: Connection) => {
      const hearing = hashAll(connection);
      await sendStamped(connection, 9);
      heard = await hearing;
    };
    const result = await withProxy({ version, backend }, async (client) => {
      const [received] = await Promise.all([hashAll(client), sendStamped(client, 3)]);
      assertEquals(received, { length: SIZE, sha256: stampedHash(9) });
    });
    assertEquals([result.up, result.down], [SIZE, SIZE]);
    assertEquals(heard, { length: SIZE, sha256: stampedHash(3) });
  });

  Deno.test(`TLS ${version} in and out: a client that ends first gets a long answer`, async () => {
    const backend = async (connection: Connection) => {
      assertEquals((await hashAll(connection)).length, 3);
      await sendStamped(connection, 5);
    };
    const result = await withProxy({ version, backend }, async (client) => {
      await writeAll(client, new Uint8Array([1, 2, 3]));
      await client.closeWrite();
      assertEquals(await hashAll(client), { length: SIZE, sha256: stampedHash(5) });
    });
    assertEquals(result, { reason: "client-closed", up: 3, down: SIZE });
  });
}

/** How a tunnel from a TLS client to a backend ends for the client: the runtime's own, which tells ends apart. */
async function endFor(
  end: (ends: { server: MemoryConnection; tunnel: Tunnel<"cut"> }) => unknown,
): Promise<{ reason: string; text: string; end: "close_notify" | "cut short" }> {
  const material = await pki();
  const buffers = new BufferPool();
  const { signal } = new AbortController();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const accepting = listener.accept().then((connection) =>
    acceptTls(connection, { context: serverContext(material, { clientAuth: "none" }), signal, buffers })
  );
  const { port } = listener.addr;
  using client = await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [material.ca.certPem] });
  await client.handshake();
  const [server, backend] = memoryPair();
  const options = { wheel: new TimerWheel(), buffers };
  const tunnel = new Tunnel<"cut">((await accepting).connection, backend, options);
  const run = tunnel.run();
  await server.send("half of the answ");
  const buffer = new Uint8Array(100);
  const count = await client.read(buffer);
  const ending = client.read(buffer).then((more) => {
    assertEquals(more, null);
    return "close_notify" as const;
  }, (error) => {
    assertInstanceOf(error, Deno.errors.UnexpectedEof);
    return "cut short" as const;
  });
  end({ server, tunnel });
  const result = { text: new TextDecoder().decode(buffer.subarray(0, count!)), end: await ending };
  await client.closeWrite().catch(() => {});
  return { reason: await run, ...result };
}

Deno.test("a TLS client can detect a truncated answer, and gets close_notify only at a regular end", async () => {
  const text = "half of the answ";
  assertEquals(await endFor(({ server }) => server.reset()), {
    ...{ reason: "backend-reset", text, end: "cut short" },
  });
  assertEquals(await endFor(({ tunnel }) => tunnel.destroy("cut")), {
    ...{ reason: "cut", text, end: "cut short" },
  });
  assertEquals(await endFor(({ server }) => server.closeWrite()), {
    ...{ reason: "backend-closed", text, end: "close_notify" },
  });
});

for (const version of ["1.2", "1.3"] as const) {
  Deno.test(`TLS ${version}: a client whose record was modified on its way gets an alert`, async () => {
    const material = await pki();
    const buffers = new BufferPool();
    const { signal } = new AbortController();
    const [here, there] = await socketPair();
    let tampering = false;
    const between: Connection = {
      read: (buffer) => here.read(buffer),
      write(bytes) {
        const sent = bytes.slice();
        if (tampering) sent[sent.length - 1]! ^= 1;
        return here.write(sent);
      },
      closeWrite: () => here.closeWrite(),
      close: () => here.close(),
    };
    const context = clientContext(material, { minVersion: version, maxVersion: version });
    const [accepted, client] = await Promise.all([
      acceptTls(there, { context: serverContext(material), signal, buffers }),
      connectTls(between, { context, signal, buffers }),
    ]);
    const [server, backend] = memoryPair();
    const run = new Tunnel(accepted.connection, backend, { wheel: new TimerWheel(), buffers }).run();
    const reading = assertRejects(() => client.connection.read(new Uint8Array(10)), TlsHandshakeError);
    tampering = true;
    await client.connection.write(new Uint8Array([1, 2, 3]));
    assertEquals(await run, "client-reset");
    assertEquals(await server.receive(), null);
    const { reason, message } = await reading;
    assertEquals([reason, message.includes("bad_record_mac")], ["refused-by-peer", true], message);
    client.connection.close();
  });
}

Deno.test("200 connections one after the other leave no descriptor and no buffer", async () => {
  const material = await pki();
  const before = connectionCount(Deno.pid);
  await using server = new TlsServer(serverContext(material), { handler: echoAll });
  const context = clientContext(material);
  const text = new TextEncoder().encode("hello");
  for (let i = 0; i < 200; i++) {
    const { connection } = await connect(server.port, context);
    await writeAll(connection, text);
    await connection.closeWrite();
    assertEquals(await hashAll(connection), { length: text.length, sha256: sha256(text) });
    connection.close();
  }
  await until(() => connectionCount(Deno.pid) <= before, { what: "the descriptors to be given back" });
  assertEquals(server.buffers.inUse, { small: 0, medium: 0, large: 0 });
});
