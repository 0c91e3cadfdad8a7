import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { BufferPool } from "../../src/net/buffers.ts";
import { acceptTls } from "../../src/tls/accept.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import type { ServerContext } from "../../src/tls/session/server_context.ts";
import { until } from "../support/wait.ts";
import { pki, serverContext, socketPair } from "./tls_fixture.ts";

/** The start of a ClientHello record, that of its message, and part of its body. */
const HALF_HELLO = Uint8Array.fromHex("16030100c8010000c40303" + "00".repeat(32));

/** A context that counts the engines that are asked for. */
async function countingContext(): Promise<{ context: ServerContext; begun: () => number }> {
  const context = serverContext(await pki());
  const begin = context.begin.bind(context);
  let count = 0;
  context.begin = (...args) => {
    count++;
    return begin(...args);
  };
  return { context, begun: () => count };
}

/** What becomes of a client that sends these bytes, and whether an engine was made for it. */
async function refuse(bytes: Uint8Array, how: "stay" | "fin" = "stay"): Promise<TlsHandshakeError> {
  const { context, begun } = await countingContext();
  const [client, accepted] = await socketPair();
  const buffers = new BufferPool();
  const { signal } = new AbortController();
  const refused = assertRejects(() => acceptTls(accepted, { context, buffers, signal }), TlsHandshakeError);
  await client.write(bytes);
  if (how === "fin") await client.closeWrite();
  const error = await refused;
  client.close();
  assertEquals([begun(), buffers.inUse.small], [0, 0]);
  return error;
}

Deno.test("a client that says nothing, or half a hello, costs no TLS engine, and has a deadline", async () => {
  for (const bytes of [new Uint8Array(), HALF_HELLO.subarray(0, 3), HALF_HELLO]) {
    const { context, begun } = await countingContext();
    const [client, accepted] = await socketPair();
    const buffers = new BufferPool();
    const stop = new AbortController();
    const accepting = acceptTls(accepted, { context, buffers, signal: stop.signal });
    const refused = assertRejects(() => accepting, TlsHandshakeError);
    await client.write(bytes);
    await until(() => buffers.inUse.small === 1, { what: "the hello to be waited for" });
    assertEquals(buffers.inUse, { small: 1, medium: 0, large: 0 });
    stop.abort();
    assertEquals([(await refused).reason, begun(), buffers.inUse.small], ["timeout", 0, 0]);
    assertEquals(await client.read(new Uint8Array(1)).catch(() => null), null);
    client.close();
  }
});

Deno.test("what can't become a ClientHello is refused by its first bytes, with the reason", async () => {
  const text = (what: string) => new TextEncoder().encode(what);
  const cases: readonly (readonly [Uint8Array, string, string])[] = [
    [text("GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"), "not-tls", "a plain HTTP request instead of TLS"],
    [text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "not-tls", "a plain HTTP request"],
    [text("SSH-2.0-OpenSSH_9.6\r\n"), "not-tls", "looks like text"],
    [text("S"), "not-tls", "looks like text"],
    [Uint8Array.fromHex("802e0103010015"), "not-tls", "SSLv2"],
    [Uint8Array.fromHex("160200"), "not-tls", "version 2.x"],
    [Uint8Array.fromHex("15030300020228"), "not-tls", "begins with an alert"],
    [Uint8Array.fromHex("1603010000"), "bad-message", "an empty record"],
    [Uint8Array.fromHex("160301ffff"), "bad-message", "a record of 65535 bytes"],
    [Uint8Array.fromHex("160301000402000000"), "bad-message", "a message of type 2"],
    [Uint8Array.fromHex("16030140000100ffff"), "bad-message", "more than 16384"],
  ];
  for (const [bytes, reason, message] of cases) {
    const error = await refuse(bytes);
    assertEquals(error.reason, reason, error.message);
    assertStringIncludes(error.message, message);
  }
});

Deno.test("a client that ends within its hello has aborted the handshake", async () => {
  for (const bytes of [new Uint8Array(), HALF_HELLO]) {
    assertEquals((await refuse(bytes, "fin")).reason, "aborted");
  }
});
