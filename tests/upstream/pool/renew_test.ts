import { assertEquals } from "@std/assert";
import { microtasks, settle } from "../../support/settle.ts";
import { PoolFixture } from "./pool_fixture.ts";

Deno.test("what was begun before connections are made in another way is not used after it", async () => {
  const fixture = new PoolFixture({ maxOpen: 2 });
  const { lease } = await fixture.open();
  const acquired = fixture.acquire();
  const before = await fixture.dialler.call(1);
  fixture.pool.renew();
  before.accept();
  (await fixture.dialler.call(2)).accept();
  const second = await acquired;
  assertEquals(fixture.dialler.dialled.map(({ closed }) => closed), [false, true, false]);
  lease.release();
  second.release();
  await settle();
  assertEquals(fixture.dialler.dialled.map(({ closed }) => closed), [true, true, false]);
  await fixture.end();
});

Deno.test("connections that are being dialled ahead are dialled again", async () => {
  const fixture = new PoolFixture({ minIdle: 1 });
  const before = await fixture.dialler.call(0);
  fixture.pool.renew();
  before.accept();
  (await fixture.dialler.call(1)).accept();
  await settle();
  assertEquals(fixture.dialler.dialled.map(({ closed }) => closed), [true, false]);
  await fixture.end();
});

Deno.test("an idle connection that has been taken, but not handed out, goes with those that are idle", async () => {
  const fixture = new PoolFixture();
  const { lease } = await fixture.open();
  lease.release();
  await settle();
  const acquired = fixture.acquire();
  assertEquals(fixture.counts, "0 1 0");
  fixture.pool.renew();
  (await fixture.dialler.call(1)).accept();
  const fresh = await acquired;
  assertEquals(fixture.dialler.dialled.map(({ closed }) => closed), [true, false]);
  assertEquals([fixture.pool.isCurrent(lease), fixture.pool.isCurrent(fresh)], [false, true]);
  fresh.discard();
  await fixture.end();
});

Deno.test("the epoch of a connection that is passed to a waiting caller is right at any moment", async () => {
  for (let gap = 0; gap < 8; gap++) {
    const fixture = new PoolFixture({ maxOpen: 1 });
    const { lease } = await fixture.open();
    const acquired = fixture.acquire();
    lease.release();
    await microtasks(gap);
    fixture.pool.renew();
    const handedOn = await acquired;
    assertEquals(fixture.pool.isCurrent(handedOn), false);
    handedOn.release(); // Into none of the recreated pools.
    assertEquals([fixture.counts, fixture.dialler.unclosed], ["0 0 0", 0]);
    await fixture.end();
  }
});
