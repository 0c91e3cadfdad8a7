import { assertEquals } from "@std/assert";
import { TcpService } from "../../src/tcp/service.ts";
import type { MemoryConnection } from "../support/memory_connection.ts";
import { memoryPair } from "../support/memory_connection.ts";
import { settle } from "../support/settle.ts";
import {
  HealthFixture,
  type HealthFixtureOptions,
  NOTHING_LEFT,
  spec,
  specs,
} from "../upstream/health_fixture.ts";
import { type Caller, said } from "./service_fixture.ts";

/** Two failures eject for ten seconds, and all may be ejected. */
const OUTLIER = { failures: 2, ejectionMs: 10_000, maxEjected: 1 };

/** A service in fake time whose backends are checked, with checks and dials that the test answers. */
class CheckedServiceFixture extends HealthFixture {
  readonly service: TcpService;

  constructor(hosts: string, options: HealthFixtureOptions & { lifetimeMs?: number } = {}) {
    const { lifetimeMs = 0, ...own } = options;
    super(hosts, { outlier: OUTLIER, ...own });
    const timeouts = {
      connectMs: 10_000,
      handshakeMs: 10_000,
      idleMs: 90_000,
      halfCloseMs: 60_000,
      lifetimeMs,
      drainMs: 30_000,
    };
    this.service = new TcpService({ name: "postgres", admission: { maxConnections: 0 }, timeouts }, {
      route: { upstream: this.upstream, names: undefined },
      wheel: this.wheel,
      buffers: this.buffers,
      clock: this.clock,
      log: this.log,
      access: true,
    });
  }

  /** A client comes. */
  call(): Caller {
    const [end, connection] = memoryPair();
    const served = this.service.serve({
      connection,
      address: { ip: "10.0.0.1", port: 4711 },
      localAddr: { transport: "tcp", hostname: "127.0.0.1", port: 5432 },
      listener: "127.0.0.1:5432",
    });
    return { end, served };
  }

  /** A client that has its backend, of which each end is the test's; nothing has been said. */
  async connect(): Promise<Caller & { server: MemoryConnection }> {
    const caller = this.call();
    const server = this.dialler.calls.at(-1)!.accept();
    await settle();
    return { ...caller, server };
  }

  /** The access lines. */
  get lines() {
    return this.log.lines.filter(({ message }) => message.startsWith("connection "));
  }

  /** The reasons of the connections that have ended, in order. */
  get reasons(): unknown[] {
    return this.lines.map(({ fields }) => fields.reason);
  }

  override async end(): Promise<number[]> {
    const backends = this.upstream.backends;
    const left = await super.end();
    assertEquals(this.service.counters.active, 0);
    assertEquals(backends.map(({ active, live }) => [active, live.size]), backends.map(() => [0, 0]));
    assertEquals(this.buffers.inUse, { small: 0, medium: 0, large: 0 });
    return left;
  }
}

type Ends = Caller & { server: MemoryConnection };

/** How a connection may end, and whether that is the backend's failure. */
const ENDS: [how: string, reason: string, fails: boolean, act: (ends: Ends) => Promise<void>][] = [
  ["the backend resets before any byte", "backend-reset", true, async ({ server }) => {
    await settle();
    server.reset();
  }],
  [
    "the backend resets after it was asked, with no answer",
    "backend-reset",
    true,
    async ({ end, server }) => {
      await end.send("question");
      await server.receive();
      server.reset();
    },
  ],
  ["the backend resets after it has answered", "backend-reset", false, async ({ end, server }) => {
    await server.send("a");
    await end.receive();
    server.reset();
  }],
  ["the backend ends in order without sending anything", "backend-closed", false, async ({ end, server }) => {
    await server.closeWrite();
    assertEquals(await end.receive(), null);
    await end.closeWrite();
  }],
  ["the client resets before anything is said", "client-reset", false, async ({ end }) => {
    await settle();
    end.reset();
  }],
  ["the client resets after it has asked", "client-reset", false, async ({ end, server }) => {
    await end.send("question");
    await server.receive();
    end.reset();
  }],
  ["the client leaves without sending anything", "client-closed", false, async ({ end, server }) => {
    await end.closeWrite();
    assertEquals(await server.receive(), null);
    await server.closeWrite();
  }],
];

for (const [how, reason, fails, act] of ENDS) {
  Deno.test(`${how}: that ${fails ? "counts against the backend" : "is no failure of the backend's"}`, async () => {
    const fixture = new CheckedServiceFixture("a b");
    await settle();
    for (let i = 0; i < OUTLIER.failures; i++) {
      assertEquals(fixture.states, "a up, b up");
      const ends = await fixture.connect();
      await act(ends);
      await ends.served;
    }
    assertEquals(fixture.reasons, [reason, reason]);
    assertEquals(fixture.states, fails ? "a ejected, b up" : "a up, b up");
    assertEquals(await fixture.end(), NOTHING_LEFT);
  });
}

Deno.test("an end that is our own doing is no failure of the backend's", async () => {
  const fixture = new CheckedServiceFixture("a b", { lifetimeMs: 1000 });
  await settle();
  const callers = [await fixture.connect(), await fixture.connect(), await fixture.connect()];
  await fixture.checked(2);
  for (const { served } of callers) await served;
  assertEquals(fixture.reasons, ["lifetime", "lifetime", "lifetime"]);
  assertEquals(fixture.states, "a up, b up");
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("a client that leaves while its backend is dialled is no failure of the backend's", async () => {
  const fixture = new CheckedServiceFixture("a b");
  await settle();
  for (let i = 0; i < 3; i++) {
    const { end, served } = fixture.call();
    await fixture.clock.advanceAsync(300);
    end.reset();
    await served;
  }
  assertEquals([fixture.reasons, fixture.states], [
    ["client-reset", "client-reset", "client-reset"],
    "a up, b up",
  ]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("an answer makes up for resets before it, one in the middle of many", async () => {
  const fixture = new CheckedServiceFixture("a b", { outlier: { ...OUTLIER, failures: 3 } });
  await settle();
  for (const answers of [false, false, true, false, false]) {
    const { end, server, served } = await fixture.connect();
    if (answers) {
      await server.send("answer");
      await end.receive();
    }
    server.reset();
    await served;
  }
  assertEquals(fixture.states, "a up, b up");
  const { server, served } = await fixture.connect();
  server.reset();
  await served;
  assertEquals(fixture.states, "a ejected, b up");
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("connections of an ejected backend continue, and new clients get other backends", async () => {
  const fixture = new CheckedServiceFixture("a b");
  await settle();
  const old = await fixture.connect();
  for (let i = 0; i < 2; i++) {
    const { server, served } = await fixture.connect();
    server.reset();
    await served;
  }
  const young = await fixture.connect();
  assertEquals(fixture.dialler.calls.map(({ to }) => to), ["a:1", "a:1", "a:1", "b:1"]);
  await old.end.send("still there?");
  assertEquals(await old.server.receive(), "still there?");
  for (const { end, server, served } of [old, young]) {
    await end.closeWrite();
    await server.closeWrite();
    await served;
  }
  assertEquals(fixture.states, "a ejected, b up");
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("backends-down: no backend is healthy, and the client is closed at once with that reason", async () => {
  const fixture = new CheckedServiceFixture("a b", { bad: "a b" });
  await settle();
  const { end, served } = fixture.call();
  await served;
  assertEquals([await end.receive(), fixture.dialler.calls.length], [null, 0]);
  const { reason, error, tries, backend } = said(fixture.lines[0]!);
  assertEquals([reason, error, tries, backend], [
    "backends-down",
    'Cannot connect to upstream "db": no backend is healthy (2 down)',
    0,
    undefined,
  ]);
  assertEquals(fixture.service.counters.ended, { "backends-down": 1 });
  fixture.say("b", "good");
  await fixture.checked(2);
  const saved = await fixture.connect();
  saved.server.reset();
  await saved.served;
  assertEquals(fixture.reasons, ["backends-down", "backend-reset"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("no-backend: where none would take it, fit or not", async () => {
  const fixture = new CheckedServiceFixture("a b", { bad: "a b" });
  await settle();
  fixture.set([spec("a", { weight: 0 }), spec("b", { weight: 0 })]);
  await fixture.call().served;
  fixture.set([]);
  await fixture.call().served;
  assertEquals(fixture.reasons, ["no-backend", "no-backend"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("backups serve clients while all other backends are down", async () => {
  const fixture = new CheckedServiceFixture("a", { bad: "a" });
  fixture.set([...specs("a"), spec("c", { backup: true })]);
  await settle();
  const { end, server, served } = await fixture.connect();
  await end.closeWrite();
  await server.closeWrite();
  await served;
  assertEquals([fixture.reasons, said(fixture.lines[0]!).backend], [["client-closed"], "c:1"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("onDown: close ends the live connections of a backend that goes down, with backend-down as the reason", async () => {
  const fixture = new CheckedServiceFixture("a b", { onDown: "close" });
  await settle();
  const callers = [await fixture.connect(), await fixture.connect()];
  await callers[0]!.server.send("answer");
  assertEquals(await callers[0]!.end.receive(), "answer");
  fixture.say("a", "bad");
  await fixture.checked(1);
  assertEquals(fixture.reasons, []);
  await fixture.checked(1);
  for (const { served } of callers) await served;
  assertEquals(fixture.reasons, ["backend-down", "backend-down"]);
  for (const { end, server } of callers) {
    assertEquals([await end.receive(), await server.receive()], [null, null]);
  }
  // That was no reset of the backend's.
  assertEquals([fixture.backend("a").ejected, fixture.states], [false, "a down, b up"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("onDown: keep leaves the live connections of a backend that goes down alone", async () => {
  const fixture = new CheckedServiceFixture("a b", { onDown: "keep" });
  await settle();
  const { end, server, served } = await fixture.connect();
  fixture.say("a", "bad");
  await fixture.checked(3);
  assertEquals(fixture.states, "a down, b up");
  await end.send("still there?");
  assertEquals(await server.receive(), "still there?");
  await server.send("yes");
  assertEquals(await end.receive(), "yes");
  await end.closeWrite();
  await server.closeWrite();
  await served;
  assertEquals(fixture.reasons, ["client-closed"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("onDown: close, where a backend goes down that is drained already, or leaves as it goes down", async () => {
  const fixture = new CheckedServiceFixture("a b", { onDown: "close", onRemove: "drain" });
  await settle();
  const { end, server, served } = await fixture.connect();
  fixture.say("a", "bad");
  fixture.set("b"); // Drains, and is not checked any more.
  await fixture.checked(3);
  assertEquals(fixture.reasons, []);
  await end.closeWrite();
  await server.closeWrite();
  await served;
  assertEquals(fixture.reasons, ["drained"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("a backend taken out by hand keeps what it has, until the client is done", async () => {
  const fixture = new CheckedServiceFixture("a b", { onDown: "close" });
  await settle();
  const { end, server, served } = await fixture.connect();
  fixture.backend("a").disabled = true;
  await end.send("still there?");
  assertEquals(await server.receive(), "still there?");
  const other = await fixture.connect();
  assertEquals(fixture.dialler.calls.at(-1)!.to, "b:1");
  for (const [one, two] of [[end, server], [other.end, other.server]] as const) {
    await one.closeWrite();
    await two.closeWrite();
  }
  await Promise.all([served, other.served]);
  assertEquals(fixture.reasons, ["client-closed", "client-closed"]);
  assertEquals(await fixture.end(), NOTHING_LEFT);
});

Deno.test("clients whose connects fail get the next backend, and after the ejection no connect fails", async () => {
  const fixture = new CheckedServiceFixture("a b");
  await settle();
  const callers: Ends[] = [];
  for (let i = 0; i < 3; i++) {
    const caller = fixture.call();
    if (fixture.dialler.calls.at(-1)!.to === "a:1") {
      fixture.dialler.calls.at(-1)!.refuse();
      await settle();
    }
    const server = fixture.dialler.calls.at(-1)!.accept();
    await settle();
    callers.push({ ...caller, server });
  }
  for (const { end, server, served } of callers) {
    await end.closeWrite();
    await server.closeWrite();
    await served;
  }
  assertEquals(fixture.lines.map(({ fields }) => [fields.tries, fields.backend]), [[2, "b:1"], [2, "b:1"], [
    1,
    "b:1",
  ]]);
  assertEquals(fixture.states, "a ejected, b up");
  assertEquals(await fixture.end(), NOTHING_LEFT);
});
