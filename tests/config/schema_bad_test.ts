import { assertEquals } from "@std/assert";
import { configWith, type ExtraKeys, unplaced } from "./support.ts";

const DURATION = "a duration such as 250ms, 10s, 5m or 1h, at most 576h";
const COUNT = "a whole number from 0 to 10000000";
const ADDRESS = "an address: host:port, :port, [ipv6]:port or unix:/path";
const MODE = 'a mode in quotes, in octal: "0600" for the owner alone, "0660" for its group too';
const GROUP = "the name of a group, or its number";
const BACKEND = "an address: host:port, [ipv6]:port or unix:/path";
const HOST = "an address whose host is an IP address or a host name";
const SUBNET = "an IP address or a subnet such as 10.0.0.0/8, with no bits set behind its prefix";
const NAMES = "a mapping from server names to names of upstreams";
const PATTERN = "a server name such as app.example.org, or a wildcard such as *.example.org";
const NAME = "a name of 1 to 100 characters, without control characters and spaces around it";

/** Where the text goes, what is written, and the one complaint about it. */
const BAD: readonly (readonly [keys: ExtraKeys, complaint: string])[] = [
  [
    { top: "workers: 0" },
    'workers: expected "auto", or a whole number from 1 to 64, got 0',
  ],
  [{ top: "servces: []" }, 'servces: unknown key; did you mean "services"?'],
  [
    { top: "1: x" },
    "1: unknown key; expected one of version, log, workers, admin, timeouts, upstreams, services, tests",
  ],
  [{ top: "__proto__: {}" }, "__proto__: unknown key; expected a key that is not reserved"],
  [{ top: "log:" }, "log: expected a mapping of log settings, got nothing"],
  [{ top: "log: info" }, 'log: expected a mapping of log settings, got "info"'],
  [{ top: "log: [info]" }, 'log: expected a mapping of log settings, got ["info"]'],
  [{ top: "log: {level: 1}" }, "log.level: expected one of debug, info, warn, error, got 1"],
  [
    { top: "log: {level: Warn}" },
    'log.level: expected one of debug, info, warn, error, got "Warn"; did you mean "warn"?',
  ],
  [{ top: "log: {format: xml}" }, 'log.format: expected one of text, json, got "xml"'],
  [{ top: "log: {access: yes}" }, 'log.access: expected true or false, got "yes"'],
  [{ top: "log: {acess: true}" }, 'log.acess: unknown key; did you mean "access"?'],
  [{ top: "timeouts: 10s" }, 'timeouts: expected a mapping of timeouts, got "10s"'],
  [{ top: "timeouts: {half-close: 1s}" }, 'timeouts.half-close: unknown key; did you mean "halfClose"?'],
  [{ top: "timeouts: {connect: 0}" }, `timeouts.connect: expected ${DURATION}, and not 0, got 0`],
  [{ top: "timeouts: {handshake: 0ms}" }, `timeouts.handshake: expected ${DURATION}, and not 0, got "0ms"`],
  [
    { top: "timeouts: {connect: 10}" },
    "timeouts.connect: expected a duration with its unit, such as 10s or 10ms, and not 0, got 10",
  ],
  [
    { top: 'timeouts: {idle: "90"}' },
    'timeouts.idle: expected a duration with its unit, such as 90s or 90ms, or 0, got "90"',
  ],
  [
    { top: "timeouts: {idle: 90}" },
    "timeouts.idle: expected a duration with its unit, such as 90s or 90ms, or 0, got 90",
  ],
  [{ top: "timeouts: {halfClose: 1d}" }, `timeouts.halfClose: expected ${DURATION}, or 0, got "1d"`],
  [{ top: "timeouts: {lifetime: 600h}" }, `timeouts.lifetime: expected ${DURATION}, or 0, got "600h"`],
  [{ top: "timeouts: {drain: -1s}" }, `timeouts.drain: expected ${DURATION}, or 0, got "-1s"`],
  [{ top: "timeouts: {drain: [1s]}" }, `timeouts.drain: expected ${DURATION}, or 0, got ["1s"]`],
  [{ upstream: "backends: []" }, "upstreams.db.backends: expected a list of one backend at least, got []"],
  [
    { upstream: "backends: 10.0.0.1:1" },
    'upstreams.db.backends: expected a list of one backend at least, got "10.0.0.1:1"',
  ],
  [
    { upstream: "backends: [10.0.0.1]" },
    'upstreams.db.backends[0]: expected an address: host:port, [ipv6]:port or unix:/path, got "10.0.0.1"',
  ],
  [
    { upstream: "backends: [5]" },
    "upstreams.db.backends[0]: expected a backend: its address, or a mapping with that, got 5",
  ],
  [{ upstream: "backends: [{}]" }, `upstreams.db.backends[0].address: missing; expected ${BACKEND}`],
  [
    { upstream: "backends: [{address: 5432}]" },
    `upstreams.db.backends[0].address: expected ${BACKEND}, got 5432`,
  ],
  [
    { upstream: "backends: [{address: '::1:5432'}]" },
    `upstreams.db.backends[0].address: expected ${BACKEND}, got "::1:5432"`,
  ],
  [
    { upstream: "backends: [{address: 'h:65536'}]" },
    `upstreams.db.backends[0].address: expected ${BACKEND}, got "h:65536"`,
  ],
  [
    { upstream: "backends: [{address: ':80'}]" },
    `upstreams.db.backends[0].address: expected ${HOST}, got ":80"`,
  ],
  [
    { upstream: "backends: [{address: '10.0.0.256:80'}]" },
    `upstreams.db.backends[0].address: expected ${HOST}, got "10.0.0.256:80"`,
  ],
  [
    { upstream: "backends: [{address: 'a:0'}]" },
    'upstreams.db.backends[0].address: expected an address with a port from 1 to 65535, got "a:0"',
  ],
  [
    { upstream: "backends: [{address: a:1, weight: heavy}]" },
    'upstreams.db.backends[0].weight: expected a whole number from 0 to 65535, got "heavy"',
  ],
  [
    { upstream: "backends: [{address: a:1, weight: 65536}]" },
    "upstreams.db.backends[0].weight: expected a whole number from 0 to 65535, got 65536",
  ],
  [
    { upstream: "backends: [{address: a:1, weight: .nan}]" },
    "upstreams.db.backends[0].weight: expected a whole number from 0 to 65535, got NaN",
  ],
  [
    { upstream: "backends: [{address: a:1, maxConnections: -1}]" },
    `upstreams.db.backends[0].maxConnections: expected ${COUNT}, got -1`,
  ],
  [
    { upstream: "backends: [{address: a:1, max_connections: 1}]" },
    'upstreams.db.backends[0].max_connections: unknown key; did you mean "maxConnections"?',
  ],
  [
    { upstream: "backends: [{address: a:1, backup: 1}]" },
    "upstreams.db.backends[0].backup: expected true or false, got 1",
  ],
  [
    { upstream: "balance: RoundRobin" },
    "upstreams.db.balance: expected one of round-robin, least-connections, random-two-choices, source-hash, " +
    'first, got "RoundRobin"; did you mean "round-robin"?',
  ],
  [{ upstream: "pool: 8" }, "upstreams.db.pool: expected a mapping of pool settings, got 8"],
  [{ upstream: "pool: {maxIdle: 1.5}" }, `upstreams.db.pool.maxIdle: expected ${COUNT}, got 1.5`],
  [{ upstream: "pool: {minIdle: '1'}" }, `upstreams.db.pool.minIdle: expected ${COUNT}, got "1"`],
  [{ upstream: "pool: {maxOpen: 1e9}" }, `upstreams.db.pool.maxOpen: expected ${COUNT}, got 1000000000`],
  [
    { upstream: "pool: {idleTimeout: 5}" },
    "upstreams.db.pool.idleTimeout: expected a duration with its unit, such as 5s or 5ms, or 0, got 5",
  ],
  [{ upstream: "pool: {maxidle: 1}" }, 'upstreams.db.pool.maxidle: unknown key; did you mean "maxIdle"?'],
  [{ upstream: "retries: 101" }, "upstreams.db.retries: expected a whole number from 0 to 100, got 101"],
  [{ upstream: "onRemove: keep" }, 'upstreams.db.onRemove: expected one of close, drain, got "keep"'],
  [{ upstream: "onDown: drain" }, 'upstreams.db.onDown: expected one of keep, close, got "drain"'],
  [
    { upstream: "proxyProtocol: 2" },
    "upstreams.db.proxyProtocol: expected one of none, v1, v2, got 2",
  ],
  [
    { upstream: "proxyProtocol: {version: none}" },
    'upstreams.db.proxyProtocol.version: expected one of v1, v2, got "none"',
  ],
  [
    { upstream: "proxyProtocol: {tlvs: []}" },
    "upstreams.db.proxyProtocol.version: missing; expected one of v1, v2",
  ],
  [
    { upstream: "proxyProtocol: {version: v2, tlvs: [unique_id]}" },
    "upstreams.db.proxyProtocol.tlvs[0]: expected one of alpn, authority, crc32c, unique-id, ssl, cert-cn, " +
    'ssl-cipher, cert-sig, cert-key, client-cert, got "unique_id"; did you mean "unique-id"?',
  ],
  [
    { upstream: "proxyProtocol: {version: v2, forwardTlvs: [3]}" },
    "upstreams.db.proxyProtocol.forwardTlvs[0]: expected a type from 0 to 255, such as 0xea, or one of alpn, " +
    "authority, unique-id, ssl, netns; the checksum (3) and padding (4) are never passed on, got 3",
  ],
  [
    { upstream: "proxyProtocol: {version: v2, forwardTlvs: all}" },
    'upstreams.db.proxyProtocol.forwardTlvs: expected true, false or a list of types, got "all"',
  ],
  [
    { upstream: "proxyProtocol: {version: v1, forwardTlvs: true}" },
    "upstreams.db.proxyProtocol.forwardTlvs: expected version: v2, which has TLVs, got true",
  ],
  [
    { service: "proxyProtocol: v2" },
    'services[0].proxyProtocol: expected true or false, got "v2"',
  ],
  [
    { service: "trusted: 127.0.0.1" },
    'services[0].trusted: expected a list of IP addresses and subnets, got "127.0.0.1"',
  ],
  [{ service: "trusted: [localhost]" }, `services[0].trusted[0]: expected ${SUBNET}, got "localhost"`],
  [
    { service: "sni: [app.example.org]" },
    `services[0].sni: expected ${NAMES}, got ["app.example.org"]`,
  ],
  [{ service: "sni: {}" }, `services[0].sni: expected ${NAMES}, got {}`],
  [
    { service: "sni: {a.example.org: 5}" },
    'services[0].sni["a.example.org"]: expected the name of an upstream, got 5',
  ],
  ...["a.*.example.org", "*", "*.", "a..b", "10.0.0.1", "a_b:443", "exämple.org"].map((
    pattern,
  ) =>
    [
      { service: `sni: {"${pattern}": db}` },
      `services[0].sni["${pattern}"]: expected ${PATTERN}, got "${pattern}"`,
    ] as const
  ),
  [{ service: 'name: ""' }, `services[0].name: expected ${NAME}, got ""`],
  [{ service: "name: 5" }, `services[0].name: expected ${NAME}, got 5`],
  [{ service: 'name: "a\\nb"' }, `services[0].name: expected ${NAME}, got "a\\nb"`],
  [{ service: 'name: " a"' }, `services[0].name: expected ${NAME}, got " a"`],
  [{ service: "name: 2020-01-01" }, `services[0].name: expected ${NAME}, got 2020-01-01T00:00:00.000Z`],
  [
    { service: "listen: 5432" },
    'services[0].listen: expected a list of addresses to listen on, such as [":5432"], got 5432',
  ],
  [
    { service: "listen: []" },
    'services[0].listen: expected a list of addresses to listen on, such as [":5432"], got []',
  ],
  [
    { service: "listen: [{mode: '0600'}]" },
    "services[0].listen[0].address: missing; expected unix:/path, the address of a unix socket",
  ],
  [
    { service: "listen: [{address: '127.0.0.1:1', mode: '0600'}]" },
    'services[0].listen[0].address: expected unix:/path, as mode and group are for unix sockets, got "127.0.0.1:1"',
  ],
  [
    { service: "listen: [{address: 'unix:a', mode: 660}]" },
    `services[0].listen[0].mode: expected ${MODE}, got 660`,
  ],
  [
    { service: "listen: [{address: 'unix:a', mode: '888'}]" },
    `services[0].listen[0].mode: expected ${MODE}, got "888"`,
  ],
  [
    { service: "listen: [{address: 'unix:a', mode: '4755'}]" },
    `services[0].listen[0].mode: expected ${MODE}, got "4755"`,
  ],
  [
    { service: "listen: [{address: 'unix:a', group: -1}]" },
    `services[0].listen[0].group: expected ${GROUP}, got -1`,
  ],
  [
    { service: "listen: [{address: 'unix:a', group: 'a:b'}]" },
    `services[0].listen[0].group: expected ${GROUP}, got "a:b"`,
  ],
  [
    { service: "listen: [{address: 'unix:a', grup: www}]" },
    'services[0].listen[0].grup: unknown key; did you mean "group"?',
  ],
  [{ service: "listen: [5432]" }, `services[0].listen[0]: expected ${ADDRESS}, got 5432`],
  [{ service: "listen: [localhost]" }, `services[0].listen[0]: expected ${ADDRESS}, got "localhost"`],
  [{ service: "listen: ['unix:']" }, `services[0].listen[0]: expected ${ADDRESS}, got "unix:"`],
  [{ service: "listen: ['-a.b:1']" }, `services[0].listen[0]: expected ${HOST}, got "-a.b:1"`],
  [
    { service: `listen: ['unix:/run/${"x".repeat(103)}']` },
    `services[0].listen[0]: expected a socket whose full path has at most 107 bytes, got ` +
    `"unix:/run/${"x".repeat(47)}…"`,
  ],
  [
    { service: "listen: ['unix:a,b']" },
    'services[0].listen[0]: expected a socket whose full path has no comma, got "unix:a,b"',
  ],
  [
    { service: "allow: 10.0.0.0/8" },
    'services[0].allow: expected a list of IP addresses and subnets, got "10.0.0.0/8"',
  ],
  [{ service: "allow:" }, "services[0].allow: expected a list of IP addresses and subnets, got nothing"],
  [{ service: "allow: [10.0.0.1/8]" }, `services[0].allow[0]: expected ${SUBNET}, got "10.0.0.1/8"`],
  [{ service: "deny: [::/0, example.org]" }, `services[0].deny[1]: expected ${SUBNET}, got "example.org"`],
  [{ service: "deny: [10]" }, `services[0].deny[0]: expected ${SUBNET}, got 10`],
  [{ service: "maxConnections: 10k" }, `services[0].maxConnections: expected ${COUNT}, got "10k"`],
  [{ service: "rate: 100" }, "services[0].rate: expected a mapping of rate settings, got 100"],
  [
    { service: "rate: {}" },
    "services[0].rate.connections: missing; expected a whole number from 1 to 10000000",
  ],
  [
    { service: "rate: {connections: 0}" },
    "services[0].rate.connections: expected a whole number from 1 to 10000000, got 0",
  ],
  [
    { service: "rate: {connections: 1, per: 0}" },
    `services[0].rate.per: expected ${DURATION}, and not 0, got 0`,
  ],
  [
    { service: "rate: {connections: 1, burst: 0}" },
    "services[0].rate.burst: expected a whole number from 1 to 10000000, got 0",
  ],
  [
    { service: "rate: {connections: 1, key: header}" },
    'services[0].rate.key: expected "source", got "header"',
  ],
  [
    { service: "timeouts: {connect: 0}" },
    `services[0].timeouts.connect: expected ${DURATION}, and not 0, got 0`,
  ],
  [
    { service: "timeouts: {reply: 1s}" },
    "services[0].timeouts.reply: unknown key; expected one of " +
    "connect, handshake, idle, halfClose, lifetime, drain, response, request",
  ],
  [{ service: "maxConnection: 1" }, 'services[0].maxConnection: unknown key; did you mean "maxConnections"?'],
];

for (const [keys, complaint] of BAD) {
  Deno.test(`${Object.values(keys).join(" ").slice(0, 80)} is refused`, () => {
    assertEquals(unplaced(configWith(keys)), [complaint]);
  });
}
