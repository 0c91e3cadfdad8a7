import { assertEquals } from "@std/assert";
import { describeConfig } from "../../src/config/describe.ts";
import { discoveryNeed } from "../../src/config/required_permissions.ts";
import { configWith, type ExtraKeys, parse, unplaced } from "./support.ts";

const DB = "upstreams.db";
const COUNT = "a whole number from 1 to 10000000";
const URL_FORM = "a URL such as http://127.0.0.1:2379, without a path, a user or a query";
const SCRIPT =
  "a list of steps, each {send: …}, {sendHex: …}, {expect: …} or {expectHex: …}, of which one expects something";

const NO_BODY = "Cannot look for a text in the body";

const health = (keys: string): ExtraKeys => ({ upstream: `health: {${keys}}` });
const outlier = (keys: string): ExtraKeys => ({ upstream: `outlier: {${keys}}` });
const discover = (keys: string): ExtraKeys => ({ upstream: `discover: {${keys}}` });
const etcd = (keys: string): ExtraKeys => discover(`etcd: {endpoints: ["http://e:1"], prefix: /p/, ${keys}}`);
const admin = (keys: string): ExtraKeys => ({ top: `admin: {${keys}}` });

/** What is written, and all that is said about it. */
const BAD: readonly (readonly [keys: ExtraKeys, ...complaints: string[]])[] = [
  [
    health("type: ping"),
    `${DB}.health.type: expected one of none, tcp, half-open, tls, http, script, got "ping"`,
  ],
  [
    health("interval: 0"),
    `${DB}.health.interval: expected a duration such as 250ms, 10s, 5m or 1h, at most 576h, and not 0, got 0`,
  ],
  [health("rise: 0"), `${DB}.health.rise: expected ${COUNT}, got 0`],
  [health("fall: 1.5"), `${DB}.health.fall: expected ${COUNT}, got 1.5`],
  [health("port: 0"), `${DB}.health.port: expected a whole number from 1 to 65535, got 0`],
  [health("typ: tcp"), `${DB}.health.typ: unknown key; did you mean "type"?`],
  [health("type: tcp, http: {}"), `${DB}.health.http: expected none, unless type is http, got {}`],
  [
    health("type: http, http: {path: healthz}"),
    `${DB}.health.http.path: expected a path that begins with /, got "healthz"`,
  ],
  [
    health("type: http, http: {method: 'G T'}"),
    `${DB}.health.http.method: expected an HTTP method such as GET, got "G T"`,
  ],
  [
    health("type: http, http: {expect: 2xx}"),
    `${DB}.health.http.expect: expected status codes such as "200-399" or "200,204", got "2xx"`,
  ],
  [
    health("type: http, http: {body: ''}"),
    `${DB}.health.http.body: expected a text that is not empty, got ""`,
  ],
  [
    health("type: http, http: {method: HEAD, body: ok}"),
    `${DB}.health.http.body: expected another text, or none: ${NO_BODY}: the answer to HEAD has none, got "ok"`,
  ],
  [
    health(`type: http, http: {body: ${"x".repeat(65_537)}}`),
    `${DB}.health.http.body: expected another text, or none: ${NO_BODY}: no more than 65536 bytes are searched` +
    `, got "${"x".repeat(57)}…"`,
  ],
  ...["PING", null, 1, { expect: "a", foo: 1 }, { expect: null }, { expect: 5 }].map((step) =>
    [
      health(`type: script, script: [${JSON.stringify(step)}]`),
      `${DB}.health.script: expected ${SCRIPT}, got ${JSON.stringify([step]).replaceAll(/([:,])/g, "$1 ")}`,
    ] as const
  ),
  [health("type: script"), `${DB}.health.script: missing; expected the steps of the script`],
  [
    health("type: script, script: [{send: a}]"),
    `${DB}.health.script: expected ${SCRIPT}, got [{"send": "a"}]`,
  ],
  [
    health("type: script, script: [{expectHex: 0g}]"),
    `${DB}.health.script: expected ${SCRIPT}, got [{"expectHex": "0g"}]`,
  ],
  [
    health("type: tls"),
    `${DB}.health.type: expected another type, or tls of the upstream, which is checked, got "tls"`,
  ],
  [
    { upstream: "backends: [{address: unix:a}]\nhealth: {type: half-open, port: 1}" },
    `${DB}.health.port: expected none: a unix socket has no port, got 1`,
    `${DB}.health.type: expected another type: a unix socket can't be half open, got "half-open"`,
  ],
  [outlier("failures: -1"), `${DB}.outlier.failures: expected a whole number from 0 to 10000000, got -1`],
  [outlier("maxEjected: 0.5"), `${DB}.outlier.maxEjected: expected a share from 0% to 100%, got 0.5`],
  [outlier("maxEjected: 101%"), `${DB}.outlier.maxEjected: expected a share from 0% to 100%, got "101%"`],
  [
    { upstream: "slowStart: soon" },
    `${DB}.slowStart: expected a duration such as 250ms, 10s, 5m or 1h, at most 576h, or 0, got "soon"`,
  ],
  [discover(""), `${DB}.discover: expected one of dns, file and etcd at least, got {}`],
  [
    discover("dns: {name: a.b}"),
    `${DB}.discover.dns.port: missing; expected the backends' port, which A and AAAA records don't tell`,
  ],
  [
    discover("dns: {name: _a._tcp.b, type: SRV, port: 1}"),
    `${DB}.discover.dns.port: expected none: SRV records tell the port, got 1`,
  ],
  [
    discover("dns: {name: 'a b', port: 1}"),
    `${DB}.discover.dns.name: expected a name in the DNS, such as db.internal or _db._tcp.internal, got "a b"`,
  ],
  [
    discover(`dns: {name: ${"a".repeat(64)}.b, port: 1}`),
    `${DB}.discover.dns.name: expected a name in the DNS, such as db.internal or _db._tcp.internal, got ` +
    `"${"a".repeat(57)}…"`,
  ],
  [
    discover(`dns: {name: ${"a.".repeat(127)}b, port: 1}`),
    `${DB}.discover.dns.name: expected a name in the DNS, such as db.internal or _db._tcp.internal, got ` +
    `"${"a.".repeat(28)}a…"`,
  ],
  [
    discover("dns: {name: a, port: 1, server: 'ns.internal:53'}"),
    `${DB}.discover.dns.server: expected an IP address with its port, such as 10.0.0.2:53 or [::1]:53, got "ns.internal:53"`,
  ],
  [
    discover("etcd: {prefix: /a/}"),
    `${DB}.discover.etcd.endpoints: missing; expected a list of one URL at least, such as http://127.0.0.1:2379`,
  ],
  [
    discover("etcd: {prefix: /a/, endpoints: ['127.0.0.1:2379']}"),
    `${DB}.discover.etcd.endpoints[0]: expected ${URL_FORM}, got "127.0.0.1:2379"`,
  ],
  [
    discover("etcd: {prefix: '', endpoints: ['http://u:p@a/b']}"),
    `${DB}.discover.etcd.endpoints[0]: expected ${URL_FORM}, got "http://u:p@a/b"`,
    `${DB}.discover.etcd.prefix: expected the beginning of the keys, which is not empty, got ""`,
  ],
  [
    etcd("user: a"),
    `${DB}.discover.etcd.passwordFile: missing; expected user and passwordFile, both or neither`,
  ],
  [
    discover("file: b.yaml, within: []"),
    `${DB}.discover.within: expected a list of IP addresses and subnets, got []`,
  ],
  [
    discover("file: b.yaml, within: [10.0.0.1/8]"),
    `${DB}.discover.within[0]: expected an IP address or a subnet such as 10.0.0.0/8, with no bits set behind its prefix, got "10.0.0.1/8"`,
  ],
  [
    discover("etcd: {endpoints: ['https://e:1'], prefix: /p/, tls: {cert: a.pem}}"),
    `${DB}.discover.etcd.tls.key: missing; expected the key of cert`,
  ],
  [
    etcd("tls: {ca: a.pem}"),
    `${DB}.discover.etcd.tls: expected none, where no endpoint is https, got {"ca": "a.pem"}`,
  ],
  [admin(""), "admin.listen: missing; expected an address: host:port, :port, [ipv6]:port or unix:/path"],
  [
    admin("listen: ':9901'"),
    'admin.listen: expected a loopback address or unix:/path, unless tls.clientAuth is set, got ":9901"',
  ],
  [
    admin("listen: '10.0.0.1:9901', tls: {cert: a.pem, key: a.key}"),
    'admin.listen: expected a loopback address or unix:/path, unless tls.clientAuth is set, got "10.0.0.1:9901"',
  ],
  [
    admin(
      "listen: '10.0.0.1:1', tls: {cert: a, key: b, clientAuth: {ca: c, mode: optional, allow: [{any: true}]}}",
    ),
    'admin.tls.clientAuth.mode: expected require, where the admin listener can be reached from elsewhere, got "optional"',
  ],
  [
    admin("listen: '127.0.0.1:1', allow: {write: [{cn: admin}]}"),
    'admin.allow: expected none without admin.tls.clientAuth, got {"write": [{"cn": "admin"}]}',
  ],
  [
    admin("listen: ':1', tls: {cert: a, key: b, clientAuth: {ca: c, allow: [{any: true}]}}, allow: {}"),
    "admin.allow: expected rules of read, of write, or of both, got {}",
  ],
  [
    admin(
      "listen: ':1', tls: {cert: a, key: b, clientAuth: {ca: c, allow: [{any: true}]}}, allow: {read: [{cn: a, ca: d}]}",
    ),
    'admin.allow.read[0].ca: expected none in admin.allow; put it into admin.tls.clientAuth.allow, got "d"',
  ],
  [
    admin("listen: '127.0.0.1:1', tls: {cert: a, key: b, native: true}"),
    "admin.tls.native: expected false, for the admin listener, got true",
  ],
];

for (const [keys, ...complaints] of BAD) {
  Deno.test(`${Object.values(keys).join(" ").slice(0, 110)} is refused`, () => {
    assertEquals(unplaced(configWith(keys)), complaints);
  });
}

Deno.test("checks, ejection and slow start are read", () => {
  const config = parse(configWith({
    upstream: `health: {type: http, interval: 1s, timeout: 250ms, rise: 1, fall: 2, port: 8081,
  http: {method: POST, path: "/a?b", host: app, expect: "200,204", body: ok}}
outlier: {failures: 0, ejection: 1m, maxEjected: 100%}
slowStart: 30s
onDown: close`,
  }));
  const { health, outlier, slowStartMs, onDown } = config.upstreams.get("db")!;
  assertEquals(health, {
    type: "http",
    intervalMs: 1000,
    timeoutMs: 250,
    rise: 1,
    fall: 2,
    port: 8081,
    http: { method: "POST", path: "/a?b", host: "app", expect: "200,204", body: "ok" },
  });
  assertEquals(outlier, { failures: 0, ejectionMs: 60_000, maxEjected: 1 });
  assertEquals([slowStartMs, onDown], [30_000, "close"]);
});

Deno.test("sources of backends are read, and the list may be absent then", () => {
  const config = parse(`version: 1
upstreams:
  db:
    discover:
      dns: {name: db.internal, type: AAAA, port: 5432, server: "[::1]:53"}
      file: backends.yaml
      etcd: {endpoints: ["https://a:2379/"], prefix: /p/, user: u, passwordFile: pw, tls: {ca: ca.pem}}
      keepOnEmpty: true
services: [{name: a, listen: [":1"], upstream: db}]
`);
  assertEquals(config.upstreams.get("db")!.backends, []);
  assertEquals(config.upstreams.get("db")!.discover, {
    dns: {
      name: "db.internal",
      type: "AAAA",
      port: 5432,
      intervalMs: 10_000,
      server: { kind: "tcp", host: "::1", port: 53 },
    },
    filePath: "/etc/culvert/backends.yaml",
    etcd: {
      endpoints: ["https://a:2379"],
      prefix: "/p/",
      user: "u",
      passwordPath: "/etc/culvert/pw",
      tls: { caPath: "/etc/culvert/ca.pem" },
    },
    keepOnEmpty: true,
  });
});

const SERVED = "name: a, port: 1, server: '127.0.0.1:53'";

/** What is written below `discover`, and what `--allow-net` has to name for the backends that it brings. */
const FOUND: readonly (readonly [discover: string, net: readonly string[] | "any"])[] = [
  ["dns: {name: a, port: 1, server: '127.0.0.1:53'}", ["0.0.0.0/0:1"]],
  ["dns: {name: a, port: 1}", ["10.0.0.53:53", "0.0.0.0/0:1"]],
  ["dns: {name: a, type: AAAA, port: 1}", "any"],
  ["dns: {name: a, type: SRV}", "any"],
  ["file: b.yaml", "any"],
  ["etcd: {endpoints: ['http://e:1'], prefix: /p/}", "any"],
  ["dns: {name: a, port: 1, server: '127.0.0.1:53'}, within: [10.0.0.0/8, 192.0.2.1]", [
    "10.0.0.0/8:1",
    "192.0.2.1:1",
  ]],
  ["file: b.yaml, within: [10.0.0.0/8, '::1']", ["10.0.0.0/8", "[::1]"]],
  ["file: b.yaml, within: [10.0.0.0/8, 'fd00::/8']", "any"],
  ["file: b.yaml, within: ['::1', 'fd00::1']", ["[::1]", "[fd00::1]"]],
  [`dns: {${SERVED}}, within: [10.0.0.0/8, 'fd00::/8', '::1']`, ["10.0.0.0/8:1"]],
  [`dns: {${SERVED}}, within: ['fd00::/8']`, []],
  [`dns: {${SERVED}}, within: ['::ffff:10.0.0.1']`, ["[::ffff:10.0.0.1]:1"]],
  [`dns: {${SERVED}}, within: ['::ffff:10.0.0.0/104']`, "any"],
  [`dns: {${SERVED}, type: AAAA}, within: [10.0.0.0/8, '::1']`, ["[::1]:1"]],
  [`dns: {${SERVED}, type: AAAA}, within: [10.0.0.0/8, 'fd00::/8']`, "any"],
  [`dns: {${SERVED}}, file: b.yaml, within: [10.0.0.0/8, '::1']`, ["10.0.0.0/8", "[::1]"]],
  ["dns: {name: a, type: SRV, server: '127.0.0.1:53'}, within: [10.0.0.0/8, '::1']", ["10.0.0.0/8", "[::1]"]],
];

for (const [keys, net] of FOUND) {
  Deno.test(`discovery by {${keys}} may bring backends of ${net}`, () => {
    assertEquals(discoveryNeed(parse(configWith(discover(keys))), ["10.0.0.53:53"]).net, net);
  });
}

Deno.test("a backend may be written as its address alone", () => {
  const [short, long] = ["backends: [10.0.0.1:1]", "backends: [{address: 10.0.0.1:1}]"]
    .map((upstream) => parse(configWith({ upstream })).upstreams.get("db")!.backends);
  assertEquals(short, long);
});

Deno.test("the admin listener may be on loopback, a unix socket, or anywhere with client certificates", () => {
  const auth = "tls: {cert: a.pem, key: a.key, clientAuth: {ca: c.pem, allow: [{cn: admin}]}}";
  for (
    const keys of [
      "listen: '127.0.0.1:0'",
      "listen: '[::1]:1'",
      "listen: unix:a.sock",
      `listen: ':1', ${auth}`,
    ]
  ) {
    assertEquals(unplaced(configWith(admin(keys))), []);
  }
  const { admin: read } = parse(configWith(admin(`listen: ':1', ${auth}`)));
  assertEquals(read?.tls?.clientAuth?.caPath, "/etc/culvert/c.pem");
});

Deno.test("two listeners on one address are found where one of them is the admin's", () => {
  const text = configWith({ top: "admin: {listen: '127.0.0.1:5432'}" });
  assertEquals(unplaced(text).length, 1);
});

Deno.test("a description tells of checks, ejection, slow start and discovery", () => {
  const text = describeConfig(parse(configWith({
    top: "admin: {listen: unix:/run/culvert.sock}",
    upstream: `health: {type: http, port: 81}
outlier: {failures: 0}
slowStart: 30s
onDown: close
discover: {dns: {name: db.internal, port: 1}, file: b.yaml, etcd: {endpoints: ["http://e:1"], prefix: /p/}, keepOnEmpty: true}`,
  })));
  const lines = text.split("\n");
  for (
    const line of [
      "  listen        unix:/run/culvert.sock",
      "  when down     its connections are closed",
      "  checks        by http on port 81, every 5s, within 2s, down after 3, up after 2",
      "  ejection      no backend is ejected",
      "  slow start    over 30s",
      "  discovery     A of db.internal, port 1, from the system's resolver, every 10s at least",
      "                from /etc/culvert/b.yaml",
      "                from etcd at http://e:1, below /p/",
      "                an empty answer keeps the last set",
    ]
  ) assertEquals(lines.filter((each) => each === line).length, 1, line);
});
