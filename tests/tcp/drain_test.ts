import { assertEquals } from "@std/assert";
import { settle } from "../support/settle.ts";
import { ServiceFixture } from "./service_fixture.ts";

Deno.test("a drain without connections ends at once", async () => {
  const fixture = new ServiceFixture();
  assertEquals(await fixture.service.drain(), 0);
  await fixture.end();
});

Deno.test("a connection that finishes during a drain is drained, and works until then", async () => {
  const fixture = new ServiceFixture();
  const { end, server } = await fixture.connect();
  const drained = fixture.service.drain();
  await fixture.clock.advanceAsync(20_000);
  await end.send("more");
  assertEquals(await server.receive(), "more");
  await server.closeWrite();
  await end.closeWrite();
  assertEquals([await drained, fixture.reasons], [0, ["drained"]]);
  await fixture.end();
});

Deno.test("what has not finished within timeouts.drain is cut and counted", async () => {
  const fixture = new ServiceFixture({ timeouts: { drainMs: 5000 } });
  const first = await fixture.connect();
  await fixture.connect();
  const dialling = fixture.call();
  await settle();
  const drained = fixture.service.drain();
  await first.end.closeWrite();
  await first.server.closeWrite();
  await fixture.clock.advanceAsync(4900);
  assertEquals(fixture.reasons, ["drained"]);
  await fixture.clock.advanceAsync(200);
  assertEquals(await drained, 2);
  await dialling.served;
  assertEquals(fixture.reasons, ["drained", "cut", "cut"]);
  await fixture.end();
});

Deno.test("a connection that ends for another reason while draining keeps its reason", async () => {
  const fixture = new ServiceFixture({ timeouts: { idleMs: 2000 } });
  const first = await fixture.connect();
  await fixture.connect();
  const drained = fixture.service.drain();
  first.end.reset();
  await fixture.clock.advanceAsync(2500);
  assertEquals([await drained, fixture.reasons], [0, ["client-reset", "idle"]]);
  await fixture.end();
});

Deno.test("a drain of 0 cuts at once", async () => {
  const fixture = new ServiceFixture({ timeouts: { drainMs: 0 } });
  await fixture.connect();
  assertEquals([await fixture.service.drain(), fixture.reasons, fixture.clock.now()], [1, ["cut"], 0]);
  await fixture.end();
});

Deno.test("destroy cuts a drain short, and both are over then", async () => {
  const fixture = new ServiceFixture();
  for (let i = 0; i < 3; i++) await fixture.connect();
  const drained = fixture.service.drain();
  await settle();
  const destroyed = fixture.service.destroy();
  assertEquals(await drained, 3);
  await destroyed;
  assertEquals([fixture.reasons, fixture.clock.now()], [["cut", "cut", "cut"], 0]);
  await fixture.end();
});

Deno.test("a connection that was accepted in the moment of the stop is drained with the others", async () => {
  const fixture = new ServiceFixture({ timeouts: { drainMs: 5000, idleMs: 0 } });
  await fixture.connect();
  const drained = fixture.service.drain();
  await fixture.connect();
  await fixture.clock.advanceAsync(5200);
  assertEquals([await drained, fixture.reasons], [2, ["cut", "cut"]]);
  await fixture.end();
});

Deno.test("another timeouts.drain holds for connections that came before it", async () => {
  const fixture = new ServiceFixture({ timeouts: { drainMs: 600_000 } });
  const take = (drainMs: number) => {
    const options = fixture.serviceOptions({ timeouts: { drainMs } });
    fixture.service.update(options, { route: fixture.route({}), access: true });
  };
  await fixture.connect();
  take(5000);
  const drained = fixture.service.drain();
  await fixture.clock.advanceAsync(4000);
  assertEquals(fixture.reasons, []);
  await fixture.clock.advanceAsync(1200);
  assertEquals([await drained, fixture.reasons], [1, ["cut"]]);
  await fixture.end();
});

Deno.test("a drain that is under way follows another timeouts.drain, counted from its beginning", async () => {
  const removing = { onRemove: "drain" } as const;
  for (const [drainMs, leftMs] of [[7000, 4000], [1000, 0], [20_000, 17_000]] as const) {
    const fixture = new ServiceFixture({ timeouts: { drainMs: 10_000 }, upstream: removing });
    const { served } = await fixture.connect();
    fixture.upstream.updateBackends([]);
    await fixture.clock.advanceAsync(3000);
    const options = fixture.serviceOptions({ timeouts: { drainMs } });
    fixture.service.update(options, { route: fixture.route({}), access: true });
    if (leftMs > 0) {
      await fixture.clock.advanceAsync(leftMs - 200);
      assertEquals(fixture.reasons, [], `${drainMs}`);
      await fixture.clock.advanceAsync(400);
    }
    await served;
    assertEquals(fixture.reasons, ["cut"]);
    await fixture.end();
  }
});
