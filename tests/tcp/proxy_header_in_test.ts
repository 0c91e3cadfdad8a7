import { assertEquals, assertStringIncludes } from "@std/assert";
import { parseAddressSet } from "../../src/net/address_set.ts";
import { formatProxyV1 } from "../../src/net/proxy_protocol/format_v1.ts";
import { formatProxyV2 } from "../../src/net/proxy_protocol/format_v2.ts";
import { TlsGate } from "../../src/tls/gate.ts";
import { readProxyHeader } from "../../src/net/proxy_protocol/read.ts";
import { hex, joined } from "../net/hex.ts";
import { settle } from "../support/settle.ts";
import { pki } from "../tls/tls_fixture.ts";
import { type Caller, said, ServiceFixture, type ServiceFixtureOptions } from "./service_fixture.ts";

const TRUSTED = ["10.0.0.0/8"];
const DESTINATION = { ip: "192.0.2.1", port: 443 };

/** A header that names this client. */
function header(ip: string, version: 1 | 2 = 2): Uint8Array {
  const ends = { source: { ip, port: 99 }, destination: DESTINATION };
  return version === 1 ? formatProxyV1(ends) : formatProxyV2(ends);
}

function fixtureOf(options: ServiceFixtureOptions = {}): ServiceFixture {
  return new ServiceFixture({ trusted: TRUSTED, ...options });
}

/** Ends a connection from both sides, the client first. */
async function finish({ end, served }: Caller, server: Caller["end"]): Promise<void> {
  await end.closeWrite();
  while (await server.receive() !== null);
  await server.closeWrite();
  await served;
}

/** The client that the last line names, and why it has ended. */
function last(fixture: ServiceFixture): unknown[] {
  const { client, reason } = fixture.lines.at(-1)!.fields;
  return [client, reason];
}

Deno.test("a sender that is not trusted is refused at once, with or without a header", async () => {
  const fixture = fixtureOf();
  for (const ip of ["192.0.2.9", "unix"]) {
    const { end, served } = fixture.call(ip);
    await end.send(header("10.0.0.1")).catch(() => {});
    await served;
    assertEquals(await end.receive(), null);
    assertEquals(last(fixture)[1], "refused-by-proxy");
  }
  const { rejected, total, ended } = fixture.service.counters;
  assertEquals([rejected, total, ended, fixture.asked], [2, 0, { "refused-by-proxy": 2 }, ""]);
  await fixture.end();
});

Deno.test("a trusted sender without a header is refused, and the log shows what it sent", async () => {
  const fixture = fixtureOf();
  const { end, served } = fixture.call();
  await end.send("GET / HTTP/1.1\r\n");
  await served;
  const line = fixture.lines[0]!;
  assertEquals([line.message, ...last(fixture)], ["connection refused", "10.0.0.1:4711", "refused-by-proxy"]);
  assertStringIncludes(String(line.fields.error), "the stream begins with 47 45 54 20");
  const { rejected, active, ended } = fixture.service.counters;
  assertEquals([rejected, active, ended, fixture.asked], [1, 0, { "refused-by-proxy": 1 }, ""]);
  await fixture.end();
});

Deno.test("bytes that can't become a header are refused at once, and not at the deadline", async () => {
  const starts = [
    "PROXY garbage",
    "PROXY TCP4 1.2.3.4 x",
    "PROXY TCP6 ::1 ::1 1 99999",
    "\r\n\r\n\0\r\nQUIX",
    "P\r",
  ];
  for (const start of starts) {
    const fixture = fixtureOf();
    const { end, served } = fixture.call();
    // Byte by byte; the clock stands still.
    for (const char of start) await end.send(char).catch(() => {});
    await served;
    assertEquals([last(fixture)[1], fixture.asked], ["refused-by-proxy", ""], start);
    await fixture.end();
  }
});

Deno.test("TLVs that can't be understood do not end a connection", async () => {
  const fixture = fixtureOf();
  const tlvs = [
    { type: 0x20, value: hex("07 00000000 22 0002 ff fe") }, // A common name that is no UTF-8.
    { type: 0x02, value: hex("ff") },
    { type: 0x01, value: hex("") },
    { type: 0xff, value: hex("ff") },
  ];
  const ends = { source: { ip: "192.0.2.7", port: 99 }, destination: DESTINATION };
  const caller = fixture.call();
  await caller.end.send(joined(formatProxyV2({ ...ends, more: tlvs, crc32c: true }), "question"));
  const server = await fixture.answer();
  assertEquals(await server.receive(), "question");
  await finish(caller, server);
  assertEquals(last(fixture), ["192.0.2.7:99", "client-closed"]);
  await fixture.end();
});

Deno.test("TLVs reach the backend if the upstream forwards them", async () => {
  const proxyProtocol = { version: "v2", tlvs: [], forwardTlvs: [0x20, 0xea] } as const;
  const fixture = fixtureOf({ upstream: { proxyProtocol } });
  const ssl = { type: 0x20, value: hex("07 00000000 22 0002 ff fe") };
  const tlvs = [{ type: 0x02, value: hex("61") }, ssl, { type: 0xea, value: hex("01") }];
  const ends = { source: { ip: "192.0.2.7", port: 99 }, destination: DESTINATION };
  const caller = fixture.call();
  await caller.end.send(formatProxyV2({ ...ends, more: tlvs, crc32c: true }));
  const server = await fixture.answer();
  const { header, tlvs: passedOn } = await readProxyHeader(server);
  assertEquals([header.endpoints, passedOn], [ends, tlvs.slice(1)]);
  await finish(caller, server);
  await fixture.end();
});

Deno.test("a truncated header is refused; an end without a byte is client-closed, a reset client-reset", async () => {
  const fixture = fixtureOf();
  const short = fixture.call();
  await short.end.send(header("192.0.2.7").subarray(0, 20));
  await short.end.closeWrite();
  await short.served;
  const check = fixture.call();
  await check.end.closeWrite();
  await check.served;
  assertEquals(said(fixture.lines[1]!).error, undefined);
  const broken = fixture.call();
  await settle();
  broken.end.reset();
  await broken.served;
  assertEquals(fixture.reasons, ["refused-by-proxy", "client-closed", "client-reset"]);
  assertEquals(fixture.asked, "");
  await fixture.end();
});

for (const version of [1, 2] as const) {
  Deno.test(`the header of version ${version} names the client, and the bytes behind it are passed on`, async () => {
    const fixture = fixtureOf();
    const caller = fixture.call();
    await caller.end.send(joined(header("2001:db8::7", version), "question"));
    const server = await fixture.answer();
    assertEquals(await server.receive(), "question");
    await server.send("answer");
    assertEquals(await caller.end.receive(), "answer");
    await finish(caller, server);
    assertEquals(last(fixture), ["[2001:db8::7]:99", "client-closed"]);
    const { bytesUp, bytesDown } = fixture.service.counters;
    assertEquals([bytesUp, bytesDown], [8, 6]);
    await fixture.end();
  });

  Deno.test(`the header of version ${version} may come byte by byte`, async () => {
    const fixture = fixtureOf();
    const caller = fixture.call();
    for (const byte of header("192.0.2.7", version)) {
      await caller.end.send(Uint8Array.of(byte));
      await settle();
    }
    const server = await fixture.answer();
    await server.send("welcome"); // A protocol in which the server speaks first.
    assertEquals(await caller.end.receive(), "welcome");
    await finish(caller, server);
    assertEquals(last(fixture), ["192.0.2.7:99", "client-closed"]);
    await fixture.end();
  });
}

Deno.test("a header without endpoints leaves the address of the socket", async () => {
  for (const unknown of [formatProxyV1({}), formatProxyV2({})]) {
    const fixture = fixtureOf({ admission: { allow: parseAddressSet(["10.0.0.1"]) } });
    const caller = fixture.call();
    await caller.end.send(unknown);
    await finish(caller, await fixture.answer());
    assertEquals(last(fixture), ["10.0.0.1:4711", "client-closed"]);
    await fixture.end();
  }
});

Deno.test("the client that is named is the one that allow, deny and rate look at", async () => {
  const deny = parseAddressSet(["192.0.2.66"]);
  const allow = parseAddressSet(["192.0.2.0/24"]);
  const rate = { connections: 1, perMs: 60_000, burst: 1 };
  const fixture = fixtureOf({ admission: { deny, allow, rate } });
  const outcomes: unknown[] = [];
  for (const ip of ["192.0.2.66", "198.51.100.1", "192.0.2.1", "192.0.2.1", "192.0.2.2"]) {
    const caller = fixture.call();
    await caller.end.send(header(ip));
    await settle();
    if (fixture.dialler.open.length > 0) await finish(caller, await fixture.answer());
    await caller.served;
    outcomes.push(last(fixture).join(" "));
  }
  assertEquals(outcomes, [
    "192.0.2.66:99 refused-by-deny",
    "198.51.100.1:99 refused-by-allow",
    "192.0.2.1:99 client-closed",
    "192.0.2.1:99 refused-by-rate",
    "192.0.2.2:99 client-closed",
  ]);
  assertEquals(fixture.service.counters.rejected, 3);
  await fixture.end();
});

Deno.test("the client that is named is the one that source-hash looks at", async () => {
  const fixture = fixtureOf({ upstream: { balance: "source-hash" } });
  const chosen = async (ip: string) => {
    const caller = fixture.call();
    await caller.end.send(header(ip));
    await finish(caller, await fixture.answer());
    return fixture.lines.at(-1)!.fields.backend;
  };
  const clients = Array.from({ length: 20 }, (_, i) => `192.0.2.${i}`);
  const first: unknown[] = [];
  for (const ip of clients) first.push(await chosen(ip));
  assertEquals(new Set(first), new Set(["a:1", "b:1"]));
  for (const [i, ip] of clients.entries()) assertEquals(await chosen(ip), first[i]);
  await fixture.end();
});

Deno.test("without a header within timeouts.handshake it ends, and nothing is left", async () => {
  for (const part of [0, 1, 15, 20]) {
    const fixture = fixtureOf({ timeouts: { handshakeMs: 5000 } });
    const { end, served } = fixture.call();
    await end.send(header("192.0.2.7").subarray(0, part));
    await fixture.clock.advanceAsync(4800);
    assertEquals(fixture.reasons, []);
    await fixture.clock.advanceAsync(400);
    await served;
    assertEquals([last(fixture), await end.receive()], [["10.0.0.1:4711", "handshake"], null]);
    assertEquals(fixture.service.counters.rejected, 0);
    await fixture.end();
  }
});

Deno.test("a header and TLS have timeouts.handshake together, and not each", async () => {
  const { ca, server } = await pki();
  const own = { cert: server.chainPem, key: server.keyPem, ca: ca.certPem };
  const gate = new TlsGate({ ...own, clientAuth: "require", allow: [{ any: true }] });
  const hello = Uint8Array.of(22, 3, 1, 2, 0); // The beginning of a ClientHello.
  for (const tls of [undefined, hello]) {
    const fixture = fixtureOf({ timeouts: { handshakeMs: 5000 } });
    fixture.service.update(fixture.serviceOptions(), { route: { ...fixture.route({}), gate }, access: true });
    const { end, served } = fixture.call();
    await fixture.clock.advanceAsync(4000);
    await end.send(header("192.0.2.7"));
    if (tls !== undefined) await end.send(tls);
    await fixture.clock.advanceAsync(800);
    assertEquals(fixture.reasons, []);
    await fixture.clock.advanceAsync(400);
    assertEquals(last(fixture), ["192.0.2.7:99", "handshake"]); // So it was TLS that it was waiting for.
    await served;
    assertEquals([await end.receive(), fixture.asked], [null, ""]);
    await fixture.end();
  }
});

Deno.test("the time for the header is over with the header, and counts for nothing else", async () => {
  const fixture = fixtureOf({ timeouts: { handshakeMs: 5000, connectMs: 30_000 } });
  const caller = fixture.call();
  await fixture.clock.advanceAsync(4000);
  await caller.end.send(header("192.0.2.7"));
  await fixture.dialler.call(0);
  await fixture.clock.advanceAsync(20_000);
  await finish(caller, await fixture.answer());
  const { connect_ms, duration_ms, reason } = fixture.lines[0]!.fields;
  assertEquals([connect_ms, duration_ms, reason], [20_000, 24_000, "client-closed"]);
  await fixture.end();
});

Deno.test("a drain lets a client finish what it was saying, and cuts it when the time is up", async () => {
  const fixture = fixtureOf({ timeouts: { drainMs: 5000 } });
  const silent = fixture.call();
  const slow = fixture.call();
  await settle();
  const drained = fixture.service.drain();
  await slow.end.send(header("192.0.2.7"));
  await finish(slow, await fixture.answer());
  assertEquals(last(fixture), ["192.0.2.7:99", "drained"]);
  await fixture.clock.advanceAsync(5200);
  await silent.served;
  assertEquals([last(fixture)[1], await drained, await silent.end.receive()], ["cut", 1, null]);
  await fixture.end();
});

Deno.test("a pending handshake can be destroyed, and drained with a timeout of 0", async () => {
  for (const drainMs of [30_000, 0]) {
    const fixture = fixtureOf({ timeouts: { drainMs } });
    const callers = [fixture.call(), fixture.call()];
    await callers[0]!.end.send(header("192.0.2.7").subarray(0, 14));
    await settle();
    await (drainMs === 0 ? fixture.service.drain() : fixture.service.destroy());
    await Promise.all(callers.map(({ served }) => served));
    assertEquals(fixture.reasons, ["cut", "cut"]);
    // One that is accepted in the moment of the stop.
    if (drainMs === 0) {
      await fixture.call().served;
      assertEquals(fixture.reasons.at(-1), "cut");
    }
    await fixture.end();
  }
});

Deno.test("destroyed just as the header has come", async () => {
  const fixture = fixtureOf();
  const { end, served } = fixture.call();
  await settle();
  const sent = end.send(header("192.0.2.7"));
  const destroyed = fixture.service.destroy();
  await Promise.all([sent, destroyed, served]);
  assertEquals(fixture.reasons, ["cut"]);
  await fixture.end();
});

Deno.test("maxConnections counts pending handshakes, and the connection itself once", async () => {
  const fixture = fixtureOf({ admission: { maxConnections: 2 } });
  const first = fixture.call();
  const second = fixture.call();
  await settle();
  await fixture.call().served;
  assertEquals(fixture.reasons, ["refused-by-limit"]);
  await second.end.send(header("192.0.2.7"));
  await finish(second, await fixture.answer());
  await first.end.send(header("192.0.2.7"));
  await finish(first, await fixture.answer());
  assertEquals(fixture.reasons.slice(1), ["client-closed", "client-closed"]);
  await fixture.end();
});

Deno.test("an update applies to later connections", async () => {
  const fixture = new ServiceFixture();
  const plain = fixture.call();
  const server = await fixture.answer();
  fixture.service.update(fixture.serviceOptions({ trusted: TRUSTED }), {
    route: fixture.route({}),
    access: true,
  });
  const { end, served } = fixture.call();
  await end.send("no header");
  await served;
  await finish(plain, server);
  assertEquals(fixture.reasons, ["refused-by-proxy", "client-closed"]);
  await fixture.end();
});
