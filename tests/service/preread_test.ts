import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import type { Connection } from "../../src/net/connection.ts";
import { formatProxyV1 } from "../../src/net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../../src/net/proxy_protocol/format_v2.ts";
import { bareConnection } from "../../src/net/prefixed_connection.ts";
import { prereadProxyHeader, prereadServerName } from "../../src/service/preread.ts";
import { clientHello, helloMessage, record, records, serverName } from "../net/client_hello/hello_builder.ts";
import { hex, joined } from "../net/hex.ts";
import { memoryPair } from "../support/memory_connection.ts";
import { settle } from "../support/settle.ts";

const ENDS = {
  source: { ip: "192.0.2.7", port: 5 },
  destination: { ip: "192.0.2.1", port: 443 },
};
const HEADERS = [formatProxyV1(ENDS), formatProxyV2(ENDS), formatProxyV2({ ...ENDS, crc32c: true })];
const HELLO = clientHello({ extensions: serverName("app.example.org") });
/** What is read, in this order. */
interface Steps {
  readonly proxyHeader: boolean;
  readonly clientHello: boolean;
}
const BOTH: Steps = { proxyHeader: true, clientHello: true };

async function preread(client: Connection, { proxyHeader, clientHello }: Steps) {
  const { connection, endpoints } = proxyHeader ? await prereadProxyHeader(client) : { connection: client };
  if (!clientHello) return { connection, endpoints, serverName: undefined, error: undefined };
  return { endpoints, ...await prereadServerName(connection) };
}

/** Reads from a client that sends `bytes` in pieces of `size`, to the end. */
async function read(bytes: Uint8Array, steps: Steps, size = bytes.length) {
  const [peer, client] = memoryPair();
  const sending = (async () => {
    for (let at = 0; at < bytes.length; at += size) {
      await peer.send(bytes.slice(at, at + size));
      await settle();
    }
    await peer.closeWrite();
  })();
  const reading = preread(client, steps);
  await Promise.allSettled([reading, sending]);
  const first = await reading;
  const rest: number[] = [];
  const buffer = new Uint8Array(100);
  for (let count; (count = await first.connection.read(buffer)) !== null;) {
    rest.push(...buffer.subarray(0, count));
  }
  assertEquals(bareConnection(first.connection), client);
  return { ...first, rest: Uint8Array.from(rest) };
}

Deno.test("a PROXY header is removed from the stream; the bytes behind it are kept", async () => {
  for (const header of HEADERS) {
    for (const size of [1, 7, 1000]) {
      const read1 = await read(joined(header, "and more"), { proxyHeader: true, clientHello: false }, size);
      assertEquals(read1.endpoints, ENDS);
      assertEquals([read1.rest, read1.serverName], [joined("and more"), undefined]);
    }
  }
});

Deno.test("a header without endpoints yields none", async () => {
  for (const header of [formatProxyV1({}), formatProxyV2({})]) {
    const { endpoints, rest } = await read(joined(header, "x"), { proxyHeader: true, clientHello: false });
    assertEquals([endpoints, rest], [undefined, joined("x")]);
  }
});

Deno.test("a ClientHello is read and kept in the stream, however it is split into records and reads", async () => {
  const message = helloMessage({ extensions: serverName("App.Example.org") });
  for (const fragment of [1, 40, 10_000]) {
    for (const size of [1, 50, 10_000]) {
      const bytes = joined(records(message, fragment), "and more");
      const { serverName, rest } = await read(bytes, { proxyHeader: false, clientHello: true }, size);
      assertEquals([serverName, rest], ["app.example.org", bytes]);
    }
  }
});

Deno.test("a PROXY header and a ClientHello can follow one another", async () => {
  for (const header of HEADERS) {
    for (const size of [1, 60, 10_000]) {
      const both = await read(joined(header, HELLO, "and more"), BOTH, size);
      assertEquals([both.endpoints, both.serverName], [ENDS, "app.example.org"]);
      assertEquals(both.rest, joined(HELLO, "and more"));
    }
  }
});

Deno.test("a stream without a server name is kept as it is, with the reason", async () => {
  const streams: readonly (readonly [bytes: Uint8Array, fault: string])[] = [
    [joined("GET / HTTP/1.1\r\n\r\n"), "the stream is no TLS, but looks like text"],
    [joined("SSH-2.0-OpenSSH_9.2\r\n"), "the stream is no TLS, but looks like text"],
    [joined(hex("16 03 03"), hex("00 05 02 00 00 01 00")), "the handshake begins with a message of type 2"],
    [joined(record(22, HELLO.subarray(5, 40)), hex("15 03 03 00 02 02 28")), "an alert comes before its end"],
    [clientHello({ extensions: serverName("127.0.0.1") }), 'the server name "127.0.0.1" is an IP address'],
  ];

  for (const [stream, fault] of streams) {
    for (const header of [joined(), HEADERS[1]!]) {
      for (const size of [1, 9, 10_000]) {
        const options = { proxyHeader: header.length > 0, clientHello: true };
        const first = await read(joined(header, stream, "and more"), options, size);
        assertEquals([first.serverName, first.rest], [undefined, joined(stream, "and more")]);
        assertStringIncludes(first.error!.message, fault);
      }
    }
  }
});

Deno.test("each error has its code", async () => {
  const faults: readonly (readonly [bytes: Uint8Array, code: string])[] = [
    [joined(), "no_proxy_header"],
    [joined("PROX"), "bad_proxy_header"],
    [joined("GET /"), "bad_proxy_header"],
    [HEADERS[0]!, "no_client_hello"],
    [joined(HEADERS[1]!, HELLO.subarray(0, 20)), "bad_client_hello"],
    [joined(HEADERS[1]!, hex("16 03 01 40 01")), "bad_client_hello"],
  ];
  for (const [bytes, code] of faults) {
    assertEquals((await assertRejects(() => read(bytes, BOTH), CulvertError)).code, code);
  }
});
