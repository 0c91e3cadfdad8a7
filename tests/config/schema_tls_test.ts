import { assertEquals } from "@std/assert";
import { configWith, type ExtraKeys, parse, unplaced } from "./support.ts";

const FILE = "the path of a file, without commas";
const CONDITION = "one of {any: true}, {dns: …}, {uri: …}, {cn: …}, {ou: …}, {ip: …}, {spki: sha256/…}";
const RULE = `${CONDITION}, {all: […]}, perhaps with ca`;
const URI = 'a URI such as "spiffe://example.org/ns/*/sa/**", with two stars in a row at most';
const SPIFFE =
  'a SPIFFE ID that a certificate can have: "spiffe://", a trust domain in lower case, and a path ' +
  'such as "/ns/a" or none';
const PIN = '"sha256/" and the 44 characters of base64 that stand for a SHA-256';
const NAME = "a host name or an IP address";
const OWN = "cert: a.pem, key: a.key";
const AUTH = "services[0].tls.clientAuth";
const SPKI = `sha256/${"A".repeat(43)}=`;

/** The keys of a service's `tls` and of its `clientAuth`. */
const tls = (keys: string): ExtraKeys => ({ service: `tls: {${keys}}` });
const auth = (keys: string): ExtraKeys => tls(`${OWN}, clientAuth: {ca: c.pem, ${keys}}`);
const up = (keys: string): ExtraKeys => ({ upstream: `tls: {${keys}}` });
const UP = "upstreams.db.tls";

/** Bad rules, and what is said about each. */
const RULES: readonly (readonly [rule: string, ...complaints: string[]])[] = [
  ["{}", `: expected ${RULE}, got {}`],
  ["a", `: expected ${RULE}, got "a"`],
  ["{any: false}", ".any: expected true, got false"],
  ["{any: yes}", '.any: expected true, got "yes"'],
  [
    "{cn: a, ou: b}",
    ': expected one key in each rule, and perhaps ca; one rule that holds is enough, all joins several, got {"cn": "a", "ou": "b"}',
  ],
  ["{dns: a, cn: b}", ": expected one key in each rule"],
  ["{dsn: x}", '.dsn: unknown key; did you mean "dns"?'],
  ["{xyz: w}", ".xyz: unknown key; expected one of any, dns, uri, cn, ou, ip, spki"],
  ["{dns: }", '.dns: expected a DNS name, or "*." and a DNS name, got nothing'],
  ["{dns: 'a.*.b'}", '.dns: expected a DNS name, or "*." and a DNS name, got "a.*.b"'],
  ["{uri: foo}", `.uri: expected ${URI}, got "foo"`],
  ["{uri: 'a:/***'}", `.uri: expected ${URI}, got "a:/***"`],
  ["{uri: 'spiffe://Example.org/x'}", `.uri: expected ${SPIFFE}, got "spiffe://Example.org/x"`],
  ["{uri: 'spiffe://*.Example.org/**'}", `.uri: expected ${SPIFFE}, got`],
  ["{uri: 'SPIFFE://example.org/x'}", `.uri: expected ${SPIFFE}, got`],
  ["{uri: 'spiffe://example.org/'}", `.uri: expected ${SPIFFE}, got`],
  ["{cn: ''}", '.cn: expected a name, got ""'],
  ["{ou: 5}", ".ou: expected a name, got 5"],
  ["{ip: 1.2.3}", '.ip: expected an IP address, and no subnet, got "1.2.3"'],
  ["{ip: 10.0.0.0/8}", '.ip: expected an IP address, and no subnet, got "10.0.0.0/8"'],
  ["{spki: 'sha256/x'}", `.spki: expected ${PIN}, got "sha256/x"`],
  ["{all: []}", ".all: expected a list of one condition at least, such as {ou: operations}, got []"],
  ["{all: [{}]}", `.all[0]: expected ${CONDITION}, got {}`],
  ["{all: [{cn: a, ou: b}]}", `.all[0]: expected ${CONDITION}, got {"cn": "a", "ou": "b"}`],
  ["{all: [{all: [{cn: a}]}]}", ".all[0].all: unknown key; expected one of any, dns, uri, cn, ou, ip, spki"],
  ["{all: [{cn: a, ca: x.pem}]}", ".all[0].ca: unknown key"],
  [
    "{all: [{any: true}, {cn: a}]}",
    ".all: expected no {any: true} in it: what is joined with it decides, got",
  ],
  [
    "{all: [{uri: 'spiffe://a.test/x'}, {uri: 'spiffe://b.test/**'}]}",
    ".all: expected one SPIFFE ID: no certificate has two, got",
  ],
  ["{all: [{cn: a}], ou: b}", ": expected one key in each rule"],
  ["{ca: x.pem}", `: expected ${RULE}, got {"ca": "x.pem"}`],
  ["{cn: a, ca: ''}", `.ca: expected ${FILE}, got ""`],
  [`{spki: 'sha256/${"A".repeat(42)}B='}`, `.spki: expected ${PIN}, got "sha256/`],
];

/** What is written, and all that is said about it. */
const BAD: readonly (readonly [keys: ExtraKeys, ...complaints: string[]])[] = [
  [
    tls(""),
    "services[0].tls.cert: missing; expected the path of a file",
    "services[0].tls.key: missing; expected the path of a file",
  ],
  [tls("cert: a.pem"), "services[0].tls.key: missing; expected the path of a file"],
  [tls("cert: '', key: a.key"), `services[0].tls.cert: expected ${FILE}, got ""`],
  [tls("cert: 'a,b', key: a.key"), `services[0].tls.cert: expected ${FILE}, got "a,b"`],
  [tls(`${OWN}, minVersion: "1.1"`), 'services[0].tls.minVersion: expected one of 1.2, 1.3, got "1.1"'],
  [tls(`${OWN}, minVersion: 1.1`), "services[0].tls.minVersion: expected one of 1.2, 1.3, got 1.1"],
  [
    tls(`${OWN}, minVersion: 1.3, maxVersion: 1.2`),
    "services[0].tls.minVersion: expected a version that is not above maxVersion, got 1.3",
  ],
  [tls(`${OWN}, alpn: h2`), 'services[0].tls.alpn: expected a list of protocols, got "h2"'],
  [
    tls(`${OWN}, alpn: [h2, ""]`),
    'services[0].tls.alpn[1]: expected the name of a protocol, of 1 to 255 bytes, got ""',
  ],
  [
    tls(`${OWN}, alpn: [${"a".repeat(255)}, ${"é".repeat(128)}]`),
    `services[0].tls.alpn[1]: expected the name of a protocol, of 1 to 255 bytes, got "${"é".repeat(57)}…"`,
  ],
  [
    tls(`${OWN}, minVersion: "1.3", maxVersion: "1.2"`),
    'services[0].tls.minVersion: expected a version that is not above maxVersion, got "1.3"',
  ],
  [tls(`${OWN}, clientAuht: {}`), 'services[0].tls.clientAuht: unknown key; did you mean "clientAuth"?'],
  [auth("mode: maybe, allow: [{any: true}]"), `${AUTH}.mode: expected one of require, optional, got "maybe"`],
  [auth("crl: 5, allow: [{any: true}]"), `${AUTH}.crl: expected the path of a file or folder of CRLs`],
  [auth("crl: [], allow: [{any: true}]"), `${AUTH}.crl: expected the path of a file or folder of CRLs`],
  [auth("crl: [a.crl, 5], allow: [{any: true}]"), `${AUTH}.crl[1]: expected the path of a file, got 5`],
  [
    auth("crl: 'http://ca.test/crl', allow: [{any: true}]"),
    `${AUTH}.crl: expected the path of a file or folder; for the CRL of a URL, fetch it to a file that is named here, ` +
    'got "http://ca.test/crl"',
  ],
  [
    auth("crl: a.crl, crlCheck: all, allow: [{any: true}]"),
    `${AUTH}.crlCheck: expected one of chain, leaf, got "all"`,
  ],
  [
    auth("crlCheck: leaf, allow: [{any: true}]"),
    `${AUTH}.crl: missing; expected the files or folders of CRLs that crlCheck is for`,
  ],
  [auth("crl: a.crl, crlMaxAge: 0, allow: [{any: true}]"), `${AUTH}.crlMaxAge: expected a duration`],
  ...RULES.map(([rule, ...said]) =>
    [auth(`allow: [{any: true}, ${rule}]`), ...said.map((each) => `${AUTH}.allow[1]${each}`)] as const
  ),
  [up("allow: [{dsn: x}]"), `${UP}.allow[0].dsn: unknown key; did you mean "dns"?`],
  [up("cert: a.pem"), `${UP}.key: missing; expected the key of cert`],
  [up("key: a.key"), `${UP}.cert: missing; expected the certificate of key`],
  [up("verify: no"), `${UP}.verify: expected true or false, got "no"`],
  [up("alpn: h2"), `${UP}.alpn: expected a list of protocols, got "h2"`],
  [up("alpn: ['']"), `${UP}.alpn[0]: expected the name of a protocol, of 1 to 255 bytes, got ""`],
  [up("maxVersion: 1.1"), `${UP}.maxVersion: expected one of 1.2, 1.3, got 1.1`],
  [
    up("minVersion: 1.3, maxVersion: 1.2"),
    `${UP}.minVersion: expected a version that is not above maxVersion, got 1.3`,
  ],
  [
    tls(`${OWN}, clientAuth: {allow: [{any: true}]}`),
    `${AUTH}.ca: missing; expected the path of a file with the CAs of the clients, or trustDomains`,
  ],
  [
    auth("trustDomains: {}, allow: [{any: true}]"),
    `${AUTH}.trustDomains: expected a mapping from trust domains`,
  ],
  [
    auth("trustDomains: {Foo.test: {ca: f.pem}}, allow: [{any: true}]"),
    `${AUTH}.trustDomains["Foo.test"]: expected the name of a trust domain in lower case such as example.org, without spiffe://`,
  ],
  [
    auth("trustDomains: {'spiffe://foo.test': {ca: f.pem}}, allow: [{any: true}]"),
    `${AUTH}.trustDomains["spiffe://foo.test"]: expected the name of a trust domain in lower case such as example.org, without spiffe://`,
  ],
  [
    auth("trustDomains: {foo.test: {crl: f.crl}}, allow: [{any: true}]"),
    `${AUTH}.trustDomains["foo.test"].ca: missing; expected the path of a file`,
  ],
  [
    auth("trustDomains: {foo.test: {ca: f.pem}}, allow: [{uri: 'spiffe://bar.test/**'}]"),
    `${AUTH}.allow[0].uri: expected a SPIFFE ID of one of trustDomains, got "spiffe://bar.test/**"`,
  ],
  [
    tls(`${OWN}, clientAuth: {crl: x.crl, trustDomains: {foo.test: {ca: f.pem}}, allow: [{any: true}]}`),
    `${AUTH}.crl: expected none without ca: a trust domain has a crl of its own, got "x.crl"`,
  ],
  [
    auth("crl: x.crl, trustDomains: {foo.test: {ca: f.pem}}, allow: [{any: true}]"),
    `${AUTH}.trustDomains["foo.test"].crl: missing; expected the CRLs of this trust domain, as clientAuth.crl does not cover it`,
  ],
  [
    up("allow: [{cn: db, ca: x.pem}]"),
    `${UP}.allow[0].ca: expected none without tls.ca of the upstream, got "x.pem"`,
  ],
  [up("allow: []"), `${UP}.allow: expected a list of rules`],
  [up("serverName: ''"), `${UP}.serverName: expected ${NAME}, got ""`],
  [up("serverName: 'a b'"), `${UP}.serverName: expected ${NAME}, got "a b"`],
  [up("serverName: '*.example.org'"), `${UP}.serverName: expected ${NAME}, got "*.example.org"`],
  [
    up("verify: false, allow: [{any: true}]"),
    `${UP}.verify: expected true, where allow is set, got false`,
  ],
  [
    { upstream: "tls: {}\nbackends: [{address: unix:/run/x.sock}]" },
    `${UP}.serverName: missing; expected a name, which a unix socket does not have, or allow`,
  ],
];

for (const [keys, ...expected] of BAD) {
  Deno.test(`TLS: ${JSON.stringify(keys)} is not accepted, and the message says why`, () => {
    const said = unplaced(configWith(keys));
    assertEquals(said.map((line, index) => line.slice(0, expected[index]?.length)), expected);
  });
}

Deno.test("every key of tls has its place", () => {
  const config = parse(configWith({
    service:
      `tls: {cert: /x/a.pem, key: a.key, minVersion: "1.3", maxVersion: "1.3", alpn: [h2], starttls: ldap, clientAuth: {ca: c.pem, ` +
      `crl: ../c.crl, mode: optional, allow: [{dns: "*.a.org"}, {uri: "spiffe://a/**"}, {cn: a}, {ou: b}, ` +
      `{ip: "::1"}, {spki: "${SPKI}"}]}}`,
    upstream: `tls: {ca: c.pem, cert: a.pem, key: a.key, serverName: db.a.org, allow: [{cn: db}], ` +
      `minVersion: "1.3", maxVersion: 1.3, alpn: [postgresql], starttls: ldap}`,
  }));
  const { native: _native, ...ofService } = config.services[0]!.tls!;
  assertEquals(ofService, {
    certPath: "/x/a.pem",
    keyPath: "/etc/culvert/a.key",
    minVersion: "1.3",
    maxVersion: "1.3",
    alpn: ["h2"],
    starttls: "ldap",
    clientAuth: {
      caPath: "/etc/culvert/c.pem",
      mode: "optional",
      crlPaths: ["/etc/c.crl"],
      allow: [{ dns: "*.a.org" }, { uri: "spiffe://a/**" }, { cn: "a" }, { ou: "b" }, { ip: "::1" }, {
        spki: SPKI,
      }],
    },
  });
  assertEquals(config.upstreams.get("db")!.tls, {
    caPath: "/etc/culvert/c.pem",
    certPath: "/etc/culvert/a.pem",
    keyPath: "/etc/culvert/a.key",
    serverName: "db.a.org",
    minVersion: "1.3",
    maxVersion: "1.3",
    alpn: ["postgresql"],
    starttls: "ldap",
    verify: true,
    allow: [{ cn: "db" }],
  });
});

Deno.test("backends on unix sockets are told apart by a name or by rules", () => {
  for (const keys of ["serverName: db", "allow: [{cn: db}]", "verify: false"]) {
    const upstream = `tls: {${keys}}\nbackends: [{address: unix:/run/x.sock}]`;
    assertEquals(unplaced(configWith({ upstream })), []);
  }
});

Deno.test("a service that is asked for TLS in PostgreSQL's protocol selects that by ALPN, unless alpn says otherwise", () => {
  for (const [more, expected] of [["", ["postgresql"]], [", alpn: [x]", ["x"]]] as const) {
    const { services } = parse(configWith(tls(`${OWN}, starttls: postgres${more}`)));
    assertEquals(services[0]!.tls!.alpn, expected);
  }
});

Deno.test("TLS is asked for in one protocol, and not where it can't be", () => {
  const own = `tls: {${OWN}, starttls: smtp}`;
  const NAMES = "one of postgres, mysql, smtp, imap, pop3, ldap";
  const cases: readonly (readonly [ExtraKeys, ...string[]])[] = [
    [{ service: own, upstream: "tls: {starttls: smtp}" }],
    [{ service: own, upstream: "tls: {}" }],
    [{ service: own }],
    [{ upstream: "tls: {starttls: smtp}" }],
    [{ service: `tls: {${OWN}, starttls: http}` }, `services[0].tls.starttls: expected ${NAMES}, got "http"`],
    [{ upstream: "tls: {starttls: yes}" }, `${UP}.starttls: expected ${NAMES}, got "yes"`],
    [
      { service: own, upstream: "tls: {starttls: imap}" },
      'services[0].tls.starttls: expected imap, in which the upstream asks for TLS, got "smtp"',
    ],
    [
      { service: `tls: {${OWN}, native: true, starttls: smtp}` },
      'services[0].tls.starttls: expected no starttls together with tls.native: true, got "smtp"',
    ],
    [
      { service: "sni: {a.test: db}", upstream: "tls: {starttls: imap}" },
      "services[0].upstream: expected an upstream without tls.starttls: what sni passes on is TLS from the first byte " +
      'on, got "imap"',
      'services[0].sni["a.test"]: expected an upstream without tls.starttls: what sni passes on is TLS from the first ' +
      'byte on, got "imap"',
    ],
    [
      { top: `admin: {listen: "127.0.0.1:1", ${own}}` },
      'admin.tls.starttls: expected none, for the admin listener, got "smtp"',
    ],
    [
      { upstream: "tls: {starttls: postgres}\nhealth: {type: http}" },
      "upstreams.db.health.port: missing; expected a port of its own for HTTP, where TLS is asked for in another " +
      "protocol (tls.starttls)",
    ],
    [{ upstream: "tls: {starttls: postgres}\nhealth: {type: http, port: 8008}" }],
    [{ service: own.replace("smtp", "mysql"), upstream: "tls: {starttls: mysql}" }],
    [{ service: own.replace("smtp", "mysql") }],
    [
      { service: own.replace("smtp", "mysql"), upstream: "tls: {}" },
      "services[0].tls.starttls: expected another protocol, or tls.starttls: mysql of the upstream too: MySQL has no " +
      'TLS from the start, got "mysql"',
    ],
    [
      { upstream: "tls: {starttls: mysql}\npool: {minIdle: 1}" },
      "upstreams.db.pool.minIdle: expected 0, together with tls.starttls: mysql, got 1",
    ],
  ];
  for (const [keys, ...expected] of cases) {
    assertEquals(unplaced(configWith(keys)).toSorted(), expected.toSorted(), JSON.stringify(keys));
  }
});

Deno.test("versions may be written as numbers", () => {
  const { minVersion, maxVersion } = parse(configWith(tls(`${OWN}, minVersion: 1.3, maxVersion: 1.3`)))
    .services[0]!.tls!;
  assertEquals([minVersion, maxVersion], ["1.3", "1.3"]);
});

Deno.test("what the runtime's own TLS can't do is reported key by key", () => {
  const keys =
    `${OWN}, native: true, minVersion: 1.3, maxVersion: "1.3", clientAuth: {ca: c.pem, allow: [{any: true}]}`;
  const service = `tls: {${keys}}\nproxyProtocol: true\ntrusted: [10.0.0.1]`;
  assertEquals(unplaced(configWith({ service })).map((line) => line.replace(/, got .*/, "")), [
    "services[0].tls.clientAuth: expected no clientAuth together with tls.native: true",
    'services[0].tls.minVersion: expected minVersion "1.2" together with tls.native: true',
    "services[0].proxyProtocol: expected proxyProtocol: false together with tls.native: true",
  ]);
  const maximum = `tls: {${OWN}, native: true, maxVersion: 1.2}`;
  assertEquals(unplaced(configWith({ service: maximum })), [
    'services[0].tls.maxVersion: expected maxVersion "1.3" together with tls.native: true, got 1.2',
  ]);
});
