import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import type { BackendStatus } from "../../src/admin/status/upstream.ts";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { allClosed, badEnds } from "../support/calls.ts";
import { Callers } from "../support/callers.ts";
import { finishChecked } from "../support/checked.ts";
import { type Member, Members } from "../support/member.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { numbers } from "../support/random.ts";
import { until } from "../support/wait.ts";

const SIZE = 200;
const CLIENTS = 4;
const ROUNDS = 2;

/** 1 to 4. */
const weightOf = ({ name }: Member) => 1 + Number(name) % 4;

Deno.test("a fleet of 200 backends goes up and down under load: what is known of it is right, and nothing is left", async () => {
  using fleet = new Members(SIZE);
  const backends = fleet.all.map((member) => ({ address: member.address, weight: weightOf(member) }));
  // A member that is down refuses connections. No check of a member that is up reaches this timeout.
  const health = "health: {type: tcp, interval: 1s, timeout: 60s, rise: 2, fall: 2}";
  await using culvert = await startCulvert(
    proxyConfig({
      backends: backends.map((backend) => JSON.stringify(backend)),
      upstream: `${health}, outlier: {failures: 0}, retries: 100, onDown: close`,
      head: ADMIN_HEAD,
    }),
  );
  using admin = new AdminClient(culvert);
  await admin.put([]); // No checks, so that the number of descriptors is steady.
  await until(() => culvert.connections() === 0, { what: "no connections" });
  const resting = culvert.descriptors();
  await admin.put(backends);
  await untilKnown(admin, fleet.all);
  await using callers = new Callers(culvert.port("main"), { clients: CLIENTS });
  await callers.more(500);
  assertEquals(callers.errors, []);

  const random = numbers(200);
  let stopped = 0;
  for (let round = 0; round < ROUNDS; round++) {
    stopped += await shuffle(fleet.all, random);
    await untilKnown(admin, fleet.all);
    await checkCalls({ callers, fleet: fleet.all, admin });
  }
  await callers.stop();
  await allClosed(culvert, admin);
  // Each caller had one connection at most when a member went down; no other call has failed.
  assertLessOrEqual(callers.errors.length, CLIENTS * ROUNDS);
  const ends = badEnds(culvert);
  assertLessOrEqual(ends.length, CLIENTS * ROUNDS);
  const broken = new Set(["backend-closed", "backend-reset", "backend-down"]);
  assertEquals(ends.filter(({ reason }) => !broken.has(String(reason))), []);
  assert(stopped > SIZE / 4, `${stopped} have been stopped`);

  await Promise.all(fleet.all.map((member) => member.start()));
  await untilKnown(admin, fleet.all);
  const { available, backends: last } = await admin.upstream();
  assertEquals([available, last.filter(({ active }) => active > 0)], [SIZE, []]);
  await admin.put([]);
  await finishChecked(culvert, resting);
});

/** Each goes down, or comes back, with a chance of three in ten; how many have gone down. */
async function shuffle(fleet: readonly Member[], random: Iterator<number, never>): Promise<number> {
  let stopped = 0;
  const starting: Promise<void>[] = [];
  for (const member of fleet) {
    if (random.next().value > 0.3) continue;
    if (!member.up) starting.push(member.start());
    else {
      member.stop();
      stopped++;
    }
  }
  await Promise.all(starting);
  return stopped;
}

/** Resolves when the status shows the true state of every member. */
async function untilKnown(admin: AdminClient, fleet: readonly Member[]): Promise<void> {
  let wrong: string[] = [];
  await until(async () => {
    const backends = await admin.backends();
    wrong = fleet.filter((member) => !isKnown(member, backends.get(member.address)!)).map(({ name }) => name);
    return wrong.length === 0;
  }, { what: "the status to be right", context: () => `it is wrong of ${wrong.join(", ")}` });
}

function isKnown(member: Member, { state, effectiveWeight, check }: BackendStatus): boolean {
  if (!member.up) return state === "down" && effectiveWeight === 0 && check!.ok === false;
  return state === "up" && effectiveWeight === weightOf(member) && check!.ok === true;
}

/** Every call reaches a member that is up, at the first try, and each member takes its share by weight. */
async function checkCalls(
  { callers, fleet, admin }: { callers: Callers; fleet: readonly Member[]; admin: AdminClient },
): Promise<void> {
  await callers.eachOnce(); // Connections that were pending have arrived by then.
  const whole = fleet.reduce((sum, member) => sum + (member.up ? weightOf(member) : 0), 0);
  const before = await admin.backends();
  await callers.more(4 * whole);
  const after = await admin.backends();
  const gain = ({ address }: Member, key: "total" | "failures") =>
    after.get(address)![key] - before.get(address)![key];
  const total = fleet.reduce((sum, member) => sum + gain(member, "total"), 0);
  for (const member of fleet) {
    assertEquals(gain(member, "failures"), 0, "no connection goes to a backend that is down");
    const share = member.up ? total * weightOf(member) / whole : 0;
    const count = gain(member, "total");
    const most = member.up ? 2 : 0;
    assertLessOrEqual(Math.abs(count - share), most, `${member.name}: ${count} of ${share}`);
  }
}
