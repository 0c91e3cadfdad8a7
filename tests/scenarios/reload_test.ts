import { assertEquals, assertGreater } from "@std/assert";
import { Load } from "../support/load.ts";
import { connect, ending, exchange, greet, readLine, refused, startBackend } from "../support/peers.ts";
import { type Culvert, HEAD, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";

Deno.test("reloads under load refuse no connection, and changes of the backends are followed", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const one = proxyConfig({ backends: [a.address], upstream: "onRemove: drain" });
  const both = proxyConfig({ backends: [a.address, b.address], upstream: "onRemove: drain" });
  await using culvert = await startCulvert(one, { later: [both] });
  using tunnel = await connect(culvert.port("main"));
  assertEquals(await readLine(tunnel), "a");

  const load = new Load(culvert.port("main"));
  for (let round = 0; round < 15; round++) {
    await culvert.reload(both);
    const servedByB = load.served.get("b") ?? 0;
    await load.more(50);
    assertGreater(load.served.get("b") ?? 0, servedByB);
    await culvert.reload(one);
    await load.more(20); // Connections that were pending have arrived by then.
    const acceptedByB = b.accepted;
    await load.more(50);
    assertEquals(b.accepted, acceptedByB);
  }
  await load.stop();
  assertEquals(load.errors, []);
  assertEquals(await exchange(tunnel, "still the same tunnel"), "still the same tunnel");
  assertEquals(culvert.found({ message: "listening" }).length, 1);
  tunnel.close();
  await culvert.finish();
});

Deno.test("SIGHUPs in quick succession under load end with the last configuration", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const config = (address: string) => proxyConfig({ backends: [address], upstream: "onRemove: drain" });
  await using culvert = await startCulvert(config(a.address), { later: [config(b.address)] });
  const load = new Load(culvert.port("main"));
  for (let i = 0; i < 50; i++) {
    await culvert.write(config(i % 2 === 0 ? b.address : a.address));
    culvert.signal("SIGHUP");
  }
  await culvert.write(`${config(b.address)}  - {name: last, listen: ["127.0.0.1:0"], upstream: main}\n`);
  culvert.signal("SIGHUP");
  await culvert.waitFor({ message: "listening", service: "last" });
  await load.more(20);
  const { accepted } = a;
  await load.more(50);
  assertEquals(a.accepted, accepted);
  await load.stop();
  assertEquals(load.errors, []);
  await culvert.finish(1);
});

Deno.test("onRemove: close ends live connections of a removed backend at once, and no others", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const both = proxyConfig({ backends: [a.address, b.address], upstream: "onRemove: close" });
  const one = proxyConfig({ backends: [a.address], upstream: "onRemove: close" });
  await using culvert = await startCulvert(both);
  const { atA, atB } = await connectToBoth(culvert);

  await culvert.reload(one);
  await ending(atB);
  const closed = await culvert.waitFor({ message: "connection closed" });
  assertEquals([closed.reason, closed.backend], ["backend-removed", b.address]);
  assertEquals(await exchange(atA, "not me"), "not me");

  atA.close();
  atB.close();
  await culvert.finish();
});

Deno.test("onRemove: drain lets live connections of a removed backend finish, within timeouts.drain", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const config = (backends: string[], drain: string) =>
    proxyConfig({ backends, upstream: "onRemove: drain", timeouts: `drain: ${drain}` });
  await using culvert = await startCulvert(config([a.address, b.address], "20s"));
  const { atA, atB } = await connectToBoth(culvert);

  await culvert.reload(config([a.address], "20s"));
  assertEquals(await exchange(atB, "let me finish"), "let me finish");
  using next = await connect(culvert.port("main"));
  assertEquals(await readLine(next), "a");
  atB.close();
  await culvert.waitFor({ message: "connection closed", backend: b.address, reason: "drained" });

  // With less time than it takes, it is cut.
  await culvert.reload(config([a.address, b.address], "500ms"));
  const again = await connectToBoth(culvert);
  await culvert.reload(config([a.address], "500ms"));
  await ending(again.atB);
  await culvert.waitFor({ message: "connection closed", backend: b.address, reason: "cut" });
  assertEquals(await exchange(again.atA, "not me"), "not me");

  for (const connection of [atA, again.atA, again.atB, next]) connection.close();
  await culvert.finish();
});

Deno.test("a file that is replaced by a rename is noticed where its folder may be read", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const first = proxyConfig({ backends: [a.address] });
  const second = proxyConfig({ backends: [b.address] });
  await using culvert = await startCulvert(first, { later: [second], watching: true });
  for (const [round, config] of [second, first, second].entries()) {
    await culvert.write(config);
    await culvert.waitFor({ message: "reloaded", why: "the file has changed" }, round + 1);
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), config === second ? "b" : "a");
  }
  await Deno.writeTextFile(culvert.folder.file("unrelated"), "of no interest");
  await Deno.writeTextFile(culvert.file, first); // In place, as some editors do.
  await culvert.waitFor({ message: "reloaded", why: "the file has changed" }, 4);
  assertEquals(culvert.found({ message: "reloaded" }).length, 4);
  await culvert.finish();
});

Deno.test("a service that leaves with the upstream in it has drain to finish", async () => {
  using a = startBackend(greet("a"));
  using b = startBackend(greet("b"));
  const one = proxyConfig({ backends: [a.address] });
  const two = `${one}  - {name: extra, listen: ["127.0.0.1:0"], upstream: {backends: ["${b.address}"]}}\n`;
  await using culvert = await startCulvert(one, { later: [two] });
  await culvert.reload(two);
  using leaving = await connect(culvert.port("extra"));
  assertEquals(await readLine(leaving), "b");
  await culvert.reload(one);
  await culvert.waitFor({ message: "stopped listening" });
  assertEquals(await exchange(leaving, "finishing"), "finishing");
  leaving.close();
  await culvert.waitFor({ message: "connection closed", service: "extra", reason: "drained" });
  await culvert.finish();
});

Deno.test("a reload opens listeners that are new and closes those that have gone; their connections finish", async () => {
  using a = startBackend(greet("a"));
  const one = proxyConfig({ backends: [a.address] });
  const two = `${one}  - {name: extra, listen: ["127.0.0.1:0", "[::1]:0"], upstream: main}\n`;
  await using culvert = await startCulvert(one, { later: [two] });
  const load = new Load(culvert.port("main"), { clients: 2 });

  await culvert.reload(two);
  const ports = [culvert.port("extra", 0), culvert.port("extra", 1)];
  using leaving = await connect(ports[0]!);
  assertEquals(await readLine(leaving), "a");

  await culvert.reload(one);
  await culvert.waitFor({ message: "stopped listening" }, 2);
  await refused(ports[0]!);
  await refused(ports[1]!, "::1");
  assertEquals(await exchange(leaving, "finishing"), "finishing");
  leaving.close();
  await culvert.waitFor({ message: "connection closed", service: "extra", reason: "drained" });

  await load.more(20);
  await load.stop();
  assertEquals(load.errors, []);
  await culvert.finish();
});

Deno.test("a reload may change the log's level and the limits of a service that goes on", async () => {
  using a = startBackend(greet("a"));
  await using culvert = await startCulvert(proxyConfig({ backends: [a.address] }));
  using tunnel = await connect(culvert.port("main"));
  assertEquals(await readLine(tunnel), "a");
  await culvert.reload(proxyConfig({ backends: [a.address], service: "maxConnections: 1" }));
  using refused = await connect(culvert.port("main"));
  await ending(refused);
  await culvert.waitFor({ message: "connection refused", reason: "refused-by-limit" });

  await culvert.reload(
    proxyConfig({ backends: [a.address], head: HEAD.replace("debug", "debug, access: false") }),
  );
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), "a");
  }
  tunnel.close();
  await culvert.settled();
  assertEquals(culvert.found({ message: "connection closed" }), []);
  await culvert.finish();
});

/** Connects to each of two backends that take turns, `a` first or `b` first. */
async function connectToBoth(culvert: Culvert): Promise<{ atA: Deno.TcpConn; atB: Deno.TcpConn }> {
  const connections = [await connect(culvert.port("main")), await connect(culvert.port("main"))];
  const names = [await readLine(connections[0]!), await readLine(connections[1]!)];
  assertEquals(names.toSorted(), ["a", "b"]);
  return { atA: connections[names.indexOf("a")]!, atB: connections[names.indexOf("b")]! };
}
