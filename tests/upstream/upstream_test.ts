import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { LiveConnection } from "../../src/upstream/backend.ts";
import type { AcquiredBackend } from "../../src/upstream/acquired_backend.ts";
import { PoolClosedError } from "../../src/upstream/pool/errors.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { settle } from "../support/settle.ts";
import { spec, specs, UpstreamFixture, upstreamOptions } from "./upstream_fixture.ts";

/** Searches, accepts whatever is dialled, and returns what was found; `undefined`: nothing. */
async function find(fixture: UpstreamFixture): Promise<AcquiredBackend | undefined> {
  const run = fixture.upstream.search({ connectMs: 1000 }).run().catch(() => undefined);
  fixture.dialler.calls.at(-1)?.accept();
  return await run;
}

/** The hosts that so many connections get one after the other, with all of them staying open: `a b -`. */
async function spread(fixture: UpstreamFixture, count: number): Promise<string> {
  const hosts = [];
  for (let i = 0; i < count; i++) hosts.push((await find(fixture))?.backend.key.replace(":1", "") ?? "-");
  return hosts.join(" ");
}

function liveConnection(events: string[], name: string): LiveConnection {
  return {
    onBackendRemoved: () => events.push(`${name} removed`),
    onBackendDown: () => events.push(`${name} down`),
    onClosedByAdmin: () => {},
    drain: () => events.push(`${name} drains`),
  };
}

Deno.test("connections follow the weights", async () => {
  const backends = [spec("a", { weight: 5 }), spec("b"), spec("c")];
  const fixture = new UpstreamFixture(backends, { balance: "round-robin" });
  assertEquals(await spread(fixture, 7), "a a b a c a a");
  await fixture.upstream.close();
});

Deno.test("a backend at weight 0 takes no new connections and keeps its open ones", async () => {
  const fixture = new UpstreamFixture(specs("a b"));
  const found = await find(fixture);
  fixture.upstream.updateBackends([spec("a", { weight: 0 }), spec("b")]);
  assertEquals(await spread(fixture, 2), "b b");
  assertEquals([found!.backend.active, fixture.dialler.dialled[0]!.closed], [1, false]);
  await fixture.upstream.close();
});

Deno.test("a backend at maxConnections is passed over, those being dialled included", async () => {
  const fixture = new UpstreamFixture([spec("a", { maxConnections: 2 }), spec("b", { maxConnections: 1 })]);
  const dialling = fixture.upstream.search({ connectMs: 1000 }).run();
  const second = await find(fixture);
  assertEquals(await spread(fixture, 2), "b -");
  assertEquals(fixture.upstream.available, false);
  second!.discard();
  assertEquals([fixture.upstream.available, await spread(fixture, 2)], [true, "a -"]);
  fixture.dialler.calls[0]!.accept();
  await dialling;
  await fixture.upstream.close();
});

Deno.test("backups serve only when no other backend is available", async () => {
  const fixture = new UpstreamFixture([spec("a", { backup: true }), spec("b", { maxConnections: 2 })]);
  assertEquals(await spread(fixture, 4), "b b a a");
  fixture.upstream.updateBackends([spec("a", { backup: true }), spec("b", { maxConnections: 3 })]);
  assertEquals(await spread(fixture, 2), "b a");
  await fixture.upstream.close();
});

Deno.test("a backup is tried after all others have failed, within the number of tries", async () => {
  const fixture = new UpstreamFixture([spec("a", { backup: true }), spec("b")], { retries: 1 });
  const run = fixture.upstream.search({ connectMs: 1000 }).run();
  (await fixture.dialler.call(0)).refuse();
  (await fixture.dialler.call(1)).accept();
  assertEquals([(await run).backend.key, fixture.asked], ["a:1", "b a"]);
  await fixture.upstream.close();
});

Deno.test("a backend whose address stays keeps what it has shown of itself, whatever else changes", async () => {
  const fixture = new UpstreamFixture(specs("a b"));
  const found = await find(fixture);
  const failing = fixture.upstream.search({ connectMs: 1000 }).run();
  fixture.dialler.calls[1]!.refuse();
  (await fixture.dialler.call(2)).accept();
  await failing;
  const [before] = fixture.upstream.backends;
  const changed = spec("a", { weight: 3, maxConnections: 7, backup: true });
  fixture.upstream.update(upstreamOptions([spec("c"), changed], { balance: "least-connections" }));
  const after = fixture.upstream.backends[1]!;
  assertStrictEquals(after, before);
  assertEquals([after.active, after.total, after.failures], [1, 1, 1]);
  assertEquals([after.weight, after.spec.maxConnections, after.backup], [3, 7, true]);
  assertEquals(fixture.upstream.backends.map(({ key }) => key), ["c:1", "a:1"]);
  found!.discard();
  assertEquals(after.active, 0);
  await fixture.upstream.close();
});

Deno.test("the balancer keeps its state when the set changes", async () => {
  const fixture = new UpstreamFixture(specs("a b c"), { balance: "round-robin" });
  assertEquals(await spread(fixture, 2), "a b");
  fixture.upstream.updateBackends(specs("a b c"));
  assertEquals(await spread(fixture, 2), "c a");
  await fixture.upstream.close();
});

Deno.test("an address that is named twice is one backend, as it was named last", async () => {
  const pool = { maxIdle: 8, minIdle: 1, maxOpen: 0, idleTimeoutMs: 0 };
  const fixture = new UpstreamFixture([spec("a"), spec("a", { weight: 4 })], { pool });
  assertEquals(fixture.upstream.backends.map(({ key, weight }) => `${key} ${weight}`), ["a:1 4"]);
  assertEquals(fixture.dialler.open.length, 1);
  await fixture.upstream.close();
  assertEquals(fixture.dialler.open.length, 0);
});

Deno.test("onRemove: connections of a removed backend end or drain", async () => {
  for (const [onRemove, event] of [["close", "removed"], ["drain", "drains"]] as const) {
    const fixture = new UpstreamFixture(specs("a b"), { onRemove });
    const events: string[] = [];
    const [a, b] = fixture.upstream.backends;
    a!.live.add(liveConnection(events, "on a"));
    a!.live.add(liveConnection(events, "also on a"));
    b!.live.add(liveConnection(events, "on b"));
    fixture.upstream.updateBackends(specs("b c"));
    assertEquals(events, [`on a ${event}`, `also on a ${event}`]);
    assertEquals([a!.removed, b!.removed], [true, false]);
    await fixture.upstream.close();
  }
});

Deno.test("idle connections of a backend that has left are closed, and its dials ahead given up", async () => {
  const pool = { maxIdle: 8, minIdle: 2, maxOpen: 0, idleTimeoutMs: 0 };
  const fixture = new UpstreamFixture(specs("a"), { pool });
  fixture.dialler.calls[0]!.accept();
  await settle();
  assertEquals([fixture.dialler.unclosed, fixture.dialler.open.length], [1, 1]);
  fixture.upstream.updateBackends([]);
  await settle();
  assertEquals([fixture.dialler.unclosed, fixture.dialler.open.length, fixture.wheel.size], [0, 0, 0]);
  await fixture.upstream.close();
});

Deno.test("new bounds reach the pools of backends that stay", () => {
  const fixture = new UpstreamFixture(specs("a"));
  const pool = { maxIdle: 8, minIdle: 3, maxOpen: 0, idleTimeoutMs: 0 };
  fixture.upstream.update(upstreamOptions(specs("a"), { pool }));
  assertEquals(fixture.dialler.open.length, 3);
  fixture.upstream.updateBackends(specs("a b"));
  assertEquals(fixture.dialler.open.length, 6);
  return fixture.upstream.close();
});

Deno.test("an upstream works with nothing but its options", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = { kind: "tcp", host: "127.0.0.1", port: listener.addr.port } as const;
  const upstream = new Upstream(upstreamOptions([{ ...spec(""), address }]));
  const found = await upstream.search({ connectMs: 10_000 }).run();
  const accepted = await listener.accept();
  await upstream.close();
  found.discard();
  assertEquals(await accepted.read(new Uint8Array(1)), null);
  accepted.close();
  listener.close();
});

Deno.test("health that is reported from elsewhere decides about picks, idle and live connections", async () => {
  const options = { externalHealth: true, onDown: "close" } as const;
  const fixture = new UpstreamFixture(specs("a b"), options);
  const { upstream } = fixture;
  assertEquals(upstream.backends.map(({ state }) => state), ["unknown", "unknown"]);
  const events: string[] = [];
  upstream.backends[0]!.live.add(liveConnection(events, "a"));
  upstream.setHealth(new Map([["a:1", "up"], ["b:1", "up"]]));
  assertEquals(await spread(fixture, 1), "a");
  upstream.setHealth(new Map([["a:1", "down"], ["c:1", "down"]]));
  assertEquals([events, await spread(fixture, 1)], [["a down"], "b"]);
  upstream.setHealth(new Map([["a:1", "up"]]));
  assertEquals(await spread(fixture, 1), "a");

  // It stays through reloads, and is forgotten when there are no checks elsewhere any more.
  upstream.setHealth(new Map([["b:1", "down"]]));
  upstream.update(upstreamOptions(specs("a b c"), { ...options, retries: 0 }));
  assertEquals(upstream.backends.map(({ state }) => state), ["up", "down", "unknown"]);
  upstream.update(upstreamOptions(specs("a b c")));
  assertEquals(upstream.backends.map(({ state }) => state), ["up", "up", "up"]);
  upstream.setHealth(new Map([["a:1", "down"]]));
  assertEquals(upstream.backends[0]!.state, "up");
  await upstream.close();
});

Deno.test("a list that was changed in place is another set", async () => {
  const backends = specs("a");
  const fixture = new UpstreamFixture(backends);
  backends.push(spec("b"));
  fixture.upstream.updateBackends(backends);
  assertEquals(fixture.upstream.backends.map(({ key }) => key), ["a:1", "b:1"]);
  backends.pop();
  fixture.upstream.updateBackends(backends);
  assertEquals(fixture.upstream.backends.map(({ key }) => key), ["a:1"]);
  await fixture.upstream.close();
});

Deno.test("the pool of a backend is created when it is first used, and closed if that is after its removal", async () => {
  const { upstream } = new UpstreamFixture(specs("a b"));
  const [a, b] = upstream.backends;
  assertEquals(a!.usedPool, undefined);
  assertEquals(a!.poolStats, a!.pool.stats);
  const { pool } = upstreamOptions([]);
  upstream.update(upstreamOptions(specs("a b"), { pool: { ...pool, maxIdle: 2 } }));
  assertEquals([a!.pool.bounds.maxIdle, b!.usedPool], [2, undefined]);
  upstream.update(upstreamOptions(specs("a b"), { pool: { ...pool, minIdle: 1 } }));
  assertEquals(b!.usedPool?.bounds.minIdle, 1);
  upstream.updateBackends(specs("c"));
  const c = upstream.backends[0]!;
  upstream.update(upstreamOptions([]));
  await assertRejects(() => c.pool.acquire({ signal: AbortSignal.timeout(1000) }), PoolClosedError);
});
