import { assertEquals } from "@std/assert";
import { configWith, MINIMAL, unplaced } from "../support.ts";

/** Two addresses to listen on, and whether the second has room beside the first. */
const PAIRS: readonly (readonly [string, string, boolean])[] = [
  [":80", ":80", false],
  [":80", ":81", true],
  [":0", ":0", true],
  ["127.0.0.1:0", "127.0.0.1:0", true],
  [":80", "0.0.0.0:80", false],
  ["0.0.0.0:80", ":80", false],
  [":80", "127.0.0.1:80", false],
  [":80", "[::1]:80", false],
  ["[::]:80", "127.0.0.1:80", false],
  ["[::]:80", "0.0.0.0:80", false],
  ["0.0.0.0:80", "127.0.0.1:80", false],
  ["127.0.0.1:80", "0.0.0.0:80", false],
  ["0.0.0.0:80", "[::1]:80", true],
  ["127.0.0.1:80", "127.0.0.2:80", true],
  ["127.0.0.1:80", "[::1]:80", true],
  ["[::1]:80", "[0:0:0:0:0:0:0:1]:80", false],
  ["[::ffff:127.0.0.1]:80", "127.0.0.1:80", false],
  ["localhost:80", "127.0.0.1:80", false],
  ["localhost:80", "[::1]:80", false],
  ["localhost:80", "[::]:80", false],
  ["localhost:80", "127.0.0.2:80", true],
  ["localhost:80", "LOCALHOST:80", false],
  ["a.example:80", "A.example.:80", false],
  ["a.example:80", "b.example:80", true],
  [":80", "a.example:80", false],
  ["0.0.0.0:80", "a.example:80", true],
  ["unix:a.sock", "unix:/etc/culvert/run/../a.sock", false],
  ["unix:a.sock", "unix:b.sock", true],
];

Deno.test("a socket with a mode has no room beside the same one without", () => {
  const listen = 'listen: ["unix:a.sock", {address: "unix:/etc/culvert/a.sock", mode: "0660"}]';
  assertEquals(unplaced(configWith({ service: listen })), [
    "services[0].listen[1].address: expected an address of its own (services[0].listen[0] has " +
    'unix:/etc/culvert/a.sock), got "unix:/etc/culvert/a.sock"',
  ]);
});

for (const [first, second, room] of PAIRS) {
  Deno.test(`${second} ${room ? "has room" : "has no room"} beside ${first}`, () => {
    const complaints = unplaced(configWith({ service: `listen: ["${first}", "${second}"]` }));
    assertEquals(
      complaints.map((line) => line.split(" (")[0]),
      room ? [] : [
        "services[0].listen[1]: expected an address of its own",
      ],
    );
  });
}

Deno.test("listeners of different services are compared too", () => {
  const second = '  - name: echo\n    listen: [":5432"]\n    upstream: db\n';
  assertEquals(unplaced(configWith({}) + second), [
    "services[1].listen[0]: expected an address of its own (services[0].listen[0] has 127.0.0.1:5432), " +
    'got ":5432"',
  ]);
});

Deno.test("backends of one upstream have addresses of their own, in whatever way they are written", () => {
  const backends = ["DB:1", "db.:1", '"[::1]:1"', '"[0::1]:1"', "unix:a", "unix:./a", "db:2"];
  const upstream = `backends: [${backends.map((address) => `{address: ${address}}`).join(", ")}]`;
  const same = (index: number, first: number, value: string) =>
    `upstreams.db.backends[${index}].address: expected an address of its own ` +
    `(upstreams.db.backends[${first}].address has it), got "${value}"`;
  assertEquals(unplaced(configWith({ upstream })), [
    same(1, 0, "db.:1"),
    same(3, 2, "[0::1]:1"),
    same(5, 4, "unix:./a"),
  ]);
});

Deno.test("a path of a socket that a backend can't have is reported", () => {
  const upstream = `backends: [{address: "unix:${"x".repeat(100)}"}]`;
  assertEquals(unplaced(configWith({ upstream })), [
    "upstreams.db.backends[0].address: expected a socket whose full path has at most 107 bytes, got " +
    `"unix:${"x".repeat(52)}…"`,
  ]);
});

Deno.test("two upstreams may have the same backend", () => {
  assertEquals(unplaced(`${MINIMAL}upstreams: {other: {backends: [{address: 10.0.0.1:7}]}}`), []);
});

Deno.test("a service of an upstream in place can't have the name of an upstream", () => {
  assertEquals(unplaced(`${MINIMAL}upstreams: {echo: {backends: [{address: a:1}]}}`), [
    "services[0].name: expected a name that no upstream has (the one that is written in place takes it), " +
    'got "echo"',
  ]);
});

Deno.test("a service may have the name of the upstream that it refers to", () => {
  assertEquals(unplaced(configWith({ service: "name: db" })), []);
});

Deno.test("an upstream written in place is checked as a named one is", () => {
  const upstream = "upstream: {backends: [{address: a:1}, {address: a:1}], pool: {minIdle: 9}}";
  assertEquals(unplaced(configWith({ service: upstream })), [
    "services[0].upstream.backends[1].address: expected an address of its own " +
    '(services[0].upstream.backends[0].address has it), got "a:1"',
    "services[0].upstream.pool.minIdle: expected at most maxIdle, which is 8, got 9",
  ]);
});

const POOLS: readonly (readonly [pool: string, complaint: string])[] = [
  ["{maxIdle: 1, minIdle: 2}", "minIdle: expected at most maxIdle, which is 1, got 2"],
  ["{minIdle: 9}", "minIdle: expected at most maxIdle, which is 8, got 9"],
  ["{minIdle: 3, maxOpen: 2}", "minIdle: expected at most maxOpen, which is 2, got 3"],
];

for (const [pool, complaint] of POOLS) {
  Deno.test(`the pool ${pool} contradicts itself`, () => {
    assertEquals(unplaced(configWith({ upstream: `pool: ${pool}` })), [`upstreams.db.pool.${complaint}`]);
  });
}

Deno.test("a name that refers to nothing is reported, with the nearest that does", () => {
  const expected = "services[0].upstream: expected the name of one of the upstreams, got";
  assertEquals(unplaced(configWith({ service: "upstream: bd" })), [`${expected} "bd"`]);
  assertEquals(unplaced(configWith({ service: "upstream: toString" })), [`${expected} "toString"`]);
  assertEquals(unplaced(configWith({ service: "upstream: DB" })), [`${expected} "DB"; did you mean "db"?`]);
});

const TRUSTED = "the addresses and subnets that may send a PROXY header";
const WHERE_TO = "the name of an upstream, or an upstream written in place";

Deno.test("proxyProtocol requires trusted", () => {
  const proxied = (trusted: string) => unplaced(configWith({ service: `proxyProtocol: true\n${trusted}` }));
  assertEquals(proxied(""), [`services[0].trusted: missing; expected ${TRUSTED}`]);
  assertEquals(proxied("trusted: []"), [`services[0].trusted: expected ${TRUSTED}, got []`]);
  assertEquals(proxied('trusted: ["127.0.0.0/8", "::1"]'), []);
  assertEquals(unplaced(configWith({ service: 'trusted: ["127.0.0.0/8"]' })), []);
});

Deno.test("a PROXY header can't be expected where all listen addresses are unix sockets", () => {
  const expected =
    "services[0].proxyProtocol: expected false, where all listen addresses are unix sockets: trusted " +
    "covers no client of one, got true";
  for (const listen of ['"unix:a.sock"', '"unix:a.sock", "unix:/run/b.sock"']) {
    // `trusted` makes no difference.
    for (const trusted of ["", "trusted: []", 'trusted: [0.0.0.0/0, "::/0"]']) {
      const service = `listen: [${listen}]\nproxyProtocol: true\n${trusted}`;
      assertEquals(unplaced(configWith({ service })), [expected]);
    }
  }
  const service = 'proxyProtocol: true\ntrusted: ["127.0.0.1"]\nlisten: ["unix:a.sock", "127.0.0.1:1"]';
  assertEquals(unplaced(configWith({ service })), []);
  assertEquals(unplaced(configWith({ service: 'listen: ["unix:a.sock"]\nproxyProtocol: false' })), []);
});

Deno.test("a server name that leads to nothing is reported, with the nearest upstream that there is", () => {
  const service = 'sni: {a.example.org: db, "*.example.org": DB, b.example.org: web}';
  const expected = "expected the name of one of the upstreams, got";
  assertEquals(unplaced(configWith({ service })), [
    `services[0].sni["*.example.org"]: ${expected} "DB"; did you mean "db"?`,
    `services[0].sni["b.example.org"]: ${expected} "web"`,
  ]);
});

Deno.test("a server name is there once, whatever its case", () => {
  const service = 'sni: {a.example.org: db, "*.EXAMPLE.org": db, A.Example.org: db, "*.example.org": db}';
  const same = (name: string, first: string) =>
    `services[0].sni["${name}"]: expected a name of its own (services[0].sni["${first}"] has it), got "${name}"`;
  assertEquals(unplaced(configWith({ service })), [
    same("*.example.org", "*.EXAMPLE.org"),
    same("A.Example.org", "a.example.org"),
  ]);
});

Deno.test("a service needs an upstream or server names", () => {
  const lines = configWith({}).split("\n").filter((line) => line !== "    upstream: db").join("\n");
  assertEquals(unplaced(lines), [`services[0].upstream: missing; expected ${WHERE_TO}`]);
  assertEquals(unplaced(`${lines}    sni: {a.example.org: db}\n`), []);
});

Deno.test("what is wrong in one place does not hide what is wrong between others", () => {
  const service = "listen: [9, ':1', ':1']\nallow: none\nupstream: nothing";
  assertEquals(unplaced(configWith({ service, top: "log: 1" })).map((line) => line.split(":")[0]), [
    "log",
    "services[0].listen[0]",
    "services[0].listen[2]",
    "services[0].allow",
    "services[0].upstream",
  ]);
});
