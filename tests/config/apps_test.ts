import { assertEquals } from "@std/assert";
import { complaints, parse, unplaced } from "./support.ts";

const APPS = `{
  "Apps": [
    {
      "Name": "five-thousand",
      "Ports": [5001, 5200],
      "Targets": ["tcp-echo.example:5001", "10.0.0.1:5002"]
    },
    {
      "Name": "six thousand",
      "Ports": [6001],
      "Targets": ["[::1]:6001"]
    }
  ]
}
`;

Deno.test("each app becomes a service on the loopback, with its targets as backends", () => {
  const config = parse(APPS);
  assertEquals(
    config.services.map(({ name, listen, upstream }) => ({ name, listen, upstream })),
    [{
      name: "five-thousand",
      listen: [
        { kind: "tcp", host: "127.0.0.1", port: 5001 },
        { kind: "tcp", host: "127.0.0.1", port: 5200 },
      ],
      upstream: "five-thousand",
    }, {
      name: "six thousand",
      listen: [{ kind: "tcp", host: "127.0.0.1", port: 6001 }],
      upstream: "six thousand",
    }],
  );
  for (const { health } of config.upstreams.values()) {
    assertEquals(health, { type: "tcp", intervalMs: 30_000, timeoutMs: 2000, rise: 2, fall: 3 });
  }
  assertEquals([...config.upstreams.values()].map(({ name, balance }) => [name, balance]), [
    ["five-thousand", "round-robin"],
    ["six thousand", "round-robin"],
  ]);
  assertEquals(config.upstreams.get("five-thousand")?.backends.map(({ address }) => address), [
    { kind: "tcp", host: "tcp-echo.example", port: 5001 },
    { kind: "tcp", host: "10.0.0.1", port: 5002 },
  ]);
});

Deno.test("an app has the defaults of a service", () => {
  const [service] = parse(APPS).services;
  assertEquals(service?.timeouts.idleMs, 90_000);
  assertEquals(service?.admission, {
    maxConnections: 10_000,
    maxHandshakes: 1000,
    handshakeGraceMs: 1000,
    sourcePrefix: { ipv4: 32, ipv6: 64 },
  });
});

const NAME = "a name of 1 to 100 characters, without control characters and spaces around it";
const TARGET = "an address: host:port, [ipv6]:port or unix:/path";
const PORT = "a whole number from 0 to 65535";

const BAD: readonly (readonly [text: string, complaints: readonly string[]])[] = [
  ["Apps: []", ["Apps: expected a list of one app at least, got []"]],
  ["Apps: {}", ["Apps: expected a list of one app at least, got {}"]],
  ["Apps:", ["Apps: expected a list of one app at least, got nothing"]],
  ["Apps: [5]", ["Apps[0]: expected an app: a mapping with Name, Ports and Targets, got 5"]],
  ["Apps: [{}]", [
    `Apps[0].Name: missing; expected ${NAME}`,
    "Apps[0].Ports: missing; expected a list of one port at least",
    "Apps[0].Targets: missing; expected a list of one target at least",
  ]],
  ["Apps: [{Name: a, Ports: [1, 70000, '2'], Targets: [a:1]}]", [
    `Apps[0].Ports[1]: expected ${PORT}, got 70000`,
    `Apps[0].Ports[2]: expected ${PORT}, got "2"`,
  ]],
  ["Apps: [{Name: a, Ports: [], Targets: []}]", [
    "Apps[0].Ports: expected a list of one port at least, got []",
    "Apps[0].Targets: expected a list of one target at least, got []",
  ]],
  ["Apps: [{Name: a, Ports: [1], Targets: [a, b:0, 'a:1', 'A:1']}]", [
    `Apps[0].Targets[0]: expected ${TARGET}, got "a"`,
    'Apps[0].Targets[1]: expected an address with a port from 1 to 65535, got "b:0"',
    'Apps[0].Targets[3]: expected an address of its own (Apps[0].Targets[2] has it), got "A:1"',
  ]],
  ["Apps: [{Name: a, Ports: [1, 1], Targets: [a:1]}, {Name: a, Ports: [0, 0, 1], Targets: [a:1]}]", [
    "Apps[0].Ports[1]: expected an address of its own (Apps[0].Ports[0] has 127.0.0.1:1), got 1",
    'Apps[1].Name: expected a name of its own (Apps[0].Name has it), got "a"',
    "Apps[1].Ports[2]: expected an address of its own (Apps[0].Ports[0] has 127.0.0.1:1), got 1",
  ]],
  ["Apps: [{name: a, Ports: [1], Targets: [a:1]}]", ['Apps[0].name: unknown key; did you mean "Name"?']],
  ["Apps: [{Name: a, Ports: [1], Targets: [a:1]}]\nlog: {}", ["log: unknown key; expected one of Apps"]],
  [
    "version: 1\nApps: []",
    [
      "Apps: unknown key; expected one of version, log, workers, admin, timeouts, upstreams, services, tests",
      "services: missing; expected a list of one service at least",
    ].toReversed(),
  ],
];

for (const [text, expected] of BAD) {
  Deno.test(`${text} is refused`, () => assertEquals(unplaced(text), expected));
}

Deno.test("a problem of an app has its line", () => {
  const text = APPS.replace("5200", "99999").replace("6001]", "-1\n]");
  assertEquals(complaints(text), [
    `:5: Apps[0].Ports[1]: expected ${PORT}, got 99999`,
    `:10: Apps[1].Ports[0]: expected ${PORT}, got -1`,
  ]);
});

Deno.test("an app may have a name that objects have a meaning for", () => {
  const config = parse("Apps: [{Name: __proto__, Ports: [1], Targets: [a:1]}]");
  assertEquals([...config.upstreams.keys()], ["__proto__"]);
});
