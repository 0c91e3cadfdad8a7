import { assertEquals } from "@std/assert";
import { requiredPermissions } from "../../src/config/required_permissions.ts";
import { configWith, parse, unplaced } from "./support.ts";

const OWN = "cert: certs/server.pem, key: certs/server.key";
const CLIENT_AUTH = "services[0].tls.clientAuth";
const RULES =
  "a list of rules such as {dns: client.example.org}, or {any: true} for every certificate of the " +
  "CA";

function ofService(clientAuth: string): string[] {
  return unplaced(configWith({ service: `tls: {${OWN}, clientAuth: {${clientAuth}}}` }));
}

Deno.test("clientAuth without rules is an error, and so is an empty list; any is not", () => {
  assertEquals(ofService("ca: ca.pem"), [`${CLIENT_AUTH}.allow: missing; expected ${RULES}`]);
  assertEquals(ofService("ca: ca.pem, allow: []"), [`${CLIENT_AUTH}.allow: expected ${RULES}, got []`]);
  assertEquals(ofService("ca: ca.pem, allow: [{any: true}]"), []);
  assertEquals(ofService("ca: ca.pem, allow: [{any: false}]").length, 1);
  assertEquals(ofService("ca: ca.pem, allow: [{}]").length, 1);
  assertEquals(ofService("ca: ca.pem, allow: [{cn: a, ou: b}]").length, 1);
});

Deno.test("a certificate is required of clients unless something else is said", () => {
  const config = parse(
    configWith({ service: `tls: {${OWN}, clientAuth: {ca: ca.pem, allow: [{cn: a}]}}` }),
  );
  assertEquals(config.services[0]!.tls, {
    certPath: "/etc/culvert/certs/server.pem",
    keyPath: "/etc/culvert/certs/server.key",
    minVersion: "1.2",
    maxVersion: "1.3",
    alpn: [],
    clientAuth: { caPath: "/etc/culvert/ca.pem", mode: "require", allow: [{ cn: "a" }] },
  });
});

Deno.test("backends are verified unless something else is said", () => {
  const config = parse(configWith({ upstream: "tls: {ca: ca.pem}" }));
  assertEquals(config.upstreams.get("db")!.tls, {
    caPath: "/etc/culvert/ca.pem",
    minVersion: "1.2",
    maxVersion: "1.3",
    alpn: [],
    verify: true,
  });
});

Deno.test("backends may be told of their clients before TLS, and connections to them dialled ahead", () => {
  for (const version of ["v1", "v2"] as const) {
    const upstream = `tls: {ca: ca.pem}\nproxyProtocol: ${version}\npool: {minIdle: 1}`;
    const { tls, proxyProtocol, pool } = parse(configWith({ upstream })).upstreams.get("db")!;
    assertEquals([tls?.verify, proxyProtocol, pool.minIdle], [true, version, 1]);
  }
});

Deno.test("what does not go together is reported", () => {
  const problems = unplaced(configWith({
    upstream: "tls: {cert: a.pem}",
    service: `tls: {${OWN}, minVersion: "1.3", maxVersion: "1.2"}\nsni: {a.example: db}`,
  }));
  assertEquals(problems.map((line) => line.split(":")[0]).toSorted(), [
    "services[0].sni",
    "services[0].tls.minVersion",
    "upstreams.db.tls.key",
  ]);
});

Deno.test("certificates, keys, CAs and CRLs are among what must be read", () => {
  const config = parse(configWith({
    upstream: "tls: {ca: b/ca.pem, cert: b/own.pem, key: b/own.key}",
    service: `tls: {${OWN}, clientAuth: {ca: ca.pem, crl: ca.crl, allow: [{any: true}]}}`,
  }));
  const names = ["certs/server.pem", "certs/server.key", "ca.pem", "ca.crl"];
  const ofBackends = ["b/ca.pem", "b/own.pem", "b/own.key"];
  assertEquals(requiredPermissions(config).read, [...names, ...ofBackends].map((n) => `/etc/culvert/${n}`));
});

Deno.test("rules for backends require verify, as no certificate is verified without it", () => {
  const problems = unplaced(`version: 1
upstreams:
  db:
    backends: [{address: "127.0.0.1:5432"}]
    tls: {verify: false, allow: [{cn: db}]}
services:
  - {name: db, listen: ["127.0.0.1:0"], upstream: db}
`);
  assertEquals(problems, [
    "upstreams.db.tls.verify: expected true, where allow is set, got false",
  ]);
});
