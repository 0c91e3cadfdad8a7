import { assertEquals, assertGreater, assertLessOrEqual, assertMatch } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { badEnds, callInVain, callOneByOne, connectToEach } from "../support/calls.ts";
import { Callers } from "../support/callers.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { Member, Members } from "../support/member.ts";
import { connect, exchange } from "../support/peers.ts";
import { type Culvert, startCulvert, THREADS } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { numbers } from "../support/random.ts";
import { until } from "../support/wait.ts";

const CLOSED = { message: "connection closed" };

/** As many different members, at least one, as `random` says. */
function someOf(members: readonly Member[], random: Iterator<number, never>): Member[] {
  const next = () => random.next().value;
  const some = members.filter(() => next() < 0.5);
  return some.length > 0 ? some : [members[Math.floor(next() * members.length)]!];
}

/** What is left without connections: the set, idle, and nothing of removed backends. */
async function quietAfter(culvert: Culvert, admin: AdminClient, set: readonly Member[]): Promise<void> {
  const { services, upstreams: [upstream] } = await admin.status();
  assertEquals(services[0]!.active, 0);
  assertEquals(
    upstream!.backends.map(({ address, active }) => [address, active]).toSorted(),
    set.map(({ address }) => [address, 0]).toSorted(),
  );
  assertEquals(culvert.found({ level: "ERROR" }), []);
}

Deno.test("500 sets in quick succession under load, with onRemove: drain, cost no client anything", async () => {
  using members = new Members(20);
  await using culvert = await startCulvert(
    proxyConfig({ backends: members.addresses, upstream: "onRemove: drain", head: ADMIN_HEAD }),
  );
  using tunnel = await connect(culvert.port("main"));
  assertMatch(await exchange(tunnel, "0"), /^\d$/); // Its backend's name.
  await using callers = new Callers(culvert.port("main"), { clients: 4 });
  const last = await changeSets(culvert, { members, callers, sets: 500, seed: 1 });
  await callers.more(100);
  await callers.stop();
  assertEquals([callers.errors, badEnds(culvert)], [[], []]);
  assertGreater(callers.served.size, 15);

  using admin = new AdminClient(culvert);
  tunnel.close();
  await until(async () => (await admin.status()).services[0]!.active === 0, { what: "no connection" });
  await quietAfter(culvert, admin, last);
  await culvert.finish();
});

Deno.test("500 sets in quick succession, with onRemove: close, break only connections on removed backends", async () => {
  using members = new Members(20);
  await using culvert = await startCulvert(
    proxyConfig({ backends: members.addresses, upstream: "onRemove: close", head: ADMIN_HEAD }),
  );
  await using callers = new Callers(culvert.port("main"), { clients: 4 });
  const last = await changeSets(culvert, { members, callers, sets: 500, seed: 2 });
  // No backend is removed any more.
  const { length } = callers.errors;
  await callers.more(100);
  await callers.stop();
  assertLessOrEqual(callers.errors.length, length + 4);
  await until(() => callers.errors.length <= badEnds(culvert).length, {
    what: "a log line for every broken call",
  });
  assertEquals(badEnds(culvert).filter(({ reason }) => reason !== "backend-removed"), []);

  using admin = new AdminClient(culvert);
  await until(async () => (await admin.status()).services[0]!.active === 0, { what: "no connection" });
  await quietAfter(culvert, admin, last);
  await culvert.finish();
});

Deno.test("sets that change while their backends are checked and warm leave no check and no connection behind", async () => {
  using members = new Members(20);
  const health = "health: {type: tcp, interval: 100ms, timeout: 60s}";
  await using culvert = await startCulvert(
    proxyConfig({
      backends: members.addresses,
      upstream: `${health}, slowStart: 1s, onRemove: drain, pool: {minIdle: 1}`,
      head: ADMIN_HEAD,
    }),
  );
  using admin = new AdminClient(culvert);
  await using callers = new Callers(culvert.port("main"), { clients: 4 });
  await changeSets(culvert, { members, callers, sets: 200, seed: 3 });
  await callers.stop();
  assertEquals([callers.errors, badEnds(culvert)], [[], []]);

  const [first] = members.all as [Member];
  await admin.put([first.address]);
  // Each thread keeps one connection dialled ahead, and no other connection is left at any backend.
  await until(() => members.all.every(({ live: { size } }) => size <= THREADS), { what: "pools to close" });
  await until(() => members.all.slice(1).every(({ live: { size } }) => size === 0), {
    what: "pools to close",
  });
  const accepted = members.all.map((member) => member.accepted);
  await until(() => first.accepted >= accepted[0]! + 5, { what: "five more checks" });
  assertEquals(members.all.slice(1).map((member) => member.accepted), accepted.slice(1), "no check goes on");
  await admin.put([]);
  await until(() => culvert.connections() === 0, { what: "the last connection to end" });
  const resting = culvert.descriptors();
  const { accepted: rested } = first;
  await admin.put([first.address]);
  await until(() => first.accepted > rested, { what: "the backend to be checked" });
  await admin.put([]);
  await finishChecked(culvert, resting);
});

Deno.test("all backends are removed and come back, once and a hundred times", async () => {
  using members = new Members(3);
  await using culvert = await startCulvert(
    proxyConfig({ backends: members.addresses, upstream: "onRemove: drain", head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  using clients = await connectToEach(culvert, 3);
  assertEquals(await admin.put([]), []);
  assertEquals(await admin.unready(), ["upstream main: no backend is available (there is none)"]);
  await callInVain(culvert);
  assertEquals((await culvert.waitFor(CLOSED)).reason, "no-backend");
  await admin.put(members.addresses);
  assertEquals([await admin.unready(), (await callOneByOne(culvert, 3)).toSorted()], [[], ["0", "1", "2"]]);
  for (const [name, client] of clients) assertEquals(await exchange(client, name), name);

  await using callers = new Callers(culvert.port("main"), { clients: 2 });
  for (let round = 0; round < 100; round++) {
    await admin.put([]);
    await admin.put(members.addresses);
  }
  await callers.more(50);
  await callers.stop();
  for (const [name, client] of clients) assertEquals(await exchange(client, name), name);
  assertEquals(badEnds(culvert).filter(({ reason }) => reason !== "no-backend"), []);
  await until(() => callers.errors.length === badEnds(culvert).length - 1, {
    what: "a log line for every broken call, and the one in vain",
  });
  clients.leave();
  await culvert.finish();
});

Deno.test("a watched file of backends is followed under load, and no client notices", async () => {
  using members = new Members(4);
  await using folder = new TemporaryFolder();
  const file = folder.file("backends.yaml");
  const write = async (set: readonly Member[]) => {
    await Deno.writeTextFile(`${file}.next`, JSON.stringify(set.map(({ address }) => ({ address }))));
    await Deno.rename(`${file}.next`, file);
  };
  await write(members.all);
  const config = proxyConfig({ backends: [], upstream: "onRemove: drain", head: ADMIN_HEAD })
    .replace("backends: []", `discover: {file: ${JSON.stringify(file)}}`);
  const all = proxyConfig({ backends: members.addresses, head: ADMIN_HEAD });
  await using culvert = await startCulvert(config, { later: [all], readable: [folder.path] });
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert); // The file is watched by now.
  await using callers = new Callers(culvert.port("main"), { clients: 3 });
  const random = numbers(7);
  for (let round = 0; round < 8; round++) {
    const set = someOf(members.all, random);
    await write(set);
    const expected = set.map(({ address }) => address).toSorted();
    await until(async () => [...(await admin.backends()).keys()].toSorted().join() === expected.join(), {
      what: `the set of round ${round}`,
    });
    await callers.more(10);
  }
  await callers.stop();
  assertEquals([callers.errors, badEnds(culvert)], [[], []]);
  const [source] = (await admin.upstream()).discovery!;
  assertEquals(source!.state, "ok");
  await finishChecked(culvert, resting);
});

/** Gives `main` as many sets of the members, one right after the other; the last one, which it has taken. */
async function changeSets(
  culvert: Culvert,
  { members, callers, sets, seed }: { members: Members; callers: Callers; sets: number; seed: number },
): Promise<Member[]> {
  using admin = new AdminClient(culvert, { keepAlive: true });
  const random = numbers(seed);
  let set: Member[] = [];
  for (let i = 0; i < sets; i++) {
    set = someOf(members.all, random);
    const backends = await admin.put(set.map(({ address }) => address));
    assertEquals(backends.length, set.length);
    if (i % 50 === 0) await callers.more(10); // So that neither of the two runs ahead of the other.
  }
  return set;
}
