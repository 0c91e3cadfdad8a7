import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { describeConfig } from "../../src/config/describe.ts";
import { formatPath, type Path } from "../../src/config/problem/problem.ts";
import { parseHttp as parse, problemsOf as complaints } from "./http_fixture.ts";

/** Every key that there is, in as many upstreams and services as it takes. No value is a default. */
const FULL = {
  version: 1,
  log: { level: "debug", format: "json", access: false, accessFormat: "combined" },
  workers: 4,
  admin: {
    listen: "127.0.0.1:9901",
    tls: {
      cert: "admin.pem",
      key: "admin.key",
      minVersion: "1.3",
      clientAuth: {
        ca: "a-ca.pem",
        mode: "require",
        crl: "a.crl",
        crlCheck: "leaf",
        crlMaxAge: "9s",
        allow: [{ cn: "admin" }],
      },
    },
    allow: { read: [{ ou: "monitoring" }], write: [{ cn: "admin" }] },
  },
  timeouts: {
    connect: "9s",
    handshake: "9s",
    idle: "9s",
    halfClose: "9s",
    lifetime: "9s",
    drain: "9s",
    response: "9s",
    request: "9s",
  },
  upstreams: {
    db: {
      backends: [{ address: "10.0.0.1:5432", weight: 2, maxConnections: 3, backup: true }],
      discover: {
        dns: { name: "db.internal", type: "A", port: 5432, interval: "9s", server: "127.0.0.1:53" },
        file: "backends.yaml",
        etcd: {
          endpoints: ["https://127.0.0.1:2379"],
          prefix: "/db/",
          user: "me",
          passwordFile: "password",
          tls: { ca: "e-ca.pem", cert: "e.pem", key: "e.key" },
        },
        within: ["10.0.0.0/8"],
        keepOnEmpty: true,
      },
      balance: "first",
      health: {
        type: "http",
        interval: "9s",
        timeout: "3s",
        rise: 4,
        fall: 4,
        port: 5433,
        http: { method: "OPTIONS", path: "/healthz", host: "app", expect: "200", body: "ok" },
      },
      outlier: { failures: 4, ejection: "9s", maxEjected: "40%" },
      slowStart: "9s",
      retries: 4,
      queue: { max: 5, timeout: "9s" },
      pool: { minIdle: 1, maxIdle: 9, maxOpen: 10, idleTimeout: "9s", maxUses: 9 },
      onRemove: "drain",
      onDown: "close",
      proxyProtocol: "v1",
    },
    plain: { backends: ["10.0.0.3:1"] },
    scripted: {
      backends: ["10.0.0.2:1"],
      health: { type: "script", script: [{ send: "PING" }, { expect: "PONG" }] },
      proxyProtocol: { version: "v2", tlvs: ["alpn"], forwardTlvs: [0xea] },
      tls: {
        ca: "u-ca.pem",
        cert: "u.pem",
        key: "u.key",
        serverName: "db.test",
        minVersion: "1.2",
        maxVersion: "1.2",
        alpn: ["postgresql"],
        starttls: "postgres",
        verify: true,
        allow: [{ cn: "db", ca: "b-ca.pem" }],
      },
    },
  },
  services: [{
    name: "postgres",
    protocol: "tcp",
    listen: ["127.0.0.1:5432"],
    allow: ["10.0.0.0/8"],
    deny: ["10.6.0.0/16"],
    maxConnections: 7,
    maxHandshakes: 6,
    handshakeGrace: "9s",
    sourcePrefix: { ipv4: 24, ipv6: 56 },
    rate: { connections: 5, per: "9s", burst: 8, key: "source" },
    timeouts: { connect: "8s", handshake: "8s", idle: "8s", halfClose: "8s", lifetime: "8s", drain: "8s" },
    proxyProtocol: true,
    trusted: ["10.0.0.5"],
    tls: {
      cert: "s.pem",
      key: "s.key",
      minVersion: "1.2",
      maxVersion: "1.2",
      alpn: ["h2"],
      starttls: "postgres",
      clientAuth: {
        ca: "s-ca.pem",
        mode: "optional",
        crl: ["s.crl", "crls/"],
        crlCheck: "leaf",
        crlMaxAge: "9s",
        trustDomains: { foo: { ca: "f-ca.pem", crl: ["f.crl"] } },
        allow: [{ cn: "x", ca: "r-ca.pem" }, { all: [{ ou: "y" }, { dns: "z" }] }],
      },
    },
    upstream: "db",
  }, {
    name: "fast",
    listen: ["127.0.0.1:5433"],
    tls: { cert: "f.pem", key: "f.key", native: true },
    upstream: "scripted",
  }, {
    name: "named",
    listen: ["127.0.0.1:5434"],
    sni: { "a.test": "db" },
  }, {
    name: "web",
    protocol: "http",
    listen: ["127.0.0.1:5435"],
    trusted: ["10.0.0.5"],
    timeouts: { response: "8s", request: "8s" },
    routes: [{
      match: { host: "a.test", path: "/a", methods: ["GET"] },
      upstream: "plain",
      rewrite: "/b",
      rewriteCookies: true,
      hostHeader: "b.test",
      headers: {
        request: { set: { "X-A": "a" }, add: { "X-B": "b" }, remove: ["X-C"] },
        response: { set: { "X-A": "a" }, add: { "X-B": "b" }, remove: ["X-C"] },
      },
      retries: { attempts: 3, on: ["connect", 502], idempotencyKey: true },
      timeouts: { response: "9s", request: "9s" },
    }, {
      match: { path: "/r" },
      redirect: { to: "/x", status: 301 },
    }, {
      match: { path: "/s" },
      respond: { status: 200, headers: { "X-A": "a" }, body: "b" },
    }],
    limits: { headerSize: 2049, headers: 10, bodySize: 4000 },
    forwarded: "both",
    underscores: "allow",
    encodedSlashes: "keep",
    errors: { 502: "e.html" },
    via: "culvert",
    requestId: true,
    clientCert: false,
    identityHeader: "X-Id",
  }],
  tests: [
    {
      ...{
        name: "one",
        service: "postgres",
        from: "10.1.0.1",
        via: "10.0.0.5",
        cert: "c.pem",
        sni: "a.test",
      },
      expect: { verdict: "accept", upstream: "db", target: "/a", status: 200, location: "/b" },
    },
    { service: "web", method: "PUT", url: "http://a.test/", expect: "accept" },
  ],
};

/** What to change a value to where that does not follow from what it is. */
const CHANGED: Readonly<Record<string, unknown>> = {
  "log.level": "info",
  "log.format": "text",
  "log.accessFormat": "text",
  "services[3].routes[0].retries.on[0]": 503,
  "services[3].routes[0].upstream": "db",
  "services[3].routes[1].redirect.status": 302,
  "services[3].forwarded": "x",
  "services[3].underscores": "drop",
  "services[3].encodedSlashes": "reject",
  "admin.tls.clientAuth.mode": "optional",
  "admin.tls.clientAuth.crlCheck": "chain",
  "services[0].tls.clientAuth.crlCheck": "chain",
  "services[0].tls.clientAuth.mode": "require",
  "services[0].tls.maxVersion": "1.3",
  "upstreams.scripted.tls.maxVersion": "1.3",
  "services[0].tls.starttls": "smtp",
  "upstreams.scripted.tls.starttls": "smtp",
  "services[0].upstream": "scripted",
  "services[1].upstream": "db",
  "upstreams.db.discover.dns.type": "AAAA",
  "upstreams.db.balance": "source-hash",
  "upstreams.db.health.http.method": "POST",
  "upstreams.db.health.http.expect": "201",
  "upstreams.db.onRemove": "close",
  "upstreams.db.onDown": "keep",
  "upstreams.db.proxyProtocol": "v2",
  "upstreams.scripted.proxyProtocol.tlvs[0]": "ssl",
  'services[2].sni["a.test"]': "plain",
};

/** Those that have one value, those that others contradict, and those that take another's place. */
const LEFT_OUT: readonly RegExp[] = [
  /^version$/,
  /\.protocol$/,
  /\.rate\.key$/,
  /\.health\.type$/,
  /\.proxyProtocol\.version$/, // Version 1 has no TLVs.
  /\.verify$/, // With allow it must be true.
  /^(?:services|upstreams).*minVersion$/, // Nor may it be above maxVersion.
  /^tests\b/, // Only their number is told, as check runs them.
  /^timeouts\./, // As services say otherwise in their own, those of the other services tell.
];

type Tree = Record<string | number, unknown>;

function* leaves(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value !== "object" || value === null) return yield path;
  for (const [key, inner] of Object.entries(value)) {
    yield* leaves(inner, [...path, Array.isArray(value) ? Number(key) : key]);
  }
}

/** The document with something else at `path`. */
function changed(path: Path, to: (value: unknown) => unknown, document: unknown = FULL): string {
  const copy = structuredClone(document) as unknown as Tree;
  const parent = path.slice(0, -1).reduce<Tree>((tree, step) => tree[step] as Tree, copy);
  const last = path.at(-1)!;
  parent[last] = to(parent[last]);
  return JSON.stringify(copy);
}

function otherThan(value: unknown): unknown {
  if (typeof value === "number") return value + 1;
  if (typeof value === "boolean") return !value;
  const text = String(value);
  if (/^\d+s$/.test(text)) return "7s";
  if (/^\d+%$/.test(text)) return "41%";
  if (/^1\.[23]$/.test(text)) return "1.2";
  if (/^10\.[\d.]+\//.test(text)) return "192.168.0.0/16";
  if (/:\d+$/.test(text)) return text.replace(/\d+$/, "7");
  return /\d$/.test(text) ? `${text.slice(0, -1)}9` : `${text}x`;
}

Deno.test("check says something about every key: with another value it says something else", () => {
  const before = describeConfig(parse(JSON.stringify({ ...FULL, tests: [] })));
  const silent: string[] = [];
  for (const path of leaves(FULL)) {
    const name = formatPath(path);
    if (LEFT_OUT.some((pattern) => pattern.test(name))) continue;
    const text = changed(path, (value) => CHANGED[name] ?? otherThan(value), { ...FULL, tests: [] });
    assertEquals(complaints(text), [], name);
    if (describeConfig(parse(text)) === before) silent.push(name);
  }
  assertEquals(silent, []);
  assertNotEquals(describeConfig(parse(JSON.stringify(FULL))), before);
});

Deno.test("the configuration of that test has every key that there is", () => {
  const known = new Set<string>();
  const here = new Set<string>();
  // All mappings with the same keys count as one.
  const kindOf = (path: string) =>
    path.replaceAll(/\[\d+\]/g, "").replace(/^upstreams\.\w+/, "upstreams")
      .replace(/^admin\.tls/, "services.tls").replace(/^admin\.allow\.\w+/, "services.tls.clientAuth.allow")
      .replace(
        /^services.timeouts/,
        "timeouts",
      );
  const visit = (value: unknown, path: Path) => {
    if (Array.isArray(value)) return value.forEach((item, index) => visit(item, [...path, index]));
    if (typeof value !== "object" || value === null) return;
    const kind = kindOf(formatPath(path));
    const strange = path.length === 0
      ? JSON.stringify({ ...FULL, q: 1 })
      : changed(path, (it) => ({ ...it as Tree, q: 1 }));
    const said = complaints(strange).map((line) => /\.?q: unknown key; expected one of (.*)/.exec(line)?.[1]);
    for (const key of said.find((keys) => keys !== undefined)?.split(", ") ?? []) known.add(`${kind}.${key}`);
    for (const [key, inner] of Object.entries(value)) {
      here.add(`${kind}.${key}`);
      visit(inner, [...path, key]);
    }
  };
  visit(FULL, []);
  const missing = [...known].filter((key) => !here.has(key) && !/\.allow(?:\.all)?\.\w+$/.test(key));
  assert(known.size > 100, String(known.size));
  assertEquals(missing, []);
});

Deno.test("access lines are described as written only if the log level permits them", () => {
  const line = (log: string) =>
    /access lines +(.*)/.exec(
      describeConfig(parse(JSON.stringify({ ...FULL, log: {} }).replace('"log":{}', `"log":${log}`))),
    )![1];
  assertEquals(line("{}"), "yes");
  assertEquals(line('{"level": "debug"}'), "yes");
  assertEquals(line('{"level": "warn"}'), "no, as they are at info and the level is warn");
  assertEquals(line('{"level": "error"}'), "no, as they are at info and the level is error");
  assertEquals(line('{"level": "error", "access": false}'), "no");
  assertNotEquals(line('{"access": false}'), line("{}"));
});
