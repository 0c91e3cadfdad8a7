import { assert, assertEquals, assertMatch } from "@std/assert";
import { describeConfig } from "../../src/config/describe.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { formatPermissions, requiredPermissions } from "../../src/config/required_permissions.ts";
import { ConfigError } from "../../src/config/problem/problem.ts";
import { Random } from "./support.ts";

const GOOD = `version: 1
log:
  level: info
  format: json
  access: true
timeouts: &timeouts
  connect: 10s
  idle: 90s
  lifetime: 0
upstreams:
  db:
    backends:
      - address: 10.0.0.11:5432
        weight: 5
        maxConnections: 100
      - address: "[::1]:5432"
        backup: false
      - {address: unix:run/db.sock, weight: 0}
    balance: first
    pool: {maxIdle: 8, minIdle: 1, maxOpen: 0, idleTimeout: 90s}
    retries: 2
    onRemove: drain
    onDown: keep
    slowStart: 10s
    health: {type: http, interval: 5s, rise: 2, http: {path: /healthz, expect: "200-399"}}
    outlier: {failures: 5, ejection: 30s, maxEjected: 50%}
    discover:
      dns: {name: db.internal, type: A, port: 5432, server: "127.0.0.1:53"}
      etcd: {endpoints: ["http://127.0.0.1:2379"], prefix: /culvert/db/}
      keepOnEmpty: true
services:
  - name: postgres
    protocol: tcp
    listen: ["0.0.0.0:5432", "unix:front.sock"]
    allow:
      - 10.0.0.0/8
      - ::1
    deny: []
    maxConnections: 10000
    rate: {connections: 100, per: 1s, burst: 200, key: source}
    timeouts:
      <<: *timeouts
      drain: 0
    upstream: db
  - name: echo
    listen: [":7"]
    upstream:
      backends:
      - address: echo.internal:7
`;

const JSON_APPS = JSON.stringify({ Apps: [{ Name: "a", Ports: [1, 2], Targets: ["a:1", "b:2"] }] }, null, 2);

const SCALARS = [
  ..."~ null true no 0 -1 1.5 1e999 .inf .nan 0x7f 1_000 2020-01-01 9999-99-99 12:30 [] {} [[]] | > - ? :"
    .split(" "),
  ..."* & ! % @ ` # , *timeouts &timeouts !!binary !!set !!null !!str !x << __proto__ constructor".split(" "),
  "[".repeat(80),
  "{a: ".repeat(80),
  "x".repeat(5000),
  '"',
  "'",
  '"\\ud800"',
  "\u0000",
  "\u2028",
  "\ud800",
  "\t",
  "\r",
  "é",
  "😀",
  "9".repeat(400),
  "unix:",
  ":",
  "::",
  "a:99999",
  "%00",
];

type Mutation = (lines: string[], random: Random) => void;

const MUTATIONS: readonly Mutation[] = [
  (lines, random) => void lines.splice(random.below(lines.length), 1),
  (lines, random) => lines.splice(random.below(lines.length), 0, random.pick(lines)),
  (lines, random) => {
    const [a, b] = [random.below(lines.length), random.below(lines.length)];
    [lines[a], lines[b]] = [lines[b]!, lines[a]!];
  },
  (lines, random) => change(lines, random, (line) => line.replace(/:( .*)?$/, `: ${random.pick(SCALARS)}`)),
  (lines, random) =>
    change(lines, random, (line) => line.replace(/^(\s*(?:- )?)[^:]*/, `$1${random.pick(SCALARS)}`)),
  (lines, random) => change(lines, random, (line) => line.replace(/^ {2}/, "")),
  (lines, random) => change(lines, random, (line) => `  ${line}`),
  (lines, random) => change(lines, random, (line) => insert(line, random, random.pick(SCALARS))),
  (lines, random) =>
    change(lines, random, (line) => insert(line, random, String.fromCharCode(random.below(256)))),
  (lines, random) => change(lines, random, (line) => line.slice(0, random.below(line.length + 1))),
  (lines, random) => void lines.splice(random.below(lines.length)),
];

function change(lines: string[], random: Random, by: (line: string) => string): void {
  const index = random.below(lines.length);
  lines[index] = by(lines[index] ?? "");
}

function insert(line: string, random: Random, text: string): string {
  const at = random.below(line.length + 1);
  return line.slice(0, at) + text + line.slice(at);
}

function mutate(text: string, random: Random): string {
  const lines = text.split("\n");
  for (let count = 1 + random.below(3); count > 0 && lines.length > 0; count--) {
    random.pick(MUTATIONS)(lines, random);
  }
  return lines.join("\n");
}

/** Whether the text is good. Throws for whatever must not happen. */
function tryText(text: string): boolean {
  try {
    const config = parseConfig(text, { name: "f", folder: "/etc" });
    assert(describeConfig(config).endsWith("\n"));
    assertMatch(formatPermissions(requiredPermissions(config)), /^'?--allow-net=/);
    return true;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert(error.problems.length > 0);
    assertEquals(error.message.split("\n").length, error.problems.length, "one line for each problem");
    const lines = text.split("\n").length;
    for (const { line, value = "", expected } of error.problems) {
      assert(line === undefined || (line >= 1 && line <= lines), `line ${line} of ${lines}`);
      assert(value.length <= 60 && expected !== "");
    }
    return false;
  }
}

for (const [name, good] of [["a YAML file", GOOD], ["a JSON file", JSON_APPS]] as const) {
  Deno.test(`whatever is done to ${name}, it is read or refused with a ConfigError`, () => {
    assertEquals(tryText(good), true);
    const results = { read: 0, refused: 0 };
    const random = new Random(7_202_604);
    for (let round = 0; round < 700; round++) {
      const text = mutate(good, random);
      try {
        results[tryText(text) ? "read" : "refused"]++;
      } catch (cause) {
        throw new Error(`Round ${round} broke on:\n${text}`, { cause });
      }
    }
    // Both must happen often, or the mutations test nothing.
    assert(results.read > 20 && results.refused > 200, JSON.stringify(results));
  });
}
