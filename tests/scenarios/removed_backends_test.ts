import { assertEquals } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { callInVain, callOneByOne, closed, connectToEach } from "../support/calls.ts";
import { Member, Members } from "../support/member.ts";
import { exchange } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";
import { FakeEtcd, kv } from "../upstream/discover/etcd/fake.ts";
import { PREFIX } from "../upstream/discover/etcd/fixture.ts";

const CLOSED = { message: "connection closed" };

Deno.test("onRemove: close ends exactly those on the removed backend, within a second", async () => {
  using members = new Members(3);
  const [, , gone] = members.all as [Member, Member, Member];
  await using culvert = await startCulvert(
    proxyConfig({ backends: members.addresses, upstream: "onRemove: close", head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  using clients = await connectToEach(culvert, 3);
  await admin.put(members.addresses.slice(0, 2));
  await closed(clients.get(gone.name)!);
  const end = await culvert.waitFor({ ...CLOSED, backend: gone.address });
  assertEquals(end.reason, "backend-removed");
  for (const name of ["0", "1"]) assertEquals(await exchange(clients.get(name)!, "not me"), "not me");
  assertEquals(culvert.found(CLOSED).length, 1);
  clients.leave();
  await culvert.finish();
});

Deno.test("a backend that has another address in the same place has been removed", async () => {
  using members = new Members(3);
  const [a, before, after] = members.all as [Member, Member, Member];
  const config = (second: Member) =>
    proxyConfig({
      backends: [a.address, `{address: "${second.address}", weight: 1}`],
      upstream: "onRemove: close",
    });
  await using culvert = await startCulvert(config(before), { later: [config(after)] });
  using clients = await connectToEach(culvert, 2);
  await culvert.reload(config(after));
  await closed(clients.get(before.name)!);
  assertEquals((await culvert.waitFor(CLOSED)).reason, "backend-removed");
  assertEquals(await exchange(clients.get(a.name)!, "not me"), "not me");
  assertEquals((await callOneByOne(culvert, 4)).toSorted(), ["0", "0", "2", "2"]);
  clients.leave();
  await culvert.finish();
});

Deno.test("a key of etcd that names another address has removed the backend that it named", async () => {
  using members = new Members(3);
  const [a, before, after] = members.all as [Member, Member, Member];
  await using etcd = new FakeEtcd();
  const value = ({ address }: Member) => JSON.stringify({ address });
  etcd.put("first", value(a));
  etcd.put("second", value(before));
  const discover = `discover: {etcd: {endpoints: ["${etcd.url}"], prefix: ${PREFIX}}}`;
  const config = proxyConfig({ backends: [], upstream: "onRemove: close", head: ADMIN_HEAD })
    .replace("backends: []", discover);
  await using culvert = await startCulvert(config);
  using admin = new AdminClient(culvert);
  await admin.ready();
  await until(() => etcd.watches.length === 1, { what: "a watch" });
  using clients = await connectToEach(culvert, 2);
  const changed = kv("second", ++etcd.revision, value(after));
  etcd.watches[0]!.tell({ events: [{ kv: changed }] }, etcd.revision);
  await closed(clients.get(before.name)!);
  const end = await culvert.waitFor(CLOSED);
  assertEquals([end.reason, end.backend], ["backend-removed", before.address]);
  assertEquals(await exchange(clients.get(a.name)!, "not me"), "not me");
  assertEquals((await callOneByOne(culvert, 4)).toSorted(), ["0", "0", "2", "2"]);
  const put = await admin.ask("/api/upstreams/main/backends", { method: "PUT", body: [] });
  assertEquals([put.status, put.json.error.code], [409, "conflict"]);
  clients.leave();
  await until(async () => (await admin.status()).services[0]!.active === 0, { what: "no connection" });
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  assertEquals(culvert.found({ level: "ERROR" }), []);
});

Deno.test("a backend drained by hand, by weight 0 or by the admin API, keeps what it has and takes nothing new", async () => {
  using members = new Members(2);
  const [a, b] = members.all as [Member, Member];
  const config = proxyConfig({ backends: members.addresses, upstream: "onRemove: close", head: ADMIN_HEAD });
  await using culvert = await startCulvert(config);
  using admin = new AdminClient(culvert);
  using clients = await connectToEach(culvert, 2);
  const onlyA = async () => {
    const { accepted } = b;
    assertEquals(await callOneByOne(culvert, 4), ["0", "0", "0", "0"]);
    assertEquals(b.accepted, accepted);
    assertEquals(await exchange(clients.get("1")!, "I stay"), "I stay");
  };
  const both = async () => assertEquals((await callOneByOne(culvert, 4)).toSorted(), ["0", "0", "1", "1"]);

  const drained = await admin.set(b.address, "drain");
  assertEquals([drained.state, drained.why, drained.active], ["drained", "drained by hand", 1]);
  await onlyA();
  await culvert.reload(config); // Which says nothing of what was done by hand.
  await onlyA();
  await admin.put([a.address, { address: b.address, weight: 3 }]);
  await onlyA();
  await admin.put(members.addresses);
  assertEquals((await admin.set(b.address, "enable")).state, "up");
  await both();

  await admin.put([a.address, { address: b.address, weight: 0 }]);
  assertEquals((await admin.backend(b.address)).why, "its weight is 0");
  await onlyA();
  await admin.put(members.addresses);
  await both();

  for (const backend of members.all) await admin.set(backend.address, "drain");
  await callInVain(culvert);
  await culvert.waitFor({ ...CLOSED, reason: "no-backend" });
  assertEquals(await admin.unready(), ["upstream main: no backend is available (2 drained)"]);
  assertEquals(await exchange(clients.get("0")!, "I stay"), "I stay");
  clients.leave();
  await culvert.finish();
});
