import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { AdminClient } from "../support/admin_client.ts";
import { callOneByOne, connectToEach } from "../support/calls.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { discoveringConfig, sourceOf, untilSet, untilSource } from "../support/discovered.ts";
import { DNSMASQ, type DnsServer, KNOT, startDnsmasq, startKnot } from "../support/dns_server.ts";
import { testWith } from "../support/installed.ts";
import { Member } from "../support/member.ts";
import { connect, ending, exchange, readLine } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { until } from "../support/wait.ts";

const CLOSED = { message: "connection closed" };
const FAILS = { message: "discovery failed, keeping the last set" };
const GOOD = { message: "discovery recovered" };

/** The addresses of `db.internal`, as dnsmasq reads them. */
function hosts(...members: readonly Member[]): string {
  return members.map(({ hostname }) => `${hostname} db.internal\n`).join("");
}

/** The addresses of `db.internal` at a server are backends, all with one port. */
function addresses(server: DnsServer, { port, more = "" }: { port: number; more?: string }): string {
  return `{dns: {name: db.internal, port: ${port}, interval: 1s, server: "${server.address}"}${more}}`;
}

testWith(
  DNSMASQ,
  "connections follow the addresses of a name; those of one that is gone end, or drain",
  async () => {
    using a = new Member("a");
    const { port } = a;
    using b = new Member("b", { port });
    using c = new Member("c", { port });
    await using dns = await startDnsmasq(hosts(a, b));
    const config = (onRemove: string) =>
      discoveringConfig({ discover: addresses(dns, { port }), upstream: `onRemove: ${onRemove}` });
    await using culvert = await startCulvert(config("close"));
    using admin = new AdminClient(culvert);
    await admin.ready();
    assertEquals((await sourceOf(admin)).name, `dns A db.internal at ${dns.address}`);
    const resting = await restingDescriptors(culvert);
    const clients = await connectToEach(culvert, 2);

    await dns.write(hosts(b, c));
    await ending(clients.get("a")!);
    const closed = await culvert.waitFor(CLOSED);
    assertEquals([closed.reason, closed.backend], ["backend-removed", a.address]);
    await untilSet(admin, [b.address, c.address]);
    assertEquals(await exchange(clients.get("b")!, "not me"), "not me");
    assertEquals((await callOneByOne(culvert, 4)).toSorted(), ["b", "b", "c", "c"]);

    await culvert.reload(config("drain"));
    await dns.write(hosts(c));
    await untilSet(admin, [c.address]);
    assertEquals(await exchange(clients.get("b")!, "let me finish"), "let me finish");
    assertEquals(await callOneByOne(culvert, 3), ["c", "c", "c"]);
    for (const client of clients.values()) client.close();
    await culvert.waitFor({ ...CLOSED, backend: b.address, reason: "drained" });
    assertEquals([culvert.found(FAILS), a.accepted], [[], 1]);
    await finishChecked(culvert, resting);
  },
);

testWith(
  DNSMASQ,
  "while the DNS server is away the last set goes on, and status and log say so",
  async () => {
    using a = new Member("a");
    const { port } = a;
    using b = new Member("b", { port });
    await using dns = await startDnsmasq(hosts(a));
    await using culvert = await startCulvert(discoveringConfig({ discover: addresses(dns, { port }) }));
    using admin = new AdminClient(culvert);
    await admin.ready();
    const resting = await restingDescriptors(culvert);
    using tunnel = await connect(culvert.port("main"));
    assertEquals(await readLine(tunnel), "a");

    await dns.stop();
    const { error, size, lastSetAt, since } = await untilSource(admin, "failing");
    assertStringIncludes(error!, `Cannot resolve "db.internal" (A) at ${dns.address}: over TCP`);
    assert(lastSetAt! <= since);
    assertEquals([size, await admin.unready()], [1, []]);
    assertEquals(await callOneByOne(culvert, 2), ["a", "a"]);
    const failed = await culvert.waitFor(FAILS);
    assertEquals([failed.level, failed.upstream, failed.backends], ["WARN", "main", 1]);
    assertStringIncludes(String(failed.error), `Cannot resolve "db.internal" (A) at ${dns.address}`);

    await dns.write(hosts(a, b));
    await dns.start();
    await culvert.waitFor(GOOD);
    await untilSet(admin, [a.address, b.address]);
    const source = await sourceOf(admin);
    assertEquals([source.state, source.error, source.size], ["ok", undefined, 2]);
    assertEquals(await exchange(tunnel, "all the while"), "all the while");
    assertEquals([culvert.found(FAILS).length, culvert.found(GOOD).length], [1, 1]);
    tunnel.close();
    await finishChecked(culvert, resting);
  },
);

testWith(DNSMASQ, "an answer without an address empties the set, unless keepOnEmpty keeps it", async () => {
  using a = new Member("a");
  const { port } = a;
  await using dns = await startDnsmasq(hosts(a));
  const believing = discoveringConfig({ discover: addresses(dns, { port }) });
  const keeping = discoveringConfig({ discover: addresses(dns, { port, more: ", keepOnEmpty: true" }) });
  await using culvert = await startCulvert(believing);
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert);

  await dns.write("");
  await untilSet(admin, []);
  assertEquals(await admin.unready(), ["upstream main: no backend is available (there is none)"]);
  assertEquals((await sourceOf(admin)).state, "ok");
  using refused = await connect(culvert.port("main"));
  await ending(refused);
  assertEquals((await culvert.waitFor(CLOSED)).reason, "no-backend");
  await dns.write(hosts(a));
  await admin.ready();
  assertEquals(await callOneByOne(culvert, 1), ["a"]);

  await culvert.reload(keeping);
  await untilSource(admin, "ok");
  await dns.write("");
  const kept = await culvert.waitFor({ message: "discovery returned no backends, keeping the last set" });
  assertEquals([kept.level, kept.upstream, kept.backends], ["WARN", "main", 1]);
  assertEquals(await callOneByOne(culvert, 2), ["a", "a"]);
  assertEquals([(await sourceOf(admin)).size, await admin.unready()], [1, []]);

  await culvert.reload(believing);
  await untilSet(admin, []);
  assertEquals(culvert.found(FAILS), []);
  await finishChecked(culvert, resting);
});

testWith(
  KNOT,
  "SRV records share connections by weight, and a lower priority serves when all others are down",
  async () => {
    using a = new Member("a");
    using b = new Member("b");
    using c = new Member("c");
    const all = [a, b, c];
    const zone = (records: [Member, { priority: number; weight: number }][]) =>
      records.map(([{ name, port }, { priority, weight }]) =>
        `_db._tcp SRV ${priority} ${weight} ${port} ${name}\n`
      )
        .concat(all.map(({ name, hostname }) => `${name} A ${hostname}\n`)).join("");
    const last = { priority: 20, weight: 1 };
    await using dns = await startKnot(
      zone([[a, { priority: 10, weight: 3 }], [b, { priority: 10, weight: 1 }], [c, last]]),
    );
    const discover = `{dns: {name: _db._tcp.internal, type: SRV, interval: 1s, server: "${dns.address}"}}`;
    const upstream = "health: {type: tcp, interval: 200ms, timeout: 2s, rise: 1, fall: 2}";
    await using culvert = await startCulvert(discoveringConfig({ discover, upstream }));
    using admin = new AdminClient(culvert);
    await admin.ready();
    const resting = await restingDescriptors(culvert);
    const found = await admin.backends();
    const settings = all.map(({ address }) => [found.get(address)!.weight, found.get(address)!.backup]);
    assertEquals([found.size, settings], [3, [[3, false], [1, false], [1, true]]]);
    const names = async (count: number) => (await callOneByOne(culvert, count)).toSorted().join("");
    assertEquals(await names(8), "aaaaaabb");

    a.stop();
    await admin.untilState(a.address, "down");
    assertEquals(await names(4), "bbbb");
    b.stop();
    await admin.untilState(b.address, "down");
    assertEquals(await names(4), "cccc");
    await b.start();
    await admin.untilState(b.address, "up");
    assertEquals(await names(4), "bbbb");

    // The other way round: c is first now.
    await dns.write(zone([[a, last], [b, last], [c, { priority: 10, weight: 1 }]]));
    await until(async () => !(await admin.backend(c.address)).backup, { what: "c to be no backup" });
    assertEquals([(await admin.backend(b.address)).backup, await names(4)], [true, "cccc"]);
    await finishChecked(culvert, resting);
  },
);
