import { assertEquals, assertRejects } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { ControlPlane } from "../../../src/app/control/control_plane.ts";
import { formatAddress } from "../../../src/net/address.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { AppFixture, closed, configText, gone } from "./app_fixture.ts";

const LOCAL = "127.0.0.1:0";
const ONE = configText({
  upstreams: { db: ["a"] },
  services: { postgres: { listen: [LOCAL, LOCAL], upstream: "db" } },
  timeouts: { drain: "5s" },
});

Deno.test("a configuration becomes listeners, services and upstreams that carry", async () => {
  const fixture = new AppFixture();
  assertEquals([fixture.controlPlane.state, (await fixture.services()).length], ["starting", 0]);
  await fixture.apply(ONE);
  const [service] = await fixture.services();
  assertEquals([fixture.controlPlane.state, service!.name, service!.upstream], ["ready", "postgres", "db"]);
  const ports = [fixture.port("postgres", 0), fixture.port("postgres", 1)];
  assertEquals(service!.listeners.map(formatAddress), ports.map((port) => `127.0.0.1:${port}`));
  for (const port of ports) {
    const { client, server } = await fixture.connect(port);
    await server.send("answer");
    const buffer = new Uint8Array(10);
    assertEquals(await client.read(buffer), 6);
    client.close();
    assertEquals(await server.receive(), null);
    server.close();
  }
  await fixture.end();
  assertEquals((await fixture.services())[0]!.total, 2);
  const lines = fixture.log.lines.filter(({ message }) => message === "listening");
  assertEquals(lines.map(({ fields }) => fields.listener), ports.map((port) => `127.0.0.1:${port}`));
});

Deno.test("what can't be bound is refused, and nothing of it stays bound", async () => {
  const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = taken.addr;
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const freePort = free.addr.port;
  free.close();
  const fixture = new AppFixture();
  const listen = [`127.0.0.1:${freePort}`, `127.0.0.1:${port}`];
  const text = configText({ upstreams: { db: ["a"] }, services: { postgres: { listen, upstream: "db" } } });
  const error = await assertRejects(() => fixture.apply(text), CulvertError, `127.0.0.1:${port}`);
  assertEquals([error.code, fixture.controlPlane.state, (await fixture.services()).length], [
    "listen_failed",
    "starting",
    0,
  ]);
  Deno.listen({ hostname: "127.0.0.1", port: freePort }).close();
  taken.close();
  await fixture.end();
});

Deno.test("drain stops listening at once and waits for what lives", async () => {
  const fixture = new AppFixture();
  await fixture.apply(ONE);
  const port = fixture.port("postgres");
  const { client, server } = await fixture.connect(port);
  const drained = fixture.controlPlane.drain();
  assertEquals(fixture.controlPlane.state, "draining");
  await closed(port);
  await client.write(new TextEncoder().encode("more"));
  assertEquals(await server.receive(), "more");
  client.close();
  assertEquals(await server.receive(), null);
  server.close();
  assertEquals([await drained, fixture.controlPlane.state], [0, "stopped"]);
  const stopping = fixture.log.lines.find(({ message }) => message === "draining");
  assertEquals(stopping?.fields, { connections: 1 });
  await fixture.end();
});

Deno.test("what has not finished when the drain's time is up is cut and counted", async () => {
  const fixture = new AppFixture();
  await fixture.apply(ONE);
  const connected = await fixture.connect(fixture.port("postgres"));
  const drained = fixture.controlPlane.drain();
  fixture.clock.advance(4900);
  assertEquals((await fixture.services())[0]!.active, 1);
  fixture.clock.advance(200);
  assertEquals([await drained, (await fixture.services())[0]!.ended], [1, { cut: 1 }]);
  await gone(connected);
  await fixture.end();
});

Deno.test("destroy interrupts a drain", async () => {
  const fixture = new AppFixture();
  await fixture.apply(ONE);
  const connected = await fixture.connect(fixture.port("postgres"));
  const drained = fixture.controlPlane.drain();
  await fixture.controlPlane.destroy();
  assertEquals([await drained, fixture.controlPlane.state, fixture.clock.now()], [1, "stopped", 0]);
  await gone(connected);
  await fixture.end();
});

Deno.test("a configuration that comes while draining changes nothing and binds nothing", async () => {
  const fixture = new AppFixture();
  await fixture.apply(ONE);
  const connected = await fixture.connect(fixture.port("postgres"));
  const drained = fixture.controlPlane.drain();
  const other = configText({
    upstreams: { db: ["a"] },
    services: { other: { listen: [LOCAL], upstream: "db" } },
  });
  const refused = () => assertRejects(() => fixture.apply(other), CulvertError, "the program is stopping");
  assertEquals((await refused()).code, "draining");
  assertEquals([fixture.controlPlane.state, (await fixture.services()).map(({ name }) => name)], [
    "draining",
    ["postgres"],
  ]);
  await fixture.controlPlane.destroy();
  await drained;
  assertEquals((await refused()).code, "draining");
  await gone(connected);
  await fixture.end();
});

Deno.test("a configuration that is overtaken by the stop while it binds is refused, and closes what it bound", async () => {
  const fixture = new AppFixture();
  await fixture.apply(ONE);
  const applying = fixture.apply(configText({
    upstreams: { db: ["a"] },
    services: { other: { listen: [LOCAL], upstream: "db" } },
  }));
  const drained = fixture.controlPlane.drain();
  assertEquals((await assertRejects(() => applying, CulvertError)).code, "draining");
  assertEquals([await drained, (await fixture.services()).map(({ name }) => name)], [0, ["postgres"]]);
  await fixture.end();
});

Deno.test("an app that never ran anything stops", async () => {
  const app = new ControlPlane({ log: new RecordingLog() });
  assertEquals([await app.drain(), app.state], [0, "stopped"]);
});
