/** The lines of the table "seed → library" about the set, picks, counts and marks. Each test is one line. */
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError, HttpPool, type PoolBackend, type PoolRequest } from "../../../src/mod.ts";
import { until } from "../../support/wait.ts";
import { answering, OK, RawOrigin } from "../proxy_fixture.ts";

const A = "http://10.0.0.1:8080";
const B = "http://10.0.0.2:8080";
const C = "http://10.0.0.3:8080";

function urls(pool: HttpPool): string[] {
  return pool.snapshot().backends.map(({ url }) => url);
}

function picks(pool: HttpPool, count: number, request?: PoolRequest): string[] {
  return Array.from({ length: count }, () => pool.next(request)?.url ?? "none");
}

Deno.test("NewServerPool, PoolConfig, UpdateConfig, GetConfig: options, update, config; a bad change changes nothing", async () => {
  const pool = new HttpPool({ balance: "first", maxConnections: 3 });
  assertEquals(pool.config, { balance: "first", maxConnections: 3 });
  assert(Object.isFrozen(pool.config));
  pool.add(A);
  pool.add(B);
  assertEquals(picks(pool, 2), [A, A]);
  pool.update({ balance: "round-robin" });
  assertEquals([pool.config.maxConnections, ...picks(pool, 3)], [3, A, B, A]);
  const before = pool.config;
  for (
    const bad of [
      { balance: "odd" as "first", maxConnections: 9 },
      { balance: "first" as const, maxConnections: -1 },
      { maxConnections: 1.5 },
      { balance: {} as "first" },
      { balance: null as unknown as "first" },
    ]
  ) assertThrows(() => pool.update(bad), CulvertError, "expected");
  assertStrictEquals(pool.config, before);
  assertEquals(picks(pool, 2), [B, A]);
  assertThrows(() => new HttpPool({ balance: "odd" as "first" }), CulvertError, "expected one of");
  await pool.close();
});

Deno.test("AddBackend, RemoveBackend, UpdateBackends: add, remove, replace; all or none", async () => {
  const pool = new HttpPool();
  pool.add(A, {
    weight: 2,
    maxConnections: 7,
    route: { path: "/a" },
    health: { type: "tcp", intervalMs: 60_000 },
  });
  pool.add(B);
  assertThrows(() => pool.add("HTTP://10.0.0.2:8080/"), CulvertError, "twice");
  for (const bad of ["10.0.0.1:8080", "ftp://a", "http://u@a", "http://a?b", "http://a?", "http://a#b", ""]) {
    assertThrows(() => pool.add(bad), CulvertError, "expected a URL");
  }
  for (
    const [options, words] of [
      [{ weight: -1 }, "weight"],
      [{ weight: 65_536 }, "weight"],
      [{ weight: 1.5 }, "weight"],
      [{ maxConnections: -1 }, "maxConnections"],
      [{ route: { path: "/a/../b" } }, "no request can match"],
      [{ route: { redirect: "{odd}" } }, "odd"],
      [{ health: { type: "tls" as const } }, "tls"],
      [{ tls: { verify: false } }, "https"],
    ] as const
  ) assertThrows(() => pool.add(C, options), CulvertError, words);
  assertThrows(() => pool.add("https://c", { tls: { ca: "no PEM" } }), CulvertError, "https://c");
  assertThrows(() => pool.remove(C), CulvertError, "Cannot find");
  assertThrows(() => pool.replace([C, "bad"]), CulvertError, "expected a URL");
  assertThrows(() => pool.replace([C, C]), CulvertError, "twice");
  assertThrows(() => pool.replace([{ url: B, weight: 9 }, { url: C, weight: -1 }]), CulvertError, "weight");
  assertEquals([...urls(pool), pool.get(B)!.weight], [A, B, 1]);
  pool.replace([B, C]);
  assertEquals(urls(pool), [B, C]);
  pool.remove(new URL(`${C}/`));
  assertEquals(urls(pool), [B]);
  await pool.close();
});

Deno.test("UpdateBackends: those that stay keep counts, health and connections, whatever else changes", async () => {
  await using origin = new RawOrigin(answering(OK));
  const url = `http://${origin.address}`;
  const pool = new HttpPool();
  const backend = pool.add(url);
  assertEquals(await (await pool.handle(new Request("http://app/"))).text(), "ok");
  await until(() => backend.active === 0, { what: "for the request to end" });
  assert(backend.tryAcquire());
  backend.failed = 3;
  backend.currentWeight = 1;
  pool.mark(url, "down");
  pool.replace([{ url, weight: 5, maxConnections: 9 }, A]);
  assertStrictEquals(pool.get(url), backend);
  const { weight, maxConnections, active, succeeded, failed, state, currentWeight } = backend;
  assertEquals(
    { weight, maxConnections, active, succeeded, failed, state, currentWeight },
    { weight: 5, maxConnections: 9, active: 1, succeeded: 1, failed: 3, state: "down", currentWeight: 1 },
  );
  pool.replace([{ url, weight: 5 }]);
  pool.mark(url, "up");
  assertEquals(await (await pool.handle(new Request("http://app/"))).text(), "ok");
  backend.release();
  // A backend that is down keeps no connection, so this is the second one; then it is kept.
  assertEquals(origin.connections.length, 2);
  pool.replace([{ url, weight: 1 }]);
  assertEquals(await (await pool.handle(new Request("http://app/"))).text(), "ok");
  assertEquals(origin.connections.length, 2);
  pool.replace([]);
  pool.add(url);
  assertNotStrictEquals(pool.get(url), backend);
  await pool.close();
});

Deno.test("RemoveBackend: requests at a backend that is removed finish, or with onRemove close, end", async () => {
  for (const onRemove of ["drain", "close"] as const) {
    const heads = Promise.withResolvers<void>();
    await using origin = new RawOrigin(async (connection) => {
      await connection.receive("\r\n\r\n");
      await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst");
      await heads.promise;
      await connection.send(" last");
    });
    const pool = new HttpPool({ onRemove });
    pool.add(`http://${origin.address}`);
    const response = await pool.handle(new Request("http://app/"));
    const text = response.text();
    text.catch(() => {});
    pool.remove(`http://${origin.address}`);
    assertEquals((await pool.handle(new Request("http://app/"))).status, 503);
    heads.resolve();
    const outcome = await text.catch((error) => error.code);
    assertEquals(outcome, onRemove === "drain" ? "first last" : "backend-removed");
    await pool.close();
  }
});

Deno.test("RemoveBackend: with onRemove close, what may be repeated is sent to another backend, and nothing else", async () => {
  for (const method of ["GET", "POST"]) {
    await using silent = new RawOrigin();
    await using other = new RawOrigin(answering(OK));
    const pool = new HttpPool({ onRemove: "close" });
    pool.add(`http://${silent.address}`);
    pool.add(`http://${other.address}`);
    const response = pool.handle(new Request("http://app/", { method }));
    await until(() => silent.received.includes("\r\n\r\n"), { what: "for the request" });
    pool.remove(`http://${silent.address}`);
    const { status, body } = await response;
    await body?.cancel();
    assertEquals([status, other.received !== ""], method === "GET" ? [200, true] : [502, false]);
    await pool.close();
  }
});

Deno.test("GetBackends, GetAllBackends, BackendSnapshot, GetBackendByURL: snapshot, byUrl, get by any spelling", () => {
  const pool = new HttpPool();
  pool.add("http://EXAMPLE.org:80/", { weight: 3 });
  pool.add("https://Example.org/app/");
  const snapshot = pool.snapshot();
  const [first] = snapshot.backends;
  assert([snapshot, snapshot.backends, first, snapshot.byUrl].every(Object.isFrozen));
  const map = snapshot.byUrl as Map<string, unknown>;
  assertThrows(() => map.set("x", 1), TypeError);
  assertThrows(() => map.delete("http://example.org"), TypeError);
  assertThrows(() => map.clear(), TypeError);
  assertEquals([...map.keys()], ["http://example.org", "https://example.org/app"]);
  assertStrictEquals(snapshot.byUrl.get("http://example.org"), first);
  for (const spelling of ["http://example.org", "HTTP://Example.ORG:80", new URL("http://example.org/")]) {
    assertEquals(pool.get(spelling)?.url, "http://example.org");
  }
  for (const spelling of ["https://example.org:443/app", "https://example.org/x/../app/"]) {
    assertEquals(pool.get(spelling)?.url, "https://example.org/app");
  }
  for (const other of ["http://example.org:81", "http://example.org/app", "nothing", ""]) {
    assertEquals(pool.get(other), undefined);
  }
  pool.get("http://example.org")!.tryAcquire();
  pool.remove("http://example.org");
  assertEquals([snapshot.backends.length, first!.active, first!.weight], [2, 0, 3]);
});

Deno.test("GetNextPeer, GetNextProxy: next counts nothing, lease does; never one that is down, full or drained", () => {
  const pool = new HttpPool({ maxConnections: 1 });
  pool.add(A);
  pool.add(B, { maxConnections: 2 });
  pool.add(C, { weight: 0 });
  assertEquals([pool.next()!.active, pool.next()!.active], [0, 0]);
  {
    using one = pool.lease();
    using two = pool.lease();
    using three = pool.lease();
    assertEquals([one, two, three].map((lease) => lease!.backend.url).sort(), [A, B, B]);
    assertEquals([pool.lease(), pool.next()], [undefined, undefined]);
  }
  assertEquals([pool.get(A)!.active, pool.get(B)!.active], [0, 0]);
  pool.mark(B, "down");
  assertEquals(picks(pool, 2), [A, A]);
  pool.mark(A, "down");
  assertEquals([pool.next(), pool.lease()], [undefined, undefined]);
  assertEquals(new HttpPool().next(), undefined);
});

Deno.test("GetNextPeer: a request is told its source and URL, and a Request is one", () => {
  const pool = new HttpPool({ balance: "source-hash" });
  for (const url of [A, B, C]) pool.add(url, { route: { path: url === C ? "/c" : "/" } });
  const bySource = Array.from({ length: 40 }, (_, i) => picks(pool, 2, { source: `10.1.0.${i}` }));
  assert(bySource.every(([one, two]) => one === two));
  assertEquals(new Set(bySource.flat()).size, 3);
  assertEquals(pool.next(new Request("http://app/c/x"))?.url, C);
  assert([A, B].includes(pool.next(new Request("http://app/cx"))!.url));
  pool.mark(C, "down");
  assertEquals(pool.lease(new Request("http://app/c")), undefined);
});

Deno.test("GetAlgorithm, SetAlgorithm; GetCurrentIndex, SetCurrentIndex: balance takes names and balancers; turn", () => {
  const pool = new HttpPool();
  for (const url of [A, B, C]) pool.add(url);
  assertEquals([pool.balance, pool.turn, ...picks(pool, 4), pool.turn], ["round-robin", 0, A, B, C, A, 1]);
  pool.turn = 2;
  assertEquals([pool.turn, ...picks(pool, 3)], [2, C, A, B]);
  for (const bad of [3, -1, 0.5]) assertThrows(() => pool.turn = bad, CulvertError, "turn");
  for (const name of ["least-connections", "random-two-choices", "source-hash", "first"] as const) {
    pool.balance = name;
    assertEquals(pool.balance, name);
    assert(pool.next() !== undefined);
  }
  let set: readonly PoolBackend[] = [];
  const last = {
    update: (backends: readonly PoolBackend[]) => void (set = backends),
    pick: () => set.at(-1),
  };
  pool.balance = last;
  assertStrictEquals(pool.balance, last);
  assertEquals(pool.next()!.url, C);
  pool.mark(C, "down");
  assertEquals(pool.next(), undefined, "what a balancer picks must be available, too");
  pool.replace([{ url: A, weight: 5 }, B, C]);
  pool.mark(C, "up");
  pool.balance = "round-robin";
  pool.turn = 0;
  assertEquals(picks(pool, 7), [A, A, B, A, C, A, A]);
});

Deno.test("GetMaxConnections, SetMaxConnections: the bound per backend; live requests over it stay", () => {
  const pool = new HttpPool({ maxConnections: 2 });
  const a = pool.add(A);
  const b = pool.add(B, { maxConnections: 1 });
  assertEquals([pool.maxConnections, a.maxConnections, b.maxConnections], [2, 2, 1]);
  assertEquals([a.tryAcquire(), a.tryAcquire(), a.tryAcquire()], [true, true, false]);
  pool.maxConnections = 1;
  assertEquals([a.active, a.available, a.maxConnections, b.maxConnections], [2, false, 1, 1]);
  a.release();
  assert(!a.available);
  a.release();
  assert(a.available);
  pool.maxConnections = 0;
  assert(a.tryAcquire() && a.tryAcquire());
  assertThrows(() => pool.maxConnections = -1, CulvertError);
  assertEquals(pool.maxConnections, 0);
});

Deno.test("MarkBackendStatus, IsAlive, SetAlive: mark holds until the next mark, or until a check says otherwise", async () => {
  await using origin = new RawOrigin(answering(OK));
  const url = `http://${origin.address}`;
  await using pool = disposable(new HttpPool());
  pool.add(A);
  pool.mark(`${A}/`, "down");
  assertEquals([pool.get(A)!.state, pool.next()], ["down", undefined]);
  pool.mark(A, "up");
  assertEquals([pool.get(A)!.state, pool.next()?.url], ["up", A]);
  assertThrows(() => pool.mark(B, "down"), CulvertError, "Cannot find");
  const backend = pool.add(url, { health: { type: "http", intervalMs: 100, rise: 2, fall: 2 } });
  await until(() => backend.state === "up", { what: "for a check" });
  pool.mark(url, "down");
  assertEquals(backend.state, "down");
  await until(() => backend.state === "up", { what: "for checks to say otherwise" });
  assertEquals(pool.get(A)!.state, "up", "a mark without checks holds");
});

Deno.test("Backend: GetURL, GetWeight, CurrentWeight, counts: never under 0, never over the bound", () => {
  const pool = new HttpPool();
  const backend = pool.add(A, { weight: 3, maxConnections: 2 });
  assertEquals([backend.url, backend.weight, backend.currentWeight, backend.active], [A, 3, 0, 0]);
  backend.release();
  assertEquals(backend.active, 0);
  assertEquals([backend.tryAcquire(), backend.tryAcquire(), backend.tryAcquire()], [true, true, false]);
  assertEquals(backend.active, 2);
  backend.release();
  backend.release();
  backend.release();
  assertEquals(backend.active, 0);
  backend.currentWeight = -3;
  pool.add(B);
  assertEquals(picks(pool, 1), [B]);
  assertEquals([backend.succeeded, backend.failed], [0, 0]);
});

/** A pool with checks that ends with its test. */
function disposable(pool: HttpPool): HttpPool & AsyncDisposable {
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.destroy() });
}
