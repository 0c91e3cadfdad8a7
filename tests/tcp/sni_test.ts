import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { formatProxyV1 } from "../../src/net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../../src/net/proxy_protocol/format_v2.ts";
import { clientHello, helloMessage, records, serverName } from "../net/client_hello/hello_builder.ts";
import { hex, joined } from "../net/hex.ts";
import type { MemoryConnection } from "../support/memory_connection.ts";
import { settle } from "../support/settle.ts";
import { specs, UpstreamFixture } from "../upstream/upstream_fixture.ts";
import { said, ServiceFixture, type ServiceFixtureOptions } from "./service_fixture.ts";

/** The hello of a client that asks for this name, or for none. */
function helloFor(name?: string): Uint8Array {
  return clientHello(name === undefined ? {} : { extensions: serverName(name) });
}

/** A service of `db` with one further upstream, `other`, for `*.example.org`; `app.example.org` leads to `db`. */
function fixtures(options: ServiceFixtureOptions = {}) {
  const other = new UpstreamFixture(specs("z"));
  const names = { "app.example.org": "db", "*.example.org": other.upstream } as const;
  return { fixture: new ServiceFixture({ names, ...options }), other };
}

/** Reads until this much has come. */
async function receive(connection: MemoryConnection, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let filled = 0; filled < length;) {
    const count = await connection.read(bytes.subarray(filled));
    if (count === null) return bytes.subarray(0, filled);
    filled += count;
  }
  return bytes;
}

/** A client that sends these bytes in pieces; resolves to what its backend gets, or to why it has none. */
async function deliver(
  { fixture, other }: ReturnType<typeof fixtures>,
  bytes: Uint8Array,
  size = bytes.length,
): Promise<{ to: string; got?: Uint8Array }> {
  const { end, served } = fixture.call();
  for (let at = 0; at < bytes.length; at += size) {
    await end.send(bytes.slice(at, at + size));
    await settle();
  }
  await settle();
  const [call] = [...fixture.dialler.open, ...other.dialler.open];
  if (call === undefined) {
    await served;
    return { to: String(fixture.reasons.at(-1)) };
  }
  const server = call.accept();
  const got = await receive(server, bytes.length);
  await end.closeWrite();
  assertEquals(await server.receive(), null);
  await server.closeWrite();
  await served;
  return { to: call.to, got };
}

async function endAll({ fixture, other }: ReturnType<typeof fixtures>): Promise<void> {
  await other.upstream.close();
  assertEquals([other.dialler.unclosed, other.wheel.size], [0, 0]);
  await fixture.end();
}

Deno.test("an exact name wins over a wildcard, case does not matter, and what is unknown goes to upstream", async () => {
  const all = fixtures();
  const wanted: readonly (readonly [name: string | undefined, to: string])[] = [
    ["app.example.org", "a:1"],
    ["APP.Example.ORG", "a:1"],
    ["web.example.org.", "z:1"],
    ["web.example.org", "z:1"],
    ["a.b.example.org", "a:1"],
    ["example.org", "a:1"],
    [undefined, "a:1"],
  ];
  for (const [name, to] of wanted) {
    const hello = helloFor(name);
    assertEquals(await deliver(all, hello), { to, got: hello });
    const line = all.fixture.lines.at(-1)!;
    assertEquals([line.fields.name, line.fields.reason], [
      name?.toLowerCase().replace(/\.$/, ""),
      "client-closed",
    ]);
  }
  await endAll(all);
});

Deno.test("without upstream, an unknown or missing server name is refused, and the log has it", async () => {
  const all = fixtures({ fallback: false });
  const refused: readonly (readonly [bytes: Uint8Array, error: string])[] = [
    [helloFor("example.net"), 'Cannot find an upstream: the client asks for "example.net"'],
    [helloFor(), "Cannot find an upstream: the client asks for no name"],
  ];
  for (const [bytes, error] of refused) {
    assertEquals(await deliver(all, bytes), { to: "refused-by-name" });
    const line = all.fixture.lines.at(-1)!;
    assertEquals([line.message, line.fields.error], ["connection refused", error]);
  }
  assertEquals(await deliver(all, helloFor("app.example.org")), {
    to: "a:1",
    got: helloFor("app.example.org"),
  });
  const { rejected, ended } = all.fixture.service.counters;
  assertEquals([rejected, ended], [2, { "refused-by-name": 2, "client-closed": 1 }]);
  await endAll(all);
});

/** What is no TLS, or names nothing to route by, and the log's word on it. */
const NAMELESS: readonly (readonly [bytes: Uint8Array, fault: string])[] = [
  [joined("GET / HTTP/1.1\r\n"), "Cannot read the ClientHello: the stream is no TLS, but looks like text"],
  [
    hex("80 2e 01 03 01 00 15 00 00 00 10"),
    "Cannot read the ClientHello: the stream is no TLS that is known",
  ],
  [
    helloFor("127.0.0.1"),
    'Cannot use the server name of the ClientHello: the server name "127.0.0.1" is an IP',
  ],
  [helloFor("app.example.org:443"), 'Cannot use the server name of the ClientHello: the server name "app.'],
];

Deno.test("what is no TLS, and a name that is no host name, goes to upstream; without one it is refused", async () => {
  for (const [bytes, fault] of NAMELESS) {
    for (const fallback of [true, false]) {
      const all = fixtures({ fallback });
      for (const size of [1, bytes.length]) {
        const result = await deliver(all, bytes, fallback ? size : bytes.length);
        assertEquals(result, fallback ? { to: "a:1", got: bytes } : { to: "refused-by-name" });
        const { name, name_fault, error } = all.fixture.lines.at(-1)!.fields;
        assertEquals([name, fallback ? error : name_fault], [undefined, undefined]);
        assertStringIncludes(String(fallback ? name_fault : error), fault);
      }
      await endAll(all);
    }
  }
});

Deno.test("a hello beyond its bounds is refused, also where there is an upstream for unknown names", async () => {
  const all = fixtures();
  for (const bytes of [hex("16 03 01 40 01"), hex("16 03 01 00 04 01 00 ff ff")]) {
    assertEquals(await deliver(all, bytes), { to: "refused-by-name" });
    assertStringIncludes(String(all.fixture.lines.at(-1)!.fields.error), ", more than 16384");
  }
  await endAll(all);
});

Deno.test("a truncated ClientHello is refused; a client that leaves without a byte is not", async () => {
  const all = fixtures();
  const { end, served } = all.fixture.call();
  await end.send(helloFor("app.example.org").subarray(0, 30));
  await end.closeWrite();
  await served;
  const check = all.fixture.call();
  await check.end.closeWrite();
  await check.served;
  assertEquals(all.fixture.reasons, ["refused-by-name", "client-closed"]);
  assertEquals(said(all.fixture.lines[1]!).error, undefined);
  await endAll(all);
});

Deno.test("the bytes are passed on unchanged, however they are split into records and writes", async () => {
  const all = fixtures();
  const short = helloMessage({ extensions: serverName("web.example.org") });
  for (const [message, sizes] of [[short, [1, 7]], [longHello(), [99, 10_000]]] as const) {
    for (const fragment of [50, 16_000]) {
      const bytes = joined(records(message, fragment), "what follows in the same segment");
      for (const size of sizes) assertEquals(await deliver(all, bytes, size), { to: "z:1", got: bytes });
    }
  }
  await endAll(all);
});

/** A hello that is longer than the buffers that it goes through. */
function longHello(): Uint8Array {
  const padding = new Uint8Array(3004);
  padding.set([0, 21, 3000 >> 8, 3000 & 255]);
  return helloMessage({ extensions: joined(serverName("web.example.org"), padding) });
}

Deno.test("a hello that stops half way ends with timeouts.handshake", async () => {
  const all = fixtures({ timeouts: { handshakeMs: 3000 } });
  const { end, served } = all.fixture.call();
  await end.send(helloFor("app.example.org").subarray(0, 40));
  await all.fixture.clock.advanceAsync(3200);
  await served;
  assertEquals([all.fixture.reasons, await end.receive()], [["handshake"], null]);
  await endAll(all);
});

Deno.test("a PROXY header comes before the hello; both have timeouts.handshake together", async () => {
  const ends = { source: { ip: "192.0.2.7", port: 9 }, destination: { ip: "192.0.2.1", port: 443 } };
  for (const header of [formatProxyV1(ends), formatProxyV2(ends)]) {
    const all = fixtures({ trusted: ["10.0.0.1"], timeouts: { handshakeMs: 3000 } });
    const hello = helloFor("web.example.org");
    for (const size of [1, 1000]) {
      const { end, served } = all.fixture.call();
      const bytes = joined(header, hello);
      for (let at = 0; at < bytes.length; at += size) await end.send(bytes.slice(at, at + size));
      await settle();
      const server = all.other.dialler.open[0]!.accept();
      assertEquals(await receive(server, hello.length), hello);
      end.reset();
      await served;
      const { client, name, reason } = all.fixture.lines.at(-1)!.fields;
      assertEquals([client, name, reason], ["192.0.2.7:9", "web.example.org", "client-reset"]);
    }
    const slow = all.fixture.call();
    await all.fixture.clock.advanceAsync(2000);
    await slow.end.send(header);
    await all.fixture.clock.advanceAsync(1200);
    await slow.served;
    const { client, reason } = all.fixture.lines.at(-1)!.fields;
    assertEquals([client, reason], ["192.0.2.7:9", "handshake"]);
    // A health check of a balancer: its header, and nothing else.
    const check = all.fixture.call();
    await check.end.send(formatProxyV2({}));
    await check.end.closeWrite();
    await check.served;
    assertEquals(all.fixture.reasons.at(-1), "client-closed");
    await endAll(all);
  }
});

Deno.test("a reload during the handshake decides where the server name leads", async () => {
  const all = fixtures();
  const { fixture, other } = all;
  const { end, served } = fixture.call();
  await end.send(helloFor("app.example.org").subarray(0, 40));
  await settle();
  fixture.service.update(fixture.serviceOptions(), {
    route: fixture.route({ names: { "app.example.org": other.upstream } }),
    access: true,
  });
  await end.send(helloFor("app.example.org").subarray(40));
  const server = (await other.dialler.call(0)).accept();
  await receive(server, helloFor("app.example.org").length);
  server.reset();
  await served;
  assertEquals(fixture.asked, "");
  await endAll(all);
});

Deno.test("a client that a rule refuses is refused when its PROXY header is read, without its ClientHello", async () => {
  const ends = { source: { ip: "192.0.2.7", port: 9 }, destination: { ip: "192.0.2.1", port: 443 } };
  const all = fixtures({ trusted: ["10.0.0.1"], admission: { deny: parseAddressSet(["192.0.2.7"]) } });
  const { end, served } = all.fixture.call();
  await end.send(formatProxyV2(ends));
  await served;
  assertEquals(all.fixture.reasons, ["refused-by-deny"]);
  await endAll(all);
});
