import { assertEquals } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { badEnds, callInVain, callOneByOne, closed, connectToEach } from "../support/calls.ts";
import { startCheckServer } from "../support/check_server.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { Member, Members } from "../support/member.ts";
import { connect, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { startCulvert, THREADS } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";

const CLOSED = { message: "connection closed" };
const DOWN = { message: "backend is down" };
const UP = { message: "backend is up" };
/** Takes whatever greets. */
const GREETS = 'script: [{expect: "\\n"}]';

Deno.test("with onDown: close those on a backend that hangs are let go at once, and no others", async () => {
  using members = new Members(2);
  const [hanging, other] = members.all as [Member, Member];
  const health = `health: {type: script, interval: 300ms, timeout: 2s, rise: 1, fall: 2, ${GREETS}}`;
  await using culvert = await startCulvert(
    proxyConfig({ backends: members.addresses, upstream: `onDown: close, ${health}` }),
  );
  const resting = await restingDescriptors(culvert);
  using clients = await connectToEach(culvert, 2);
  hanging.hung = true;
  await closed(clients.get(hanging.name)!);
  await culvert.waitFor({ ...DOWN, backend: hanging.address });
  const end = await culvert.waitFor({ ...CLOSED, backend: hanging.address });
  assertEquals([end.reason, end.level], ["backend-down", "INFO"]);
  assertEquals(await exchange(clients.get(other.name)!, "not me"), "not me");
  clients.leave();
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" });
  await finishChecked(culvert, resting);
});

Deno.test("with onDown: keep those on a backend that is down go on, and new ones go elsewhere", async () => {
  let fit = true;
  using check = startCheckServer(() => ({ status: fit ? 200 : 503 }));
  using backend = startBackend(greet("checked"));
  const health = `health: {type: http, port: ${check.port}, interval: 100ms, timeout: 60s, fall: 1}`;
  const config = proxyConfig({ backends: [backend.address], upstream: `onDown: keep, ${health}` });
  await using culvert = await startCulvert(config);
  const resting = await restingDescriptors(culvert);
  using client = await connect(culvert.port("main"));
  assertEquals(await readLine(client), "checked");
  fit = false;
  assertEquals((await culvert.waitFor(DOWN)).why, "answered 503, expected 200-399");
  assertEquals(await exchange(client, "I stay"), "I stay");
  await callInVain(culvert);
  await culvert.waitFor({ ...CLOSED, reason: "backends-down" });
  fit = true;
  await culvert.waitFor(UP);
  assertEquals(await exchange(client, "still here"), "still here");
  client.close();
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" });
  await finishChecked(culvert, resting);
});

Deno.test("with all backends down clients are closed as backends-down, the program is not ready, and all come back", async () => {
  using members = new Members(3);
  const health = "health: {type: tcp, interval: 100ms, timeout: 60s, rise: 2, fall: 1}";
  await using culvert = await startCulvert(
    proxyConfig({ backends: members.addresses, upstream: health, head: ADMIN_HEAD }),
  );
  using admin = new AdminClient(culvert);
  const resting = await restingDescriptors(culvert);
  await admin.ready();
  for (const member of members.all) member.stop();
  await culvert.waitFor(DOWN, 3);
  assertEquals(await admin.unready(), ["upstream main: no backend is available (3 down)"]);
  for (let i = 0; i < 5; i++) {
    await callInVain(culvert);
  }
  const end = await culvert.waitFor({ ...CLOSED, reason: "backends-down" }, 5);
  assertEquals(end.tries, 0);
  assertEquals(end.error, 'Cannot connect to upstream "main": no backend is healthy (3 down)');
  const [service] = (await admin.status()).services;
  assertEquals(service!.ended["backends-down"], 5);

  const [first] = members.all as [Member, Member, Member];
  await first.start();
  await culvert.waitFor(UP);
  assertEquals(await admin.unready(), []);
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), first.name);
  }
  await Promise.all(members.all.map((member) => member.start()));
  await culvert.waitFor(UP, 3);
  const names = await callOneByOne(culvert, 6);
  if (THREADS === 1) assertEquals(names.toSorted(), ["0", "0", "1", "1", "2", "2"]);
  assertEquals(new Set(names), new Set(["0", "1", "2"]));
  await finishChecked(culvert, resting);
});

Deno.test("backups take what comes while all others are down, and nothing else", async () => {
  using members = new Members(3);
  const [a, b, backup] = members.all as [Member, Member, Member];
  const health = "health: {type: tcp, interval: 100ms, timeout: 60s, rise: 1, fall: 1}";
  const backends = [a.address, b.address, `{address: "${backup.address}", backup: true}`];
  await using culvert = await startCulvert(proxyConfig({ backends, upstream: health, head: ADMIN_HEAD }));
  using admin = new AdminClient(culvert);
  const resting = await restingDescriptors(culvert);
  await admin.ready();
  assertEquals((await callOneByOne(culvert, 4)).toSorted(), ["0", "0", "1", "1"]);
  a.stop();
  await culvert.waitFor({ ...DOWN, backend: a.address });
  assertEquals(await callOneByOne(culvert, 3), ["1", "1", "1"]);
  b.stop();
  await culvert.waitFor({ ...DOWN, backend: b.address });
  assertEquals([await callOneByOne(culvert, 3), await admin.unready()], [["2", "2", "2"], []]);
  await a.start();
  await culvert.waitFor({ ...UP, backend: a.address });
  assertEquals(await callOneByOne(culvert, 3), ["0", "0", "0"]);
  assertEquals(badEnds(culvert), []);
  await finishChecked(culvert, resting);
});
