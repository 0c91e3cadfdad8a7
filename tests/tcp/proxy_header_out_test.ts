import { assertEquals, assertMatch, assertNotEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { formatProxyV2 } from "../../src/net/proxy_protocol/format_v2.ts";
import { readProxyHeader } from "../../src/net/proxy_protocol/read.ts";
import { joined } from "../net/hex.ts";
import type { MemoryConnection } from "../support/memory_connection.ts";
import { settle } from "../support/settle.ts";
import { spec, specs, upstreamOptions } from "../upstream/upstream_fixture.ts";
import { type Caller, ServiceFixture } from "./service_fixture.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** The client of the fixture, and where it connects to. */
const ENDPOINTS = {
  source: { ip: "10.0.0.1", port: 4711 },
  destination: { ip: "127.0.0.1", port: 5432 },
};

/** What a backend is told, and what has come behind it so far. */
async function told(server: MemoryConnection) {
  const { header, rest } = await readProxyHeader(server);
  const { uniqueId, ...tlvs } = header.tlvs;
  return {
    ...header,
    tlvs,
    uniqueId: uniqueId && new TextDecoder().decode(uniqueId),
    rest: new TextDecoder().decode(rest),
  };
}

/** Ends a connection from both sides, the client first. */
async function finish({ end, served }: Caller, server: MemoryConnection): Promise<void> {
  await end.closeWrite();
  while (await server.receive() !== null);
  await server.closeWrite();
  await served;
}

Deno.test("v1 names the client to the backend, before anything else, and counts as no byte", async () => {
  const fixture = new ServiceFixture({ upstream: { proxyProtocol: "v1" } });
  const caller = fixture.call();
  await caller.end.send("question");
  const server = await fixture.answer();
  assertEquals(await server.receive(), "PROXY TCP4 10.0.0.1 127.0.0.1 4711 5432\r\n");
  assertEquals(await server.receive(), "question");
  await finish(caller, server);
  assertEquals([fixture.service.counters.bytesUp, fixture.reasons], [8, ["client-closed"]]);
  assertEquals(fixture.lines[0]!.fields.unique_id, undefined); // It has no room for one.
  await fixture.end();
});

Deno.test("v2 tells an id too, of its own for each connection, which the log names", async () => {
  const fixture = new ServiceFixture({ upstream: { proxyProtocol: "v2" } });
  const ids: unknown[] = [];
  for (let i = 0; i < 2; i++) {
    const caller = fixture.call();
    const server = await fixture.answer(); // Nothing need come from the client first.
    const { uniqueId, ...rest } = await told(server);
    assertEquals(rest, { version: 2, kind: "proxy", endpoints: ENDPOINTS, tlvs: {}, rest: "" });
    await finish(caller, server);
    assertMatch(uniqueId!, UUID);
    assertEquals(fixture.lines.at(-1)!.fields.unique_id, uniqueId);
    ids.push(uniqueId);
  }
  assertNotEquals(ids[0], ids[1]);
  await fixture.end();
});

Deno.test("a client of a unix socket is described as such, or as unknown", async () => {
  const texts = { v1: "PROXY UNKNOWN\r\n", v2: "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0" };
  for (const version of ["v1", "v2"] as const) {
    const fixture = new ServiceFixture({ upstream: { proxyProtocol: version } });
    const caller = fixture.call("unix");
    const server = await fixture.answer();
    assertEquals(await server.receive(), texts[version]);
    await finish(caller, server);
    await fixture.end();
  }
});

Deno.test("the client of a received header is the one in the header that is sent", async () => {
  const fixture = new ServiceFixture({ upstream: { proxyProtocol: "v2" }, trusted: ["10.0.0.1"] });
  const endpoints = {
    source: { ip: "2001:db8::7", port: 99 },
    destination: { ip: "2001:db8::1", port: 443 },
  };
  const caller = fixture.call();
  await caller.end.send(joined(formatProxyV2(endpoints), "question"));
  const server = await fixture.answer();
  const header = await told(server);
  assertEquals(header.endpoints, endpoints);
  assertEquals(header.rest || await server.receive(), "question");
  await finish(caller, server);
  await fixture.end();
});

Deno.test("each backend that is tried gets the same header; one that can't be sent it has failed", async () => {
  const fixture = new ServiceFixture({ backends: specs("a b c"), upstream: { proxyProtocol: "v2" } });
  const caller = fixture.call();
  (await fixture.dialler.call(0)).refuse();
  (await fixture.dialler.call(1)).accept().reset();
  const server = (await fixture.dialler.call(2)).accept();
  const { uniqueId } = await told(server);
  await finish(caller, server);
  const { unique_id, tries, backend } = fixture.lines[0]!.fields;
  assertEquals([unique_id, tries, backend], [uniqueId, 3, "c:1"]);
  assertEquals(fixture.counts, ["a 0 active 1 failed", "b 0 active 1 failed", "c 0 active 0 failed"]);
  await fixture.end();
});

Deno.test("a client whose header would be too large is closed, and no backend counts as failed", async () => {
  const fixture = new ServiceFixture({ upstream: { proxyProtocol: "v2" } });
  const tls = { clientCertificate: "connection", verified: true, commonName: "x".repeat(70_000) } as const;
  const client = { ...ENDPOINTS, tls };
  const search = () => fixture.upstream.search({ connectMs: 1000, client });
  assertEquals(assertThrows(search, CulvertError).code, "bad_proxy_header");
  assertEquals([fixture.dialler.calls, fixture.counts[0]], [[], "a 0 active 0 failed"]);
  await fixture.end();
});

Deno.test("a connection that was dialled ahead is sent no header before it has a client", async () => {
  const pool = { maxIdle: 8, minIdle: 1, maxOpen: 0, idleTimeoutMs: 0 };
  const fixture = new ServiceFixture({
    backends: [spec("a")],
    upstream: { proxyProtocol: "v2", pool },
  });
  const ahead = (await fixture.dialler.call(0)).accept();
  await ahead.send("welcome");
  await settle();
  const caller = fixture.call();
  const { endpoints } = await told(ahead);
  assertEquals(endpoints, ENDPOINTS);
  assertEquals(await caller.end.receive(), "welcome");
  await caller.end.send("question");
  assertEquals(await ahead.receive(), "question");
  await finish(caller, ahead);
  await fixture.end();
});

Deno.test("a reload switches it on and off for connections to come", async () => {
  const fixture = new ServiceFixture();
  const said: (string | null)[] = [];
  for (const proxyProtocol of ["none", "v1", "none"] as const) {
    fixture.upstream.update(upstreamOptions(specs("a b"), { proxyProtocol }));
    const caller = fixture.call();
    await caller.end.send("question");
    const server = await fixture.answer();
    said.push(await server.receive());
    await finish(caller, server);
  }
  assertEquals(said, ["question", "PROXY TCP4 10.0.0.1 127.0.0.1 4711 5432\r\n", "question"]);
  await fixture.end();
});

Deno.test("a search that began before a reload sends the header of before the reload", async () => {
  const fixture = new ServiceFixture();
  const caller = fixture.call();
  const call = await fixture.dialler.call(0);
  fixture.upstream.update(upstreamOptions(specs("a b"), { proxyProtocol: "v1" }));
  const server = call.accept();
  await caller.end.send("question");
  assertEquals(await server.receive(), "question");
  await finish(caller, server);
  await fixture.end();
});
