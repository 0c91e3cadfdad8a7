import { assertEquals, assertStringIncludes } from "@std/assert";
import type { BackendStatus } from "../../src/admin/status/upstream.ts";
import { AdminClient } from "../support/admin_client.ts";
import { callInTurn, callOneByOne, connectToEach } from "../support/calls.ts";
import { finishChecked, restingDescriptors } from "../support/checked.ts";
import { discoveringConfig, sourceOf, untilSet, untilSource } from "../support/discovered.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { Member, Members } from "../support/member.ts";
import { connect, ending, exchange, readLine } from "../support/peers.ts";
import { startCulvert, THREADS } from "../support/program.ts";
import { until } from "../support/wait.ts";

const CLOSED = { message: "connection closed" };
const FAILS = { message: "discovery failed, keeping the last set" };
const CHANGED = { message: "backends changed" };
const GOOD = { message: "discovery recovered" };

/** A list of backends in a folder of its own. */
class BackendFile extends TemporaryFolder {
  readonly name = this.file("backends.yaml");
  /** As a configuration names it. */
  readonly discover = `{file: ${JSON.stringify(this.name)}}`;

  /** Rewrites it in place. */
  async write(text: string): Promise<void> {
    await Deno.writeTextFile(this.name, text);
  }

  /** Puts another one in its place. */
  async replace(text: string): Promise<void> {
    await Deno.writeTextFile(`${this.name}.next`, text);
    await Deno.rename(`${this.name}.next`, this.name);
  }
}

/** As YAML, in the short form. */
function listOf(...members: readonly Member[]): string {
  return members.map(({ address }) => `- ${address}\n`).join("");
}

Deno.test("a watched file is followed: rewritten, replaced, broken, repaired, emptied", async () => {
  using members = new Members(2);
  const [a, b] = members.all as [Member, Member];
  await using file = new BackendFile();
  await file.write(listOf(a));
  const config = discoveringConfig({ discover: file.discover });
  await using culvert = await startCulvert(config, { readable: [file.path] });
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert);
  using tunnel = await connect(culvert.port("main"));
  assertEquals(await readLine(tunnel), "0");

  await file.write(listOf(a, b));
  await untilSet(admin, [a.address, b.address]);
  await callInTurn(culvert, { names: ["0", "1"], rounds: 1 });
  await file.replace(`- {address: "${b.address}", weight: 5, maxConnections: 9}\n`);
  await ending(tunnel);
  assertEquals((await culvert.waitFor({ ...CLOSED, reason: "backend-removed" })).backend, a.address);
  await untilSet(admin, [b.address]);
  const { weight, maxConnections } = await admin.backend(b.address);
  assertEquals([weight, maxConnections, await callOneByOne(culvert, 2)], [5, 9, ["1", "1"]]);

  await file.replace(`- ${a.address}\n- {address: "${b.address}", weight: heavy}\n`);
  const { error, size, name } = await untilSource(admin, "failing");
  assertEquals([size, name], [1, `file ${file.name}`]);
  assertStringIncludes(error!, `Cannot read backends from "${file.name}"`);
  assertStringIncludes(error!, `${file.name}:2: [1].weight: `);
  const failed = await culvert.waitFor(FAILS);
  assertEquals([failed.level, failed.error, failed.source], ["WARN", error!, name]);
  await file.write("- address: [");
  await until(async () => (await sourceOf(admin)).error !== error, { what: "another error" });
  assertEquals([await callOneByOne(culvert, 2), await admin.unready()], [["1", "1"], []]);
  assertEquals((await admin.backend(b.address)).weight, 5);

  await file.write(listOf(a));
  await culvert.waitFor(GOOD);
  await untilSet(admin, [a.address]);
  assertEquals([(await sourceOf(admin)).error, await callOneByOne(culvert, 1)], [undefined, ["0"]]);
  await file.replace("[]\n");
  await untilSet(admin, []);
  assertEquals(await admin.unready(), ["upstream main: no backend is available (there is none)"]);
  await file.replace(listOf(b));
  await admin.ready();
  assertEquals(await callOneByOne(culvert, 1), ["1"]);
  assertEquals([culvert.found(FAILS).length, culvert.found(GOOD).length], [1, 1]);
  await finishChecked(culvert, resting);
});

Deno.test("a file whose folder may not be read is looked at: one that is missing, comes and goes", async () => {
  using a = new Member("a");
  await using file = new BackendFile();
  await using culvert = await startCulvert(discoveringConfig({ discover: file.discover }));
  using admin = new AdminClient(culvert);
  const { error, size } = await untilSource(admin, "failing");
  assertStringIncludes(error!, `Cannot read backends from "${file.name}"`);
  assertEquals([size, await admin.unready()], [0, [
    "upstream main: no backend is available (there is none)",
  ]]);
  await file.write(listOf(a));
  await admin.ready();
  const resting = await restingDescriptors(culvert);
  using tunnel = await connect(culvert.port("main"));
  assertEquals(await readLine(tunnel), "a");

  await Deno.remove(file.name);
  await untilSource(admin, "failing");
  assertEquals([await callOneByOne(culvert, 1), await admin.unready()], [["a"], []]);
  assertEquals(await exchange(tunnel, "still there"), "still there");
  await culvert.waitFor(FAILS, 2);
  assertEquals(culvert.found(GOOD).length, 1);
  tunnel.close();
  await finishChecked(culvert, resting);
});

Deno.test("of 10,000 backends in a file one changes, and all others keep connections and counts", async () => {
  using members = new Members(3);
  const [a, b, c] = members.all as [Member, Member, Member];
  // They get no connection, and need not be there.
  const absent = Array.from({ length: 10_000 - 3 }, (_, i) => `10.7.${i >> 8}.${i & 255}:9`);
  const list = (weightOfC: number, others: readonly string[]) =>
    JSON.stringify([
      ...others.slice(0, 5000).map((address) => ({ address, weight: 0 })),
      a.address,
      b.address,
      { address: c.address, weight: weightOfC },
      ...others.slice(5000).map((address) => ({ address, weight: 0 })),
    ]);
  await using file = new BackendFile();
  await file.write(list(1, absent));
  const config = discoveringConfig({ discover: file.discover });
  await using culvert = await startCulvert(config, { readable: [file.path] });
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert);
  assertEquals([(await sourceOf(admin)).size, (await admin.backends()).size], [10_000, 10_000]);
  await callInTurn(culvert, { names: ["0", "1", "2"], rounds: 2 });
  const clients = await connectToEach(culvert, 3);
  await culvert.waitFor(CLOSED, 9 * THREADS - 3);
  const before = await admin.backends();
  const counts = [a, b, c].map(({ address }) => totals(before, address));
  if (THREADS === 1) assertEquals(counts, [[3, 1], [3, 1], [3, 1]]);

  // A setting of one, and then another one in the place of one.
  await file.replace(list(2, absent));
  await culvert.waitFor(CHANGED, 2);
  await file.replace(list(2, absent.with(7, "10.8.0.1:9")));
  await culvert.waitFor(CHANGED, 3);
  const after = await admin.backends();
  assertEquals([after.size, after.has("10.8.0.1:9"), after.has(absent[7]!)], [10_000, true, false]);
  assertEquals([after.get(c.address)!.weight, totals(after, c.address)], [2, counts[2]]);
  for (const map of [before, after]) for (const key of [c.address, absent[7]!, "10.8.0.1:9"]) map.delete(key);
  assertEquals(JSON.stringify([...after]), JSON.stringify([...before]));
  for (const [name, client] of clients) assertEquals(await exchange(client, name), name);
  const heard = (await callOneByOne(culvert, 4)).toSorted();
  if (THREADS === 1) assertEquals(heard, ["0", "1", "2", "2"]);

  for (const client of clients.values()) client.close();
  await culvert.waitFor({ ...CLOSED, reason: "client-closed" }, 13);
  assertEquals(culvert.found({ level: "WARN" }), []);
  await finishChecked(culvert, resting);
});

Deno.test("listed backends come first, discovered ones join them, and the admin API cannot replace the set", async () => {
  using members = new Members(4);
  const [a, b, c, d] = members.all as [Member, Member, Member, Member];
  await using file = new BackendFile();
  const weighed = `{address: "${b.address}", weight: 7}`;
  await file.write(`[${weighed}, "${a.address}", "${c.address}"]`);
  const config = (backends: readonly string[]) => discoveringConfig({ discover: file.discover, backends });
  await using culvert = await startCulvert(config([a.address, b.address]), { readable: [file.path] });
  using admin = new AdminClient(culvert);
  await admin.ready();
  const resting = await restingDescriptors(culvert);
  const set = async () =>
    [...(await admin.backends()).values()].map(({ address, weight }) => `${address} x${weight}`);
  // As each was mentioned first.
  assertEquals(await set(), [`${a.address} x1`, `${b.address} x1`, `${c.address} x1`]);
  const { status, json } = await admin.ask("/api/upstreams/main/backends", { method: "PUT", body: [] });
  assertEquals([status, json.error.code], [409, "conflict"]);
  assertStringIncludes(json.error.message, 'Cannot replace the backends of "main": they are discovered');
  const clients = await connectToEach(culvert, 3);

  // What is not listed any more may still be discovered.
  await culvert.reload(config([d.address]));
  assertEquals(await set(), [`${d.address} x1`, `${b.address} x7`, `${a.address} x1`, `${c.address} x1`]);
  for (const [name, client] of clients) assertEquals(await exchange(client, name), name);
  await file.replace(`[${weighed}, "${c.address}"]`);
  await ending(clients.get(a.name)!);
  assertEquals(await set(), [`${d.address} x1`, `${b.address} x7`, `${c.address} x1`]);
  await culvert.waitFor({ ...CHANGED, backends: 3 }, 2);
  assertEquals(culvert.found(CHANGED).length, 2, "the source went on");

  // Without the file those that are listed remain, and may be replaced by hand.
  await culvert.reload(config([d.address]).replace(/discover: \{.*?\}, /, ""));
  for (const client of clients.values()) await ending(client);
  assertEquals([await set(), (await admin.upstream()).discovery], [[`${d.address} x1`], undefined]);
  await admin.put([a.address]);
  assertEquals([await set(), await callOneByOne(culvert, 1)], [[`${a.address} x1`], ["0"]]);

  // What was put by hand is over once backends are discovered again.
  await culvert.reload(config([d.address]));
  await untilSet(admin, [d.address, b.address, c.address]);
  for (const client of clients.values()) client.close();
  await finishChecked(culvert, resting);
});

function totals(backends: ReadonlyMap<string, BackendStatus>, address: string): [number, number] {
  const { total, active } = backends.get(address)!;
  return [total, active];
}
