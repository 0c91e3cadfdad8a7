import { assert, assertEquals, assertMatch, assertNotEquals, assertStrictEquals } from "@std/assert";
import { type ClientConnection, type ForwardedOptions, Forwarding } from "../../src/http_proxy/forwarded.ts";

const OPTIONS: ForwardedOptions = {
  forwarded: "x",
  trusted: ["10.0.0.0/8", "fd00::/8"],
  requestId: false,
  clientCert: true,
  identityHeader: "X-Client-Identity",
};
const OUTSIDER = { ip: "192.0.2.1", port: 4711 };
const PROXY = { ip: "10.0.0.9", port: 4712 };

function forwarding(options: Partial<ForwardedOptions> = {}): Forwarding {
  return new Forwarding({ ...OPTIONS, ...options });
}

function connection(more: Partial<ClientConnection> = {}): ClientConnection {
  return { peer: OUTSIDER, localPort: 8080, isTls: false, ...more };
}

Deno.test("the fields of a client that is not trusted are its own address and what it asked for", () => {
  const all = forwarding({ forwarded: "both" });
  const facts = all.facts(connection({ isTls: true }));
  const spoofed = {
    forwardedFor: "1.1.1.1",
    forwardedProto: "http",
    forwardedHost: "evil.org",
    forwarded: "for=1.1.1.1",
  };
  const origin = all.origin(facts, "example.org:8080", spoofed);
  assertEquals(origin, { clientIp: "192.0.2.1", scheme: "https", host: "example.org:8080" });
  assertEquals(all.fields(facts, origin, spoofed), [
    ["X-Forwarded-For", "192.0.2.1"],
    ["X-Forwarded-Host", "example.org:8080"],
    ["X-Forwarded-Proto", "https"],
    ["X-Forwarded-Port", "8080"],
    ["X-Real-IP", "192.0.2.1"],
    ["Forwarded", 'for=192.0.2.1;host="example.org:8080";proto=https'],
  ]);
});

Deno.test("the fields are made once for a client that goes on asking for the same host", () => {
  const x = forwarding();
  const facts = x.facts(connection());
  const fields = (host: string) => x.fields(facts, x.origin(facts, host));
  assertStrictEquals(fields("a.org"), fields("a.org"));
  assertEquals(fields("b.org")[1], ["X-Forwarded-Host", "b.org"]);
  assertEquals(fields("")[1], ["X-Forwarded-Proto", "http"]);
});

Deno.test("what a trusted proxy says is appended to, and its host, scheme and port are kept", () => {
  const both = forwarding({ forwarded: "both" });
  const facts = both.facts(connection({ peer: PROXY }));
  const incoming = {
    forwardedFor: "203.0.113.7, 10.0.0.3",
    forwardedHost: "example.org",
    forwardedProto: "https",
    forwardedPort: "443",
    forwarded: "for=203.0.113.7;proto=https",
  };
  const origin = both.origin(facts, "inner", incoming);
  assertEquals(origin, { clientIp: "203.0.113.7", scheme: "https", host: "example.org" });
  assertEquals(both.fields(facts, origin, incoming), [
    ["X-Forwarded-For", "203.0.113.7, 10.0.0.3, 10.0.0.9"],
    ["X-Forwarded-Host", "example.org"],
    ["X-Forwarded-Proto", "https"],
    ["X-Forwarded-Port", "443"],
    ["X-Real-IP", "203.0.113.7"],
    ["Forwarded", "for=203.0.113.7;proto=https, for=10.0.0.9;host=example.org;proto=http"],
  ]);
});

Deno.test("what a trusted proxy says is not kept where it is no scheme, host or port", () => {
  const x = forwarding();
  const facts = x.facts(connection({ peer: PROXY }));
  const incoming = { forwardedHost: "a, b", forwardedProto: "gopher", forwardedPort: "x" };
  const origin = x.origin(facts, "example.org", incoming);
  assertEquals(origin, { clientIp: "10.0.0.9", scheme: "http", host: "example.org" });
  assertEquals(x.fields(facts, origin, incoming)[3], ["X-Forwarded-Port", "8080"]);
});

Deno.test("the client is the first from the right that is not trusted", () => {
  const lists: [list: string | undefined, client: string][] = [
    [undefined, "10.0.0.9"],
    ["", "10.0.0.9"],
    ["203.0.113.7", "203.0.113.7"],
    ["1.1.1.1, 203.0.113.7", "203.0.113.7"],
    ["1.1.1.1, 203.0.113.7, 10.0.0.3,10.0.0.4", "203.0.113.7"],
    ["10.0.0.1, 10.0.0.2", "10.0.0.1"],
    ["203.0.113.7:4711", "203.0.113.7"],
    ["[2001:db8::1]:80", "2001:db8::1"],
    ["2001:DB8::1", "2001:db8::1"],
    ["::ffff:203.0.113.7", "203.0.113.7"],
    ["203.0.113.7, fd00::1", "203.0.113.7"],
    ["1.1.1.1, unknown, 10.0.0.3", "10.0.0.3"],
    ["1.1.1.1, , 10.0.0.3", "10.0.0.3"],
    ["1.1.1.1, 203.0.113.07", "10.0.0.9"],
    ["1.1.1.1, 203.0.113.7 x", "10.0.0.9"],
  ];
  const x = forwarding();
  const facts = x.facts(connection({ peer: PROXY }));
  for (const [forwardedFor, client] of lists) {
    assertEquals(x.origin(facts, "h", { forwardedFor }).clientIp, client, forwardedFor);
  }
});

Deno.test("the client of Forwarded is found in the same way", () => {
  const lists: [list: string, client: string][] = [
    ["for=203.0.113.7", "203.0.113.7"],
    ["For = 203.0.113.7 ; proto=https", "203.0.113.7"],
    ['host="a,b";for="[2001:db8::1]:80";by=x, for=10.0.0.3', "2001:db8::1"],
    ['for=1.1.1.1, for="203.0.113.7:80", for=10.0.0.3', "203.0.113.7"],
    ["for=1.1.1.1, for=_hidden, for=10.0.0.3", "10.0.0.3"],
    ["for=1.1.1.1, proto=http", "10.0.0.9"],
    ['for="1.1.1.1, for=203.0.113.7', "10.0.0.9"],
    ['for="a\\",for=1.1.1.1', "10.0.0.9"],
    ["xfor=1.1.1.1", "10.0.0.9"],
  ];
  const rfc = forwarding({ forwarded: "rfc7239" });
  const facts = rfc.facts(connection({ peer: PROXY }));
  for (const [forwarded, client] of lists) {
    assertEquals(rfc.origin(facts, "h", { forwarded, forwardedFor: "9.9.9.9" }).clientIp, client, forwarded);
  }
  const both = forwarding({ forwarded: "both" });
  assertEquals(
    both.origin(facts, "h", { forwarded: "for=1.1.1.1", forwardedFor: "2.2.2.2" }).clientIp,
    "2.2.2.2",
  );
  assertEquals(both.origin(facts, "h", { forwarded: "for=1.1.1.1" }).clientIp, "1.1.1.1");
  assertEquals(forwarding().origin(facts, "h", { forwarded: "for=1.1.1.1" }).clientIp, "10.0.0.9");
});

Deno.test("an address of IPv6 is quoted in Forwarded, and a unix socket has none", () => {
  const both = forwarding({ forwarded: "both" });
  const ofIpv6 = both.facts(connection({ peer: { ip: "2001:db8::1", port: 1 } }));
  assertEquals(both.fields(ofIpv6, both.origin(ofIpv6, "[::1]:80")).at(-1), [
    "Forwarded",
    'for="[2001:db8::1]";host="[::1]:80";proto=http',
  ]);
  const ofUnix = both.facts({ peer: { ip: "unix", port: 0 }, localPort: 0, isTls: false });
  assertEquals(both.fields(ofUnix, both.origin(ofUnix, "h")), [
    ["X-Forwarded-Host", "h"],
    ["X-Forwarded-Proto", "http"],
    ["Forwarded", "for=unknown;host=h;proto=http"],
  ]);
});

Deno.test("what tells of clients is dropped from outside whatever the style, and from inside where it is written", () => {
  const names = (peer: typeof PROXY, options: Partial<ForwardedOptions> = {}) => {
    const one = forwarding(options);
    return new Set(one.dropped(one.facts(connection({ peer }))));
  };
  const spoofable = [
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-forwarded-port",
    "x-forwarded-client-cert",
    "x-real-ip",
    "client-cert",
    "client-cert-chain",
    "true-client-ip",
    "x-original-url",
    "x-rewrite-url",
    "x-client-identity",
  ];
  for (const style of ["x", "rfc7239", "both", "none"] as const) {
    const outside = names(OUTSIDER, { forwarded: style });
    for (const name of spoofable) assert(outside.has(name), `${style} ${name}`);
  }
  assertEquals(names(PROXY).has("x-forwarded-for"), true);
  assertEquals(names(PROXY).has("forwarded"), true);
  assertEquals(names(PROXY).has("client-cert"), false);
  assertEquals(names(PROXY, { forwarded: "none" }).has("x-forwarded-for"), false);
  assertEquals(names(OUTSIDER).has("x-request-id"), false);
  assertEquals(names(OUTSIDER, { requestId: true, via: "culvert" }).has("x-request-id"), true);
});

Deno.test("a verified certificate goes on as Client-Cert and as the identity, and takes the place of any other", () => {
  const x = forwarding({ forwarded: "none" });
  const certificate = new Uint8Array([0x30, 0x03, 0x02, 0x01, 0xff]);
  const facts = x.facts(connection({ peer: PROXY, isTls: true, identity: "CN=Zoë,O=a\\, b", certificate }));
  assertEquals(x.fields(facts, x.origin(facts, "h")), [
    ["Client-Cert", ":MAMCAf8=:"],
    ["X-Client-Identity", "CN=Zo\u00c3\u00ab,O=a\\, b"],
  ]);
  assert(x.dropped(facts).includes("client-cert"));
  assert(x.dropped(facts).includes("client-cert-chain"));
  const off = new Forwarding({ forwarded: "none", trusted: [], requestId: false, clientCert: false });
  const silent = off.facts(connection({ identity: "CN=a", certificate }));
  assertEquals(off.fields(silent, off.origin(silent, "h")), []);
});

Deno.test("an identity that would break a line is not written", () => {
  const x = forwarding({ forwarded: "none" });
  const facts = x.facts(connection({ identity: "CN=a\r\nX-Admin: 1" }));
  assertEquals(x.fields(facts, x.origin(facts, "h")), []);
});

Deno.test("Via is appended where it is asked for", () => {
  assertEquals(forwarding().via("1.1", "1.0 a"), undefined);
  const via = forwarding({ via: "culvert" });
  assertEquals(via.via("1.1"), "1.1 culvert");
  assertEquals(via.via("1.0", "1.1 a, 2 b"), "1.1 a, 2 b, 1.0 culvert");
});

Deno.test("the id of a request is kept from a trusted proxy, and else new", () => {
  const x = forwarding({ requestId: true });
  const [inside, outside] = [PROXY, OUTSIDER].map((peer) => x.facts(connection({ peer })));
  assertEquals(x.requestId(inside!, "abc-123"), "abc-123");
  for (const bad of ["", "a b", "a\r\n", "x".repeat(129), 'a"b']) {
    assertMatch(x.requestId(inside!, bad), /^[0-9a-f]{32}$/);
  }
  assertMatch(x.requestId(outside!, "abc-123"), /^[0-9a-f]{32}$/);
  const ids = new Set(Array.from({ length: 1000 }, () => x.requestId(outside!)));
  assertEquals(ids.size, 1000);
  assertNotEquals(x.requestId(inside!), x.requestId(inside!));
});
