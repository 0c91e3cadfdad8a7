import { assert, assertEquals } from "@std/assert";
import { setImmediate } from "node:timers";
import { ReadTurns } from "../../src/net/read_turns.ts";

/** A turn of the event loop is full with so many reads. */
const FULL = 128;
/** Turns that are enough for a round of `FULL` reads to begin. */
const ROUND = 200;

const noRead = { begin() {} };

async function turns(count: number, each: () => void = () => {}): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise<void>((resolve) => setImmediate(resolve));
    each();
  }
}

function joined(connections: number): ReadTurns {
  const reads = new ReadTurns();
  for (let i = 0; i < connections; i++) reads.join();
  return reads;
}

/** Asks for `count` reads. Returns how many may begin at once; the others add their number to `begun` later. */
function ask(reads: ReadTurns, { count, begun = [] }: { count: number; begun?: number[] }): number {
  let admitted = 0;
  for (let i = 0; i < count; i++) if (reads.admit({ begin: () => begun.push(i) })) admitted++;
  return admitted;
}

/** Reads are served in rounds from here on. */
async function inRounds(): Promise<ReadTurns> {
  const reads = joined(300);
  assertEquals(ask(reads, { count: FULL }), FULL);
  await turns(1);
  assert(reads.inRounds);
  return reads;
}

Deno.test("with few connections every read begins at once, however many there are", async () => {
  const reads = joined(90);
  assertEquals(ask(reads, { count: 1000 }), 1000);
  await turns(2);
  assertEquals(reads.inRounds, false);
  assertEquals(ask(reads, { count: 1000 }), 1000);
});

Deno.test("connections that have left are not counted", async () => {
  const reads = joined(300);
  for (let i = 0; i < 250; i++) reads.leave();
  assertEquals(ask(reads, { count: 1000 }), 1000);
  await turns(2);
  assertEquals(reads.inRounds, false);
});

Deno.test("many connections of which few are busy are not made to wait", async () => {
  const reads = joined(5000);
  await turns(20, () => assertEquals(ask(reads, { count: 50 }), 50));
  assertEquals(reads.inRounds, false);
});

Deno.test("after a full turn a read waits, and all that wait begin in the order in which they came", async () => {
  const reads = await inRounds();
  const begun: number[] = [];
  assertEquals(ask(reads, { count: 2 * FULL, begun }), 0);
  assertEquals(begun, []);
  // The turn in which they were asked for was full.
  await turns(2 * ROUND);
  assertEquals(begun, Array.from({ length: 2 * FULL }, (_, i) => i));
  await turns(ROUND);
});

Deno.test("no read that waits begins while turns are full, since others may still be ready", async () => {
  const reads = await inRounds();
  const begun: number[] = [];
  await turns(ROUND, () => assertEquals(ask(reads, { count: FULL, begun }), 0));
  assertEquals(begun, []);
  await turns(3 * ROUND); // 64 of them begin in each.
  assertEquals(begun.length, ROUND * FULL);
});

Deno.test("a read that is asked for while its round begins waits for the next round", async () => {
  const reads = await inRounds();
  const order: string[] = [];
  const again = { begin: () => void order.push("again") };
  for (let i = 0; i < FULL; i++) {
    reads.admit({
      begin() {
        order.push("first");
        if (i === 0) assertEquals(reads.admit(again), false);
      },
    });
  }
  await turns(3 * ROUND);
  assertEquals(order, [...Array.from({ length: FULL }, () => "first"), "again"]);
});

Deno.test("rounds end when few connections are left that are busy", async () => {
  const reads = await inRounds();
  await turns(ROUND);
  assertEquals(reads.inRounds, false);
  assertEquals(ask(reads, { count: 10 }), 10);
  assertEquals(reads.admit(noRead), true);
});
