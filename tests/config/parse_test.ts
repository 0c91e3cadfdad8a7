import { assertEquals, assertInstanceOf } from "@std/assert";
import type { Config } from "../../src/config/config.ts";
import { ConfigError } from "../../src/config/problem/problem.ts";
import { complaints, configWith, MINIMAL, parse } from "./support.ts";

Deno.test("a minimal configuration gets every default", () => {
  const expected: Config = {
    log: { level: "info", format: "text", access: true },
    workers: 1,
    upstreams: new Map([["echo", {
      name: "echo",
      backends: [{
        address: { kind: "tcp", host: "10.0.0.1", port: 7 },
        weight: 1,
        maxConnections: 0,
        backup: false,
      }],
      balance: "round-robin",
      pool: { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 90_000, maxUses: 1000 },
      retries: 2,
      queue: { max: 0, timeoutMs: 10_000 },
      onRemove: "close",
      onDown: "keep",
      proxyProtocol: "none",
      outlier: { failures: 5, ejectionMs: 30_000, maxEjected: 0.5 },
      slowStartMs: 0,
    }]]),
    services: [{
      name: "echo",
      listen: [{ kind: "tcp", host: "", port: 7 }],
      upstream: "echo",
      deny: [],
      admission: {
        maxConnections: 10_000,
        maxHandshakes: 1000,
        handshakeGraceMs: 1000,
        sourcePrefix: { ipv4: 32, ipv6: 64 },
      },
      timeouts: {
        connectMs: 10_000,
        handshakeMs: 10_000,
        idleMs: 90_000,
        halfCloseMs: 60_000,
        lifetimeMs: 0,
        drainMs: 30_000,
      },
    }],
  };
  assertEquals(parse(MINIMAL), expected);
});

Deno.test("JSON is read as YAML is", () => {
  const json = JSON.stringify({
    version: 1,
    services: [{ name: "echo", listen: [":7"], upstream: { backends: [{ address: "10.0.0.1:7" }] } }],
  });
  assertEquals(parse(json), parse(MINIMAL));
  assertEquals(parse(JSON.stringify(JSON.parse(json), null, 2)), parse(MINIMAL));
});

Deno.test("anchors and merge keys work", () => {
  const config = parse(configWith({
    top: "timeouts: &fast {connect: 1s, idle: 2s}",
    service: "timeouts:\n  <<: *fast\n  idle: 3s",
  }));
  assertEquals(config.services[0]?.timeouts.connectMs, 1000);
  assertEquals(config.services[0]?.timeouts.idleMs, 3000);
});

Deno.test("a service overrides each timeout by itself", () => {
  const config = parse(configWith({
    top: "timeouts: {connect: 1s, handshake: 2s, idle: 3s, halfClose: 4s, lifetime: 5s, drain: 6s}",
    service: "timeouts: {idle: 0, drain: 0, lifetime: 1h}",
  }));
  assertEquals(config.services[0]?.timeouts, {
    connectMs: 1000,
    handshakeMs: 2000,
    idleMs: 0,
    halfCloseMs: 4000,
    lifetimeMs: 3_600_000,
    drainMs: 0,
  });
});

Deno.test("a relative path of a unix socket is relative to the configuration's folder", () => {
  const config = parse(configWith({
    upstream: "backends: [{address: unix:run/app.sock}, {address: unix:/run/app.sock}]",
    service: "listen: [unix:../front.sock]",
  }));
  assertEquals(config.services[0]?.listen, [{ kind: "unix", path: "/etc/front.sock" }]);
  assertEquals(config.upstreams.get("db")?.backends.map(({ address }) => address), [
    { kind: "unix", path: "/etc/culvert/run/app.sock" },
    { kind: "unix", path: "/run/app.sock" },
  ]);
});

Deno.test("allow and deny become sets of addresses", () => {
  const [service] = parse(configWith({ service: "allow: [10.0.0.0/8]\ndeny: ['10.1.2.3', '::1']" })).services;
  assertEquals(service?.allow, ["10.0.0.0/8"]);
  assertEquals(service?.deny, ["10.1.2.3", "::1"]);
  assertEquals(service?.admission.allow?.has("10.9.9.9"), true);
  assertEquals(service?.admission.allow?.has("11.0.0.1"), false);
  assertEquals(service?.admission.deny?.has("10.1.2.3"), true);
});

Deno.test("an empty allow admits no client, unlike an absent one", () => {
  assertEquals(
    parse(configWith({ service: "allow: []" })).services[0]?.admission.allow?.has("10.0.0.1"),
    false,
  );
  assertEquals(parse(configWith({})).services[0]?.admission.allow, undefined);
});

Deno.test("every problem is reported in one go, in the order of the lines", () => {
  const text = `version: 2
lgo: {level: debug}
timeouts:
  idle: 10
upstreams:
  db:
    backends:
      - address: 10.0.0.11:5432
        weight: heavy
      - address: 10.0.0.11:5432
    pool: {minIdle: 20}
services:
  - name: postgres
    listen:
      - 0.0.0.0:5432
      - :5432
    upstream: dbb
  - name: postgres
    lisen: [":7"]
    upstream: {backends: []}
`;
  assertEquals(complaints(text), [
    ":1: version: expected 1, the one version that there is, got 2",
    ':2: lgo: unknown key; did you mean "log"?',
    ":4: timeouts.idle: expected a duration with its unit, such as 10s or 10ms, or 0, got 10",
    ':9: upstreams.db.backends[0].weight: expected a whole number from 0 to 65535, got "heavy"',
    ":10: upstreams.db.backends[1].address: expected an address of its own " +
    '(upstreams.db.backends[0].address has it), got "10.0.0.11:5432"',
    ":11: upstreams.db.pool.minIdle: expected at most maxIdle, which is 8, got 20",
    ":16: services[0].listen[1]: expected an address of its own (services[0].listen[0] has 0.0.0.0:5432), " +
    'got ":5432"',
    ':17: services[0].upstream: expected the name of one of the upstreams, got "dbb"; did you mean "db"?',
    ':18: services[1].name: expected a name of its own (services[0].name has it), got "postgres"',
    ':19: services[1].lisen: unknown key; did you mean "listen"?',
    ":20: services[1].upstream.backends: expected a list of one backend at least, got []",
  ]);
});

Deno.test("PROXY protocol and server names are read", () => {
  const { services: [service], upstreams } = parse(`version: 1
upstreams:
  app: {backends: [{address: 10.0.0.1:1}], proxyProtocol: v2}
  rest: {backends: [{address: 10.0.0.2:1}], proxyProtocol: v1}
services:
  - name: by-name
    listen: [":443"]
    proxyProtocol: true
    trusted: [192.0.2.0/24]
    sni: {App.example.org: app, "*.example.org": rest}
`);
  assertEquals([...upstreams.values()].map(({ proxyProtocol }) => proxyProtocol), ["v2", "v1"]);
  assertEquals([...service!.names!], [["App.example.org", "app"], ["*.example.org", "rest"]]);
  assertEquals([service!.upstream, service!.trusted], [undefined, ["192.0.2.0/24"]]);
  assertEquals(["192.0.2.7", "192.0.3.7", "unix"].map((ip) => service!.proxyFrom!.has(ip)), [
    true,
    false,
    false,
  ]);
  const [plain] = parse(configWith({ service: "trusted: [192.0.2.1]" })).services;
  assertEquals([plain!.proxyFrom, plain!.trusted, plain!.names, plain!.upstream], [
    undefined,
    undefined,
    undefined,
    "db",
  ]);
});

Deno.test("problems are there as data too", () => {
  try {
    parse(configWith({ service: "maxConnection: [1]" }));
  } catch (error) {
    assertInstanceOf(error, ConfigError);
    assertEquals(error.code, "bad_config");
    assertEquals(error.problems, [{
      kind: "unknown_key",
      path: "services[0].maxConnection",
      value: "[1]",
      expected:
        "one of name, protocol, listen, allow, deny, maxConnections, maxHandshakes, handshakeGrace, sourcePrefix, rate, timeouts, " +
        "proxyProtocol, trusted, tls, sni, upstream, routes, limits, " +
        "forwarded, underscores, encodedSlashes, errors, via, requestId, clientCert, identityHeader",
      nearest: "maxConnections",
      line: 10,
    }]);
    return;
  }
  throw new Error("The configuration was taken");
});

Deno.test("a text that is deeper than the parser can go is refused", () => {
  assertEquals(complaints("[".repeat(200_000)), [": expected YAML (it is too deep)"]);
});

Deno.test("a document that grows exponentially when it is written out is refused soon", () => {
  const levels = Array.from({ length: 60 }, (_, i) => `  - &l${i + 1} [${`*l${i}, `.repeat(9)}]`);
  const text = `version: 1\nservices:\n  - &l0 [lol]\n${levels.join("\n")}\n`;
  assertEquals(complaints(text).length, 61);
});
