import { assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { callInTurn, callOneByOne, connectToEach } from "../support/calls.ts";
import { restingDescriptors } from "../support/checked.ts";
import {
  discoveringConfig,
  finishFollowing,
  sourceOf,
  untilSet,
  untilSource,
} from "../support/discovered.ts";
import { testWith } from "../support/installed.ts";
import { Member, Members } from "../support/member.ts";
import { connect, ending, exchange, readLine } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";
import { type EtcdServer, startEtcd } from "../upstream/discover/etcd/server.ts";

const NEEDED = ["etcd", "etcdctl"];
const DB = "/culvert/db/";
const OTHER = "/culvert/other/";
const CLOSED = { message: "connection closed" };
const FAILS = { message: "discovery failed, keeping the last set" };
const READ = { message: "read the backends from etcd" };

/** The backends that stand under a prefix. */
function under(etcd: EtcdServer, prefix: string): string {
  return `{etcd: {endpoints: ["${etcd.url}"], prefix: ${prefix}}}`;
}

/** Puts a backend under a key. */
function put(etcd: EtcdServer, key: string, { address }: Member, more: { weight?: unknown } = {}) {
  return etcd.control("put", key, JSON.stringify({ address, ...more }));
}

testWith(
  NEEDED,
  "two Culverts follow what is put, changed and deleted under a prefix, and a lease that runs out",
  async () => {
    using members = new Members(3);
    const [a, b, c] = members.all as [Member, Member, Member];
    await using etcd = await startEtcd();
    await put(etcd, `${DB}b`, b);
    await put(etcd, `${OTHER}c`, c);
    const config = discoveringConfig({ discover: under(etcd, DB) });
    await using first = await startCulvert(config);
    await using second = await startCulvert(config);
    using admin = new AdminClient(first);
    using secondAdmin = new AdminClient(second);
    const both = [[first, admin], [second, secondAdmin]] as const;
    await Promise.all([admin.ready(), secondAdmin.ready()]);
    const resting = [await restingDescriptors(first), await restingDescriptors(second)];

    // In the order of the keys, not of their coming.
    await put(etcd, `${DB}a`, a);
    for (const [culvert, admin] of both) {
      await untilSet(admin, [a.address, b.address]);
      assertEquals([...(await admin.backends()).keys()], [a.address, b.address]);
      await callInTurn(culvert, { names: ["0", "1"], rounds: 2 });
    }
    const clients = [await connectToEach(first, 2), await connectToEach(second, 2)];

    // A value that is none leaves its key out, and no other.
    await put(etcd, `${DB}bad`, c, { weight: "heavy" });
    for (const [culvert] of both) {
      const warning = await culvert.waitFor({ level: "WARN" });
      assertEquals([warning.key, warning.revision], [`${DB}bad`, await etcd.revision()]);
      assertStringIncludes(String(warning.error), "weight");
    }
    await etcd.control("del", `${DB}a`);
    for (const [index, [, admin]] of both.entries()) {
      await ending(clients[index]!.get("0")!);
      await untilSet(admin, [b.address]);
      assertEquals(await exchange(clients[index]!.get("1")!, "not me"), "not me");
    }

    const [, lease = ""] = /^lease (\w+) granted/.exec(await etcd.control("lease", "grant", "2"))!;
    await etcd.control(
      "put",
      `--lease=${lease}`,
      `${DB}c`,
      JSON.stringify({ address: c.address, weight: 3 }),
    );
    await first.waitFor({ message: "backends changed", backends: 2 }, 2);
    await second.waitFor({ message: "backends changed", backends: 2 }, 2);
    for (const [culvert, admin] of both) {
      await untilSet(admin, [b.address]);
      assertEquals(await callOneByOne(culvert, 2), ["1", "1"]);
      assertEquals([culvert.found(FAILS), culvert.found({ level: "WARN" }).length], [[], 1]);
    }
    for (const client of clients.flatMap((each) => [...each.values()])) client.close();
    for (const [index, [culvert, admin]] of both.entries()) {
      await finishFollowing(culvert, { admin, resting: resting[index]! });
    }
  },
);

testWith(
  NEEDED,
  "while etcd is away the last set goes on, and a backend that stands there again is the same one",
  async () => {
    using members = new Members(2);
    const [a, b] = members.all as [Member, Member];
    await using etcd = await startEtcd();
    await put(etcd, `${DB}a`, a);
    await using culvert = await startCulvert(discoveringConfig({ discover: under(etcd, DB) }));
    using admin = new AdminClient(culvert);
    await admin.ready();
    const resting = await restingDescriptors(culvert);
    using tunnel = await connect(culvert.port("main"));
    assertEquals(await readLine(tunnel), "0");
    const { since } = await admin.backend(a.address);

    await etcd.stop();
    const { error, size, name } = await untilSource(admin, "failing");
    assertStringIncludes(error!, etcd.url);
    assertEquals([size, name], [1, `etcd ${DB}`]);
    const failed = await culvert.waitFor(FAILS);
    assertEquals([failed.level, failed.source, failed.backends], ["WARN", name, 1]);
    assertEquals([await callOneByOne(culvert, 2), await admin.unready()], [["0", "0"], []]);

    await etcd.start();
    await put(etcd, `${DB}b`, b);
    await untilSet(admin, [a.address, b.address]);
    const source = await sourceOf(admin);
    assertEquals([source.state, source.error, source.size], ["ok", undefined, 2]);
    assertEquals([(await admin.backend(a.address)).since, (await admin.backend(a.address)).total], [
      since,
      3,
    ]);
    assertEquals(await exchange(tunnel, "all the while"), "all the while");
    assertEquals(culvert.found(FAILS).length, 1);
    tunnel.close();
    await culvert.waitFor({ ...CLOSED, reason: "client-closed" }, 3);
    await finishFollowing(culvert, { admin, resting });
  },
);

testWith(
  NEEDED,
  "another prefix takes over when it has answered; without another one the source goes on",
  async () => {
    using members = new Members(3);
    const [a, b, c] = members.all as [Member, Member, Member];
    await using etcd = await startEtcd();
    await put(etcd, `${DB}a`, a);
    await put(etcd, `${OTHER}b`, b);
    const config = (prefix: string, upstream = "retries: 2") =>
      discoveringConfig({ discover: under(etcd, prefix), upstream });
    await using culvert = await startCulvert(config(DB));
    using admin = new AdminClient(culvert);
    await admin.ready();
    const resting = await restingDescriptors(culvert);
    using tunnel = await connect(culvert.port("main"));
    assertEquals(await readLine(tunnel), "0");

    // Nothing of discovery has changed.
    await culvert.reload(config(DB, "retries: 0"));
    await put(etcd, `${DB}c`, c);
    await untilSet(admin, [a.address, c.address]);
    await etcd.control("del", `${DB}c`);
    await untilSet(admin, [a.address]);
    assertEquals(culvert.found(READ).length, 2, "all keys have been read at the start and at the reload");

    // While etcd says nothing, the current set is kept, however often the prefix changes.
    etcd.signal("SIGSTOP");
    for (const prefix of ["/culvert/third/", OTHER]) {
      await culvert.reload(config(prefix));
      const { name, state, size } = await sourceOf(admin);
      assertEquals([name, state, size], [`etcd ${prefix}`, "waiting", 0]);
      assertEquals(await admin.unready(), []);
      assertEquals(await callOneByOne(culvert, 2), ["0", "0"]);
    }
    assertEquals(await exchange(tunnel, "go on"), "go on");
    etcd.signal("SIGCONT");
    await ending(tunnel);
    assertEquals((await culvert.waitFor({ ...CLOSED, reason: "backend-removed" })).backend, a.address);
    await admin.ready();
    await untilSet(admin, [b.address]);
    assertEquals(await callOneByOne(culvert, 2), ["1", "1"]);

    // The old prefixes are not followed any more.
    await put(etcd, `${DB}a`, a);
    await put(etcd, `${OTHER}c`, c);
    await untilSet(admin, [b.address, c.address]);
    tunnel.close();
    await finishFollowing(culvert, { admin, resting });
  },
);

testWith(
  NEEDED,
  "an upstream without discovery closes its connection to etcd, and an etcd that hangs delays nothing",
  async () => {
    using members = new Members(2);
    const [a, b] = members.all as [Member, Member];
    await using etcd = await startEtcd();
    await put(etcd, `${DB}a`, a);
    const following = discoveringConfig({ discover: under(etcd, DB) });
    const listing = proxyConfig({ backends: [b.address], head: ADMIN_HEAD });
    await using culvert = await startCulvert(following);
    using admin = new AdminClient(culvert);
    await admin.ready();
    assertGreater(culvert.connections(), 0);
    await culvert.reload(listing);
    await untilSet(admin, [b.address]);
    await until(() => culvert.connections() === 0, { what: "the connections to etcd to end" });
    assertEquals(await callOneByOne(culvert, 1), ["1"]);
    await put(etcd, `${DB}b`, b);

    // What was listed goes on until etcd has answered, which it does not.
    etcd.signal("SIGSTOP");
    await culvert.reload(following);
    assertEquals([(await sourceOf(admin)).state, await callOneByOne(culvert, 1)], ["waiting", ["1"]]);
    await culvert.waitFor({ ...CLOSED, reason: "client-closed" }, 2);
    culvert.signal("SIGTERM");
    assertEquals(await culvert.exit, 0);
    assertEquals([culvert.found(FAILS), culvert.found({ level: "ERROR" })], [[], []]);
  },
);
