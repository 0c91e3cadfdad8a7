import { assert, assertEquals, assertRejects } from "@std/assert";
import { parseConfig } from "../../../src/config/parse.ts";
import { CulvertError } from "../../../src/core/errors.ts";
import { settle } from "../../support/settle.ts";
import { until } from "../../support/wait.ts";
import { AppFixture, closed, configText, gone } from "./app_fixture.ts";

const LOCAL = "127.0.0.1:0";
const web = (upstream = "app") => ({ web: { listen: [LOCAL], upstream } });

Deno.test("a listener that stays keeps its socket, and live connections go on", async () => {
  const fixture = new AppFixture();
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services: web() }));
  const port = fixture.port("web");
  const { client, server } = await fixture.connect(port);
  await fixture.apply(configText({ upstreams: { app: ["a", "b"] }, services: web() }));
  assertEquals(fixture.port("web"), port);
  await client.write(new TextEncoder().encode("more"));
  assertEquals(await server.receive(), "more");
  assertEquals(fixture.log.messages.filter((message) => message.includes("listening")), ["listening"]);
  assertEquals([(await fixture.services())[0]!.active, (await fixture.services())[0]!.total], [1, 1]);
  client.close();
  await server.receive();
  server.close();
  await fixture.end();
});

Deno.test("no client is refused while the configuration changes again and again", async () => {
  const fixture = new AppFixture();
  const texts = ["a", "b"].map((host) => configText({ upstreams: { app: [host] }, services: web() }));
  await fixture.apply(texts[0]!);
  const port = fixture.port("web");
  let served = 0;
  const calls = (async () => {
    for (let i = 0; i < 50; i++) {
      (await Deno.connect({ hostname: "127.0.0.1", port })).close();
      served++;
    }
  })();
  for (let i = 1; served < 50; i++) {
    await fixture.apply(texts[i % 2]!);
    await settle();
  }
  await calls;
  await until(async () => (await fixture.services())[0]!.total === 50, { what: "all to be accepted" });
  await fixture.end();
});

Deno.test("new connections follow the new configuration at once", async () => {
  const fixture = new AppFixture();
  const upstreams = { app: ["a"], other: ["b"] };
  await fixture.apply(configText({ upstreams, services: web("app") }));
  const first = await fixture.connect(fixture.port("web"));
  await fixture.apply(configText({ upstreams, services: web("other") }));
  const second = await fixture.connect(fixture.port("web"));
  assertEquals([fixture.asked, (await fixture.services())[0]!.active], ["a b", 2]);
  await fixture.controlPlane.destroy();
  for (const connected of [first, second]) await gone(connected);
  await fixture.end();
});

Deno.test("onRemove: close ends what a removed backend carries, drain lets it finish", async () => {
  for (const onRemove of ["close", "drain"]) {
    const fixture = new AppFixture();
    const config = (hosts: string[]) =>
      configText({
        upstreams: { app: hosts },
        services: web(),
        policy: { onRemove },
        timeouts: { drain: "5s" },
      });
    await fixture.apply(config(["a"]));
    const connected = await fixture.connect(fixture.port("web"));
    await fixture.apply(config(["b"]));
    if (onRemove === "drain") {
      await connected.client.write(new TextEncoder().encode("more"));
      assertEquals(await connected.server.receive(), "more");
      fixture.clock.advance(5200);
    }
    await gone(connected);
    const reason = onRemove === "close" ? "backend-removed" : "cut";
    assertEquals((await fixture.services())[0]!.ended, { [reason]: 1 });
    await fixture.end();
  }
});

Deno.test("a service that has left stops listening, and its live connections drain", async () => {
  const fixture = new AppFixture();
  const timeouts = { drain: "5s" };
  const services = { ...web(), gone: { listen: [LOCAL], upstream: "app" } };
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services, timeouts }));
  const port = fixture.port("gone");
  const { client, server } = await fixture.connect(port);
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services: web(), timeouts }));
  await closed(port);
  assertEquals((await fixture.services()).map(({ name }) => name), ["web"]);
  await client.write(new TextEncoder().encode("more"));
  assertEquals(await server.receive(), "more");
  const drained = fixture.controlPlane.drain(); // Also waits for the one that has left.
  fixture.clock.advance(5200);
  assertEquals(await drained, 1);
  await gone({ client, server });
  await fixture.end();
});

Deno.test("a service that leaves together with its upstream has its time all the same", async () => {
  const fixture = new AppFixture();
  const timeouts = { drain: "5s" };
  const all = { a: ["a"], b: ["b"], c: ["c"] };
  const leaving = { first: { listen: [LOCAL], upstream: "a" }, second: { listen: [LOCAL], upstream: "b" } };
  const services = { web: { listen: [LOCAL], upstream: "c" } };
  await fixture.apply(configText({ upstreams: all, services: { ...leaving, ...services }, timeouts }));
  const first = await fixture.connect(fixture.port("first"));
  const second = await fixture.connect(fixture.port("second"));
  // The second service leaves first, its upstream later.
  const next = { ...services, first: leaving.first };
  await fixture.apply(configText({ upstreams: all, services: next, timeouts }));
  await fixture.apply(configText({ upstreams: { c: ["c"] }, services, timeouts }));
  assertEquals(fixture.controlPlane.upstreams.map(({ name }) => name), ["c"]);
  for (const { client, server } of [first, second]) {
    await client.write(new TextEncoder().encode("more"));
    assertEquals(await server.receive(), "more");
  }
  first.client.close();
  assertEquals(await first.server.receive(), null);
  first.server.close();
  fixture.clock.advance(5200);
  await gone(second);
  await settle();
  assertEquals(fixture.dialler.unclosed, 0);
  await fixture.end();
});

Deno.test("the end of everything is the end of upstreams that have left too", async () => {
  const fixture = new AppFixture();
  const upstreams = { app: ["a"], other: ["b"] };
  const services = { ...web(), gone: { listen: [LOCAL], upstream: "other" } };
  const policy = { pool: { minIdle: 1 } };
  await fixture.apply(configText({ upstreams, services }));
  const connected = await fixture.connect(fixture.port("gone"));
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services: web(), policy }));
  await fixture.controlPlane.destroy();
  await gone(connected);
  await fixture.end();
});

Deno.test("an upstream that has left closes its pools, one that stays keeps them", async () => {
  const fixture = new AppFixture();
  const policy = { pool: { minIdle: 1 } };
  const upstreams = { app: ["a"], other: ["b"] };
  await fixture.apply(configText({ upstreams, services: web(), policy }));
  for (let i = 0; i < 2; i++) (await fixture.dialler.call(i)).accept();
  await settle();
  assertEquals(fixture.dialler.unclosed, 2);
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services: web(), policy }));
  await settle();
  assertEquals([fixture.controlPlane.upstreams.map(({ name }) => name), fixture.dialler.unclosed], [[
    "app",
  ], 1]);
  assert(!fixture.dialler.dialled[0]!.closed);
  await fixture.end();
});

Deno.test("a configuration that can't be made leaves everything as it was, and binds nothing", async () => {
  const fixture = new AppFixture();
  const upstreams = { app: ["a"], other: ["b"] };
  await fixture.apply(configText({ upstreams, services: web() }));
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  taken.close();
  const services = { ...web("other"), more: { listen: [`127.0.0.1:${port}`], upstream: "other" } };
  const config = parseConfig(configText({ upstreams, services }), { name: "test.yaml", folder: "." });
  const http = { method: "HEAD", body: "ok" };
  const health = { type: "http", http, intervalMs: 1000, timeoutMs: 500, rise: 1, fall: 1 } as const;
  // One that parsing would have refused.
  const bad = new Map([...config.upstreams].map(([name, each]) => [name, { ...each, health }]));
  await assertRejects(() => fixture.apply({ ...config, upstreams: bad }), CulvertError, "HEAD");
  Deno.listen({ hostname: "127.0.0.1", port }).close();
  assertEquals((await fixture.services()).map(({ name, upstream }) => [name, upstream]), [["web", "app"]]);
  assertEquals(fixture.controlPlane.upstreams.map(({ name }) => name), ["app", "other"]);
  await fixture.apply(configText({ upstreams, services }));
  assertEquals(fixture.port("more"), port);
  await fixture.end();
});

Deno.test("a listener that can't be bound leaves everything as it was", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const fixture = new AppFixture();
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services: web() }));
  const port = fixture.port("web");
  const listen = [LOCAL, `127.0.0.1:${taken.addr.port}`];
  const services = { ...web(), other: { listen, upstream: "app" } };
  await assertRejects(() => fixture.apply(configText({ upstreams: { app: ["b"] }, services })));
  assertEquals([fixture.controlPlane.state, (await fixture.services()).map(({ name }) => name)], ["ready", [
    "web",
  ]]);
  const connected = await fixture.connect(port);
  assertEquals(fixture.asked, "a");
  await fixture.controlPlane.destroy();
  await gone(connected);
  taken.close();
  await fixture.end();
});
