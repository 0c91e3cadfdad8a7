import { assertEquals } from "@std/assert";
import { MINIMAL, unplaced } from "./support.ts";

const NAME = "a name of 1 to 100 characters, without control characters and spaces around it";
const DOCUMENT = "a mapping with version, upstreams and services";

/** Whole documents, and the complaints about them. */
const BAD_DOCUMENTS: readonly [text: string, complaints: readonly string[]][] = [
  ["", [`expected ${DOCUMENT}, got nothing`]],
  ["# nothing\n", [`expected ${DOCUMENT}, got nothing`]],
  ["5", [`expected ${DOCUMENT}, got 5`]],
  ["false", [`expected ${DOCUMENT}, got false`]],
  ["hello", [`expected ${DOCUMENT}, got "hello"`]],
  ["- version: 1", [`expected ${DOCUMENT}, got [{"version": 1}]`]],
  ["&a [*a]", [`expected ${DOCUMENT}, got ${"[".repeat(31)}${"]".repeat(28)}…`]],
  ["{}", [
    "services: missing; expected a list of one service at least",
    "version: missing; expected 1, the one version that there is",
  ]],
  ["version: 1\nservices: []", ["services: expected a list of one service at least, got []"]],
  ["version: 1\nservices: {a: {}}", [
    'services: expected a list of one service at least, got {"a": {}}',
  ]],
  ["version: 1\nservices: [postgres]", [
    'services[0]: expected a service: a mapping with its name, addresses and upstream, got "postgres"',
  ]],
  [MINIMAL.replace("1", "2"), ["version: expected 1, the one version that there is, got 2"]],
  [MINIMAL.replace("1", "'1'"), ['version: expected 1, the one version that there is, got "1"']],
  [
    MINIMAL.replace("upstream:", "upstream: []\n    x:"),
    [
      "services[0].x: unknown key; expected one of name, protocol, listen, allow, deny, maxConnections, maxHandshakes, " +
      "handshakeGrace, sourcePrefix, rate, timeouts, proxyProtocol, trusted, tls, sni, upstream, " +
      "routes, limits, forwarded, underscores, encodedSlashes, errors, via, requestId, clientCert, identityHeader",
      "services[0].upstream: expected an upstream: a mapping with its backends, got []",
    ].toReversed(),
  ],
  [`${MINIMAL}upstreams: [db]`, ['upstreams: expected a mapping of upstreams by their names, got ["db"]']],
  [`${MINIMAL}upstreams: {db: }`, [
    "upstreams.db: expected an upstream: a mapping with its backends, got nothing",
  ]],
  [`${MINIMAL}upstreams: {db: {}}`, [
    "upstreams.db.backends: missing; expected a list of one backend at least, or discover",
  ]],
  [`${MINIMAL}upstreams: {"": {backends: [{address: a:1}]}}`, [`upstreams[""]: expected ${NAME}, got ""`]],
  [`${MINIMAL}upstreams: {constructor: {backends: [{address: a:1}]}}`, [
    "upstreams.constructor: unknown key; expected a key that is not reserved",
  ]],
];

for (const [text, expected] of BAD_DOCUMENTS) {
  Deno.test(`the document ${JSON.stringify(text.slice(0, 70))} is refused`, () => {
    assertEquals(unplaced(text), expected);
  });
}
