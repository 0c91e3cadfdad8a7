import { assert, assertEquals, assertRejects } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { ending, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { until } from "../support/wait.ts";
import { DataPlanesFixture, mainService, snapshotOf } from "./data_planes_fixture.ts";

/** The name that each client hears, or `refused`. */
async function greetings(clients: readonly Deno.Conn[]): Promise<string[]> {
  return await Promise.all(clients.map((client) => readLine(client).catch(() => "refused")));
}

function count(names: readonly string[], name: string): number {
  return names.filter((each) => each === name).length;
}

function closeAll(clients: readonly Deno.Conn[]): void {
  for (const client of clients) client.close();
}

Deno.test("maxConnections of a service holds for all workers together, and is free again at once", async () => {
  using backend = startBackend(greet("a"));
  await using fixture = new DataPlanesFixture();
  await fixture.change(mainService({ backends: [backend.address], service: "maxConnections: 5, " }), 3);
  for (let round = 0; round < 3; round++) {
    const clients = await fixture.clients(12);
    const heard = await greetings(clients);
    assertEquals([count(heard, "a"), count(heard, "refused")], [5, 7], `round ${round}`);
    const { services } = await fixture.dataPlanes.report();
    assertEquals([services[0]!.active, services[0]!.rejected], [5, 7 * (round + 1)]);
    closeAll(clients);
    await until(async () => (await fixture.dataPlanes.report()).services[0]!.active === 0, {
      what: "the end",
    });
  }
});

Deno.test("maxConnections and maxOpen of a backend, rate and maxHandshakes hold for all workers", async () => {
  using backend = startBackend(greet("a"));
  await using fixture = new DataPlanesFixture();
  const one = `{address: "${backend.address}", maxConnections: 4}`;
  const config = (service: string, upstream = "", backends = `"${backend.address}"`) =>
    `upstreams: {main: {${upstream}backends: [${backends}]}}
services: [{name: main, ${service}listen: ["127.0.0.1:0"], upstream: main}]`;
  const heardWith = async (text: string) => {
    await fixture.change(text, 3);
    const clients = await fixture.clients(10);
    const heard = await greetings(clients);
    closeAll(clients);
    await until(async () => (await fixture.dataPlanes.report()).services[0]!.active === 0, {
      what: "the end",
    });
    return heard;
  };
  assertEquals(count(await heardWith(config("", "", one)), "a"), 4);
  const rate = "rate: {connections: 6, per: 1h}, ";
  assertEquals(count(await heardWith(config(rate)), "a"), 6);

  const proxied = "proxyProtocol: true, trusted: [127.0.0.1], maxHandshakes: 4, handshakeGrace: 1m, ";
  await fixture.change(config(proxied), 3);
  const silent = await fixture.clients(10);
  await until(async () => (await fixture.dataPlanes.report()).services[0]!.rejected >= 10, {
    what: "6 more",
  });
  assertEquals((await fixture.dataPlanes.report()).services[0]!.handshakes, 4);
  closeAll(silent);

  // Clients wait for the pool, and those of one worker get what another one gives back.
  await fixture.change(config("", "pool: {maxOpen: 3, maxIdle: 3}, "), 3);
  const { accepted } = backend;
  const clients = await fixture.clients(9);
  await until(() => backend.accepted === accepted + 3, { what: "3 connections" });
  const names = clients.map(async (client) => {
    const name = await readLine(client);
    assert(backend.live.size <= 3, String(backend.live.size));
    client.close();
    return name;
  });
  assertEquals(count(await Promise.all(names), "a"), 9);
});

Deno.test("a worker that fails takes only its own connections, is counted, and is replaced", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  await using fixture = new DataPlanesFixture();
  const { dataPlanes, log } = fixture;
  const config = mainService({
    backends: [a.address, b.address],
    upstream: "health: {type: tcp}, ",
    service: "maxConnections: 20, ",
  });
  await fixture.change(config, 2);
  dataPlanes.setHealth("main", new Map([[a.address, "up"], [b.address, "down"]]));
  const clients = await fixture.clients(20);
  assertEquals(new Set(await greetings(clients)), new Set(["a"]));
  await until(() => dataPlanes.workers.reduce((sum, { connections }) => sum + connections, 0) === 20, {
    what: "a report of both workers",
  });
  const [, second] = dataPlanes.workers;
  fixture.fail(2);
  await until(() => log.lines.some((line) => line.message.includes("worker failed")), {
    what: "the failure",
  });
  const ended = await Promise.all(clients.map(async (client) => {
    try {
      return await exchange(client, "still there") === "still there" ? "open" : "gone";
    } catch {
      return "gone";
    }
  }));
  assertEquals(count(ended, "gone"), second!.connections);
  const report = (await dataPlanes.report()).services[0]!;
  assertEquals(report.ended["worker-failed"] ?? 0, second!.connections);
  assertEquals([report.active, report.total], [20 - second!.connections, 20]);

  await until(() => log.lines.some((line) => line.message.includes("worker replaced")), {
    what: "the replacement",
  });
  assertEquals(dataPlanes.workers.map(({ number, state, failures }) => [number, state, failures]), [
    [1, "running", 0],
    [2, "running", 1],
  ]);
  // Its places are free, and the new worker knows which backend is down.
  const more = await fixture.clients(second!.connections + 2);
  const heard = await greetings(more);
  assertEquals([count(heard, "a"), count(heard, "refused")], [second!.connections, 2]);
  closeAll([...clients, ...more]);
});

Deno.test("the number of workers changes without the end of a connection", async () => {
  using backend = startBackend(greet("a"));
  await using fixture = new DataPlanesFixture();
  const config = mainService({ backends: [backend.address], service: "maxConnections: 9, " });
  const clients: Deno.Conn[] = [];
  for (const workers of [1, 3, 2, 1]) {
    const address = fixture.bound.get("main");
    await fixture.change(config, workers);
    if (address !== undefined) assertEquals(fixture.bound.get("main"), address);
    clients.push(...await fixture.clients(2));
    for (const client of clients.slice(-2)) assertEquals(await readLine(client), "a");
    for (const client of clients) assertEquals(await exchange(client, "hello"), "hello");
  }
  const [last, refused] = await fixture.clients(2);
  assertEquals(await readLine(last!), "a");
  await ending(refused!);
  const report = (await fixture.dataPlanes.report()).services[0]!;
  assertEquals([report.active, report.total, report.rejected], [9, 9, 1]);
  assertEquals(fixture.log.lines.filter((line) => line.message.includes("listening")).length, 1);
  closeAll([...clients, last!, refused!]);
  await until(() => fixture.dataPlanes.workers.length === 0, { what: "the end of the workers" });
});

Deno.test("a plan that one thread cannot prepare changes none, and what was bound is free", async () => {
  using backend = startBackend(greet("a"));
  using other = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  await using fixture = new DataPlanesFixture();
  await fixture.change(mainService({ backends: [backend.address] }), 2);
  const taken = `upstreams: {main: {backends: ["${backend.address}"]}}
services:
  - {name: main, listen: ["127.0.0.1:0"], upstream: main}
  - {name: taken, listen: ["127.0.0.1:${other.addr.port}"], upstream: main}`;
  for (const workers of [2, 3, 1]) {
    const prepared = fixture.dataPlanes.prepare(snapshotOf(taken), { workers });
    const error = await assertRejects(() => prepared, CulvertError);
    assertEquals(error.code, "listen_failed");
    assertEquals((await fixture.dataPlanes.report()).services.map(({ name }) => name), ["main"]);
    assertEquals(fixture.dataPlanes.workers.map(({ state }) => state), ["running", "running"]);
  }
  const clients = await fixture.clients(4);
  assertEquals(await greetings(clients), ["a", "a", "a", "a"]);
  closeAll(clients);
});

Deno.test("failures that all workers see eject a backend in all of them, and are logged once", async () => {
  using good = startBackend(greet("good"));
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${gone.addr.port}`;
  gone.close();
  await using fixture = new DataPlanesFixture();
  const upstream = "outlier: {failures: 6, ejection: 1m}, ";
  await fixture.change(mainService({ backends: [good.address, address], upstream }), 3);
  const clients: Deno.Conn[] = [];
  for (let each = 0; each < 30; each++) {
    const [client] = await fixture.clients(1);
    assertEquals(await readLine(client!), "good");
    clients.push(client!);
  }
  const ejected = fixture.log.lines.filter((line) => line.message.includes("backend is ejected"));
  assertEquals(ejected.length, 1);
  const { backends } = (await fixture.dataPlanes.reportUpstream("main"))!;
  const bad = backends.find(({ key }) => key === address)!;
  assertEquals(bad.state, "ejected");
  assertEquals(bad.failures, 6);
  const more = await fixture.clients(10);
  assertEquals(count(await greetings(more), "good"), 10);
  assertEquals((await fixture.dataPlanes.reportUpstream("main"))!.backends[1]!.failures, bad.failures);
  closeAll([...clients, ...more]);
});

Deno.test("a backend stays ejected while the number of workers changes, from and to 1", async () => {
  using good = startBackend(greet("good"));
  const gone = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${gone.addr.port}`;
  gone.close();
  await using fixture = new DataPlanesFixture();
  const upstream = "outlier: {failures: 2, ejection: 10m}, ";
  const config = mainService({ backends: [good.address, address], upstream });
  const state = async () => (await fixture.dataPlanes.reportUpstream("main"))!.backends[1]!;
  const greetMany = async () => {
    const clients = await fixture.clients(8);
    assertEquals(count(await greetings(clients), "good"), 8);
    closeAll(clients);
  };
  await fixture.change(config, 1);
  await greetMany();
  assertEquals((await state()).state, "ejected");
  for (const workers of [2, 1]) {
    await fixture.change(config, workers);
    const { failures } = await state();
    await greetMany();
    const now = await state();
    assertEquals([now.state, now.failures], ["ejected", failures], `${workers} workers`);
  }
});

Deno.test("while one worker drains, the report has all backends; an end at once tells what it has cut", async () => {
  using backend = startBackend(greet("a"));
  await using fixture = new DataPlanesFixture();
  const { dataPlanes, log } = fixture;
  await fixture.change(mainService({ backends: [backend.address] }), 2);
  const [client] = await fixture.clients(1);
  assertEquals(await readLine(client!), "a");
  const drained = dataPlanes.drain();
  await until(() => log.lines.some(({ message }) => message === "draining"), { what: "the drain" });
  const { upstreams } = await dataPlanes.report();
  assertEquals(upstreams[0]!.backends.map(({ key }) => key), [backend.address]);
  assertEquals((await dataPlanes.availability()).map(({ available }) => available), [true]);
  await dataPlanes.destroy();
  assertEquals(await drained, 1);
  client!.close();
});
