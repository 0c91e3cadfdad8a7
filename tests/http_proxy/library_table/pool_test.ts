/** The lines of the table "seed → library" about the set, picks, counts and marks. Each test is one line. */
import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { CulvertError, HttpPool } from "../../../src/mod.ts";
import { until } from "../../support/wait.ts";
import { answering, OK, RawOrigin } from "../proxy_fixture.ts";
import { A, B, C, picks } from "./pool_fixture.ts";

function urls(pool: HttpPool): string[] {
  return pool.snapshot().backends.map(({ url }) => url);
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

/** A pool with checks that ends with its test. */
function disposable(pool: HttpPool): HttpPool & AsyncDisposable {
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.destroy() });
}
