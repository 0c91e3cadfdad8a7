import { assertEquals } from "@std/assert";
import { microtasks, settle } from "../support/settle.ts";
import { specs } from "../upstream/upstream_fixture.ts";
import { ServiceFixture } from "./service_fixture.ts";

Deno.test("a client that resets while we dial ends the dialling, as soon as that is no longer quick", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call();
  const { signal } = await fixture.dialler.call(0);
  end.reset();
  await fixture.clock.advanceAsync(300);
  await served;
  assertEquals([signal.aborted, fixture.reasons], [true, ["client-reset"]]);
  assertEquals([fixture.lines[0]!.fields.error, fixture.counts[0]], [undefined, "a 0 active 0 failed"]);
  await fixture.end();
});

Deno.test("a client that sends bytes and then resets aborts a slow connect", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call();
  const { signal } = await fixture.dialler.call(0);
  await end.send("hello?");
  await settle();
  end.reset();
  await fixture.clock.advanceAsync(300);
  await served;
  assertEquals([signal.aborted, fixture.reasons], [true, ["client-reset"]]);
  await fixture.end();
});

Deno.test("bytes that a client sends during a slow connect arrive in order", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call();
  await end.send("first, ");
  await fixture.clock.advanceAsync(300);
  await end.send("second");
  await settle();
  const server = await fixture.answer();
  assertEquals(await server.receive(), "first, second");
  await end.send(", third");
  assertEquals(await server.receive(), ", third");
  await end.closeWrite();
  await server.closeWrite();
  await served;
  await fixture.end();
});

Deno.test("a client that ends without a byte while we dial ends the dialling a second later", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call();
  const { signal } = await fixture.dialler.call(0);
  end.close();
  await fixture.clock.advanceAsync(1100);
  assertEquals(signal.aborted, false);
  await fixture.clock.advanceAsync(300);
  await served;
  assertEquals([signal.aborted, fixture.reasons], [true, ["client-closed"]]);
  await fixture.end();
});

Deno.test("a client that only listens is served by a backend that answers within that second", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call();
  await end.closeWrite();
  await fixture.clock.advanceAsync(800);
  const server = await fixture.answer();
  await server.send("the time is 12:00");
  await fixture.clock.advanceAsync(5000);
  assertEquals([await end.receive(), await server.receive()], ["the time is 12:00", null]);
  await server.closeWrite();
  await served;
  assertEquals(fixture.reasons, ["client-closed"]);
  await fixture.end();
});

Deno.test("a client that has sent bytes and ended its side waits for the backend", async () => {
  const fixture = new ServiceFixture();
  const { end, served } = fixture.call();
  await end.send("question");
  await end.closeWrite();
  await fixture.clock.advanceAsync(9000);
  const server = await fixture.answer();
  assertEquals([await server.receive(), await server.receive()], ["question", null]);
  await server.send("answer");
  await server.closeWrite();
  assertEquals(await end.receive(), "answer");
  await served;
  assertEquals(fixture.reasons, ["client-closed"]);
  await fixture.end();
});

Deno.test("a client that leaves while it waits at the pool's bound gives up its place", async () => {
  const pool = { maxIdle: 8, minIdle: 0, maxOpen: 1, idleTimeoutMs: 0 };
  const fixture = new ServiceFixture({ backends: specs("a"), upstream: { pool } });
  const first = await fixture.connect();
  const { end, served } = fixture.call();
  await settle();
  end.reset();
  await fixture.clock.advanceAsync(300);
  await served;
  assertEquals([fixture.reasons, fixture.upstream.backends[0]!.pool.stats.waiting], [["client-reset"], 0]);
  first.end.reset();
  await first.served;
  await fixture.end();
});

Deno.test("a cut in any moment of finding a backend counts, and leaves nothing behind", async () => {
  for (let gap = 0; gap < 30; gap++) {
    const fixture = new ServiceFixture({ backends: specs("a") });
    const { served } = fixture.call();
    (await fixture.dialler.call(0)).accept();
    await microtasks(gap);
    await fixture.service.destroy();
    await served;
    assertEquals(fixture.reasons, ["cut"], `after ${gap} steps`);
    await fixture.end();
  }
});

Deno.test("a backend that leaves the set in any moment of being found carries nothing", async () => {
  for (let gap = 0; gap < 30; gap++) {
    const fixture = new ServiceFixture({ backends: specs("a") });
    const { served } = fixture.call();
    (await fixture.dialler.call(0)).accept();
    await microtasks(gap);
    fixture.upstream.updateBackends([]);
    await served;
    const [reason] = fixture.reasons;
    assertEquals(
      ["no-backend", "backend-removed"].includes(String(reason)),
      true,
      `${reason} after ${gap} steps`,
    );
    await fixture.end();
  }
});
