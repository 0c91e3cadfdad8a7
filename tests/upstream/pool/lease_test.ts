import { assertEquals } from "@std/assert";
import { Lease, type LeaseEnd } from "../../../src/upstream/pool/lease.ts";
import { memoryPair } from "../../support/memory_connection.ts";

Deno.test("the first end of a lease is reported, once", () => {
  for (
    const [end, how] of [["release", "released"], ["discard", "discarded"], ["closed", "closed"]] as const
  ) {
    const [connection] = memoryPair();
    const ends: [Lease, LeaseEnd][] = [];
    const lease = new Lease({ connection, onEnd: (lease, how) => ends.push([lease, how]) });
    lease[end]();
    lease.discard();
    lease.release();
    lease.closed();
    assertEquals(ends, [[lease, how]]);
  }
});

Deno.test("what is spoken over a connection ends with the lease, and closes the connection itself", () => {
  for (const [end, closed] of [["release", true], ["discard", true], ["closed", false]] as const) {
    const [connection] = memoryPair();
    const [spoken] = memoryPair();
    const ends: LeaseEnd[] = [];
    const below = new Lease({ connection, epoch: 3, onEnd: (_, how) => ends.push(how) });
    assertEquals(below.covered, false);
    const lease = below.over(spoken);
    assertEquals([lease.connection, lease.ahead, lease.epoch, below.covered], [spoken, undefined, 3, true]);
    lease[end]();
    lease.discard();
    // It cannot be reused, and the last bytes are still on their way.
    assertEquals([ends, spoken.closed, connection.closed], [["closed"], closed, false]);
  }
});
