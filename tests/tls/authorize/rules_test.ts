import { assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import type { PeerIdentity } from "../../../src/tls/x509/identity.ts";
import { type AllowRule, compileRules } from "../../../src/tls/authorize/rules.ts";

const PIN = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
const NO_NAMES: PeerIdentity = {
  subject: "",
  commonNames: [],
  organizationalUnits: [],
  dnsNames: [],
  uris: [],
  ips: [],
  emails: [],
  serialNumber: "1",
  spkiSha256: "",
  notBefore: new Date(0),
  notAfter: new Date(0),
  keyUsage: undefined,
  extendedKeyUsage: undefined,
};

function peer(names: Partial<PeerIdentity>): PeerIdentity {
  return { ...NO_NAMES, ...names };
}

function matches(rule: AllowRule, names: Partial<PeerIdentity>): boolean {
  return compileRules([rule])(peer(names)) !== undefined;
}

Deno.test("without a rule every peer is rejected, and with any every peer is allowed", () => {
  assertEquals(compileRules([])(peer({ commonNames: ["admin"] })), undefined);
  assertEquals(compileRules([{ any: true }])(NO_NAMES), { any: true });
});

Deno.test("the first rule that holds is the one that is reported", () => {
  const rules: AllowRule[] = [{ cn: "a" }, { ou: "b" }, { ou: "b" }];
  const allowed = compileRules(rules);
  assertStrictEquals(allowed(peer({ organizationalUnits: ["b"] })), rules[1]);
  assertStrictEquals(allowed(peer({ commonNames: ["x", "a"], organizationalUnits: ["b"] })), rules[0]);
  assertEquals(allowed(peer({ commonNames: ["b"] })), undefined);
});

Deno.test("a wildcard of DNS stands for exactly one whole label", () => {
  const dns: [string, string, boolean][] = [
    ["a.example.org", "a.example.org", true],
    ["A.Example.ORG", "a.example.org", true],
    ["a.example.org", "b.example.org", false],
    ["example.org", "a.example.org", false],
    ["*.example.org", "a.example.org", true],
    ["*.EXAMPLE.org", "a.example.org", true],
    ["*.example.org", "example.org", false],
    ["*.example.org", "b.a.example.org", false],
    ["*.example.org", "a.badexample.org", false],
    ["*.example.org", "aexample.org", false],
    ["*.example.org", "a.example.org.evil.net", false],
    ["*.localhost", "a.localhost", true],
    // What a certificate's own wildcard covers is for clients of a server to know; no client is called that.
    ["a.example.org", "*.example.org", false],
    ["*.example.org", "*.example.org", false],
    ["*.a.example.org", "*.example.org", false],
  ];
  for (const [rule, name, expected] of dns) {
    assertEquals(matches({ dns: rule }, { dnsNames: [name] }), expected, `${rule} and ${name}`);
  }
  assertEquals(matches({ dns: "a.example.org" }, { commonNames: ["a.example.org"] }), false);
});

Deno.test("stars of a URI stand for characters within a segment or across, nothing else is special", () => {
  const uris: [string, string, boolean][] = [
    ["spiffe://x/a", "spiffe://x/a", true],
    ["spiffe://x/a", "spiffe://x/A", false],
    ["spiffe://x/a", "spiffe://x/a/", false],
    ["spiffe://x/a", "spiffe://x/ab", false],
    ["spiffe://x/ns/*/sa/**", "spiffe://x/ns/prod/sa/db", true],
    ["spiffe://x/ns/*/sa/**", "spiffe://x/ns/prod/sa/db/replica/1", true],
    ["spiffe://x/ns/*/sa/**", "spiffe://x/ns/prod/eu/sa/db", false],
    ["spiffe://x/ns/*/sa/**", "spiffe://x/ns//sa/db", false],
    ["spiffe://x/ns/*/sa/**", "spiffe://x/ns/prod/sa/", false],
    ["spiffe://x/ns/*/sa/**", "spiffe://x/ns/prod/sa", false],
    ["spiffe://x/ns/*/sa/**", "spiffe://y/ns/prod/sa/db", false],
    ["spiffe://x/ns/*/sa/**", "evil+spiffe://x/ns/prod/sa/db", false],
    ["spiffe://x/web-*", "spiffe://x/web-1", true],
    ["spiffe://x/web-*", "spiffe://x/web-", false],
    ["spiffe://x/web-*", "spiffe://x/web-1/admin", false],
    ["spiffe://x/**/db", "spiffe://x/a/b/db", true],
    ["spiffe://x/**/db", "spiffe://x/db", false],
    ["spiffe://x/*a*b", "spiffe://x/xxaaxbab", true],
    ["spiffe://x/a", "spiffe://x/a, URI:spiffe://x/admin", false],
    ["spiffe://x/admin", "spiffe://x/a, URI:spiffe://x/admin", false],
    ["spiffe://x/*", "spiffe://x/a, URI:spiffe://x/admin", false],
    ["https://x/a?b=[c].+", "https://x/a?b=[c].+", true],
    ["https://x/a.c", "https://x/abc", false],
    ["spiffe://x/ns/*/sa/web", "spiffe://x/ns/../sa/web", false],
    ["spiffe://x/ns/*/sa/web", "spiffe://x/ns/./sa/web", false],
    ["spiffe://x/ns/*/sa/web", "spiffe://x/ns/.../sa/web", true],
    ["https://x/*/web", "https://x/a?b/web", false],
    ["https://x/*/web", "https://x/a#b/web", false],
    ["https://x/*/web", "https://x/a%2fb/web", false],
    ["https://x/*/web", "https://x/a%2Fb/web", false],
    ["https://x/*/web", "https://x/a%5cb/web", false],
    ["https://x/*/web", "https://x/a\\b/web", false],
    ["https://x/*/web", "https://x/a%20b/web", true],
    ["https://x/%*/web", "https://x/%2f/web", false],
    ["https://x/*/web", "https://x/%2e%2E/web", false],
    ["https://x/*", "https://x/..?a", false],
    ["https://*.x.test/web", "https://evil.test?.x.test/web", false],
    ["https://*.x.test/web", "https://evil.test#.x.test/web", false],
    ["https://*.x.test/web", "https://u@h.x.test/web", false],
    ["https://*.x.test/web", "https://a.x.test/web", true],
    ["https://x/**", "https://x/a?b=c/d#e", true],
    ["https://x/team/**", "https://x/team/../../admin", false],
    ["https://x/team/**", "https://x/team/a/..", false],
    ["https://x/team/**", "https://x/team/%2e%2e/admin", false],
    ["https://x/team/**", "https://x/team/a%2f..%2fadmin", false],
    ["https://x/team/**", "https://x/team/a..b/.c", true],
    // A complete rule is taken as it is.
    ["https://x/a/../b", "https://x/a/../b", true],
    ["spiffe://*/a", "spiffe://x/a", true],
    ["spiffe://**", "spiffe://x/a", true],
  ];
  for (const [rule, name, expected] of uris) {
    assertEquals(matches({ uri: rule }, { uris: [name] }), expected, `${rule} and ${name}`);
  }
});

Deno.test("a name that is made to be slow costs no more than its length", () => {
  const allowed = compileRules([{ uri: `spiffe://${"*a".repeat(40)}/**b**c**d` }]);
  // With backtracking this would not come back in a lifetime.
  assertEquals(allowed(peer({ uris: [`spiffe://${"a".repeat(20_000)}/${"bc".repeat(20_000)}`] })), undefined);
});

Deno.test("cn and ou are compared without regard to case and spacing, and only as a whole", () => {
  assertEquals(matches({ cn: "admin" }, { commonNames: ["x", "admin"] }), true);
  for (const name of ["Admin", " admin\t", "ＡＤＭＩＮ"]) {
    assertEquals(matches({ cn: "admin" }, { commonNames: [name] }), true, name);
  }
  for (const name of ["admin, CN=x", "ad min", "admin\u200b", "ad\u00admin", "admin\u0001", "аdmin"]) {
    assertEquals(matches({ cn: "admin" }, { commonNames: [name] }), false, name);
  }
  assertEquals(matches({ cn: "Jürgen  MEIER" }, { commonNames: ["JÜRGEN Meier"] }), true);
  assertEquals(matches({ cn: "*" }, { commonNames: ["admin"] }), false);
  assertEquals(matches({ ou: "ops" }, { organizationalUnits: ["Ops"] }), true);
  assertEquals(matches({ ou: "ops" }, { commonNames: ["ops"] }), false);
  // A text that cannot be compared otherwise is compared as it stands.
  const long = "a".repeat(300);
  assertEquals(matches({ cn: long }, { commonNames: [long] }), true);
  assertEquals(matches({ cn: long }, { commonNames: [long.toUpperCase()] }), false);
});

Deno.test("spki is compared exactly, ip by its value", () => {
  assertEquals(matches({ ip: "2001:DB8::0:1" }, { ips: ["2001:db8::1"] }), true);
  assertEquals(matches({ ip: "::ffff:10.0.0.1" }, { ips: ["10.0.0.1"] }), true);
  assertEquals(matches({ ip: "10.0.0.1" }, { ips: ["10.0.0.10"], dnsNames: ["10.0.0.1"] }), false);
  assertEquals(matches({ spki: `sha256/${PIN}` }, { spkiSha256: PIN }), true);
  assertEquals(matches({ spki: `sha256/${PIN}` }, { spkiSha256: PIN.toLowerCase() }), false);
});

Deno.test("a bad rule is refused, and it is said what is expected", () => {
  const bad: [unknown, string][] = [
    [{}, "exactly one of any, dns, uri, cn, ou, ip, spki"],
    [{ cn: "a", ou: "b" }, "exactly one of"],
    [{ constructor: "a" }, "exactly one of"],
    [{ any: false }, "expected true"],
    [{ dns: "" }, "a DNS name"],
    [{ dns: "*" }, "a DNS name"],
    [{ dns: "a.*.org" }, "a DNS name"],
    [{ dns: "**.example.org" }, "a DNS name"],
    [{ dns: "example.org." }, "a DNS name"],
    [{ dns: 5 }, "a DNS name"],
    [{ uri: "" }, "a URI"],
    [{ uri: "/a/b" }, "a URI"],
    [{ uri: "spiffe://x/a b" }, "a URI"],
    [{ uri: "spiffe://x/***" }, "at most two stars"],
    [{ cn: "" }, "a name"],
    [{ cn: "a\0" }, "a name"],
    [{ ou: null }, "a name"],
    [{ ip: "10.0.0.0/8" }, "no subnet"],
    [{ ip: "host" }, "one IP address"],
    [{ spki: PIN }, '"sha256/"'],
    [{ spki: `sha256/${PIN.slice(1)}` }, "44 characters"],
    // The last character before the equals sign has two bits that belong to no octet.
    [{ spki: `sha256/${PIN.slice(0, 42)}V=` }, "44 characters"],
    [{ spki: "sha1/2jmj7l5rSw0yVb/vlWAYkK/YBwk=" }, '"sha256/"'],
  ];
  for (const [rule, expected] of bad) {
    const error = assertThrows(() => compileRules([rule as AllowRule]), CulvertError, expected);
    assertEquals(error.code, "bad_rule");
  }
});
