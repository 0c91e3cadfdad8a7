import { assert, assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { HttpPool } from "../../src/http_proxy/http_pool.ts";

const A = "http://10.0.0.1:8080";
const B = "http://10.0.0.2:8080";

Deno.test("add, remove and replace change the set, all or none", () => {
  const pool = new HttpPool();
  pool.add(A);
  const b = pool.add(B, { weight: 2 });
  assertThrows(() => pool.add("HTTP://10.0.0.1:8080/"), CulvertError, "twice");
  for (const bad of ["10.0.0.1:8080", "ftp://a", "http://u@a", "http://a?b", "http://a#b", ""]) {
    assertThrows(() => pool.add(bad), CulvertError, "expected a URL");
  }
  assertThrows(() => pool.remove("http://10.0.0.3"), CulvertError, "Cannot find");
  assertThrows(() => pool.replace([B, "bad"]), CulvertError);
  assertThrows(() => pool.replace([B, B]), CulvertError, "twice");
  assertEquals(pool.snapshot().backends.map(({ url }) => url), [A, B]);
  assert(b.tryAcquire());
  pool.replace([{ url: B, weight: 2 }, "http://10.0.0.3"]);
  assertEquals(pool.get(B), b);
  assertEquals(pool.get(B)!.active, 1);
  pool.remove(B);
  assertEquals(pool.snapshot().backends.map(({ url }) => url), ["http://10.0.0.3"]);
});

Deno.test("a snapshot is frozen, and by URL; get takes any spelling", () => {
  const pool = new HttpPool();
  pool.add("http://EXAMPLE.org:80/");
  const snapshot = pool.snapshot();
  assert(
    Object.isFrozen(snapshot) && Object.isFrozen(snapshot.backends) && Object.isFrozen(snapshot.backends[0]),
  );
  assertEquals(snapshot.byUrl.get("http://example.org")?.weight, 1);
  assertEquals(pool.get("http://Example.ORG")?.url, "http://example.org");
  assertEquals(pool.get("nothing"), undefined);
  pool.get("http://example.org")!.tryAcquire();
  assertEquals(snapshot.backends[0]!.active, 0);
});

Deno.test("round-robin goes by weight, and its turn can be read and set", () => {
  const pool = new HttpPool();
  for (const url of ["http://a", "http://b", "http://c"]) pool.add(url);
  const picks = (count: number) => Array.from({ length: count }, () => pool.next()!.url.slice(7)).join("");
  assertEquals([picks(4), pool.turn], ["abca", 1]);
  pool.turn = 2;
  assertEquals(picks(3), "cab");
  assertThrows(() => pool.turn = 3, CulvertError);
  pool.replace([{ url: "http://a", weight: 5 }, "http://b", "http://c"]);
  pool.turn = 0;
  assertEquals(picks(7), "aabacaa");
  assertEquals(pool.get("http://a")!.currentWeight, 0);
});

Deno.test("next counts nothing, lease counts until it is disposed of; never what is down, full or at weight 0", () => {
  const pool = new HttpPool({ maxConnections: 1 });
  pool.add(A);
  pool.add(B, { maxConnections: 2 });
  pool.add("http://10.0.0.3", { weight: 0 });
  assertEquals(pool.next()?.active, 0);
  const leases = [pool.lease(), pool.lease(), pool.lease()];
  assertEquals(leases.map((lease) => lease?.backend.url).sort(), [A, B, B]);
  assertEquals([pool.lease(), pool.next()], [undefined, undefined]);
  for (const lease of leases) lease![Symbol.dispose]();
  leases[0]![Symbol.dispose]();
  assertEquals([pool.get(A)!.active, pool.get(B)!.active], [0, 0]);
  pool.mark(B, "down");
  assertEquals([pool.next()?.url, pool.next()?.url], [A, A]);
  pool.mark(A, "down");
  assertEquals(pool.next(), undefined);
  pool.mark(B, "up");
  assertEquals(pool.next()?.url, B);
  assertEquals(new HttpPool().next(), undefined);
});

Deno.test("a count never goes below 0 or over the bound; live requests over a lower one stay", () => {
  const pool = new HttpPool({ maxConnections: 2 });
  const backend = pool.add(A);
  backend.release();
  assertEquals(backend.active, 0);
  assertEquals([backend.tryAcquire(), backend.tryAcquire(), backend.tryAcquire()], [true, true, false]);
  pool.maxConnections = 1;
  assertEquals([backend.active, backend.available], [2, false]);
  pool.maxConnections = 0;
  assert(backend.tryAcquire());
});

Deno.test("a change of the configuration holds for the next pick, a bad one changes nothing", () => {
  const pool = new HttpPool();
  pool.add(A);
  pool.add(B);
  const own = { update() {}, pick: () => pool.get(B) };
  pool.update({ balance: own, maxConnections: 7 });
  assertEquals([pool.next()?.url, pool.next()?.url, pool.config.maxConnections], [B, B, 7]);
  pool.balance = "first";
  assertEquals([pool.next()?.url, pool.next()?.url], [A, A]);
  assertThrows(
    () => pool.update({ balance: "odd" as "first", maxConnections: 9 }),
    CulvertError,
    "expected one of",
  );
  assertThrows(() => pool.maxConnections = -1, CulvertError);
  assertEquals(pool.config, { balance: "first", maxConnections: 7 });
  assert(Object.isFrozen(pool.config));
});
