import { assertEquals } from "@std/assert";
import { Lease, type LeaseEnd } from "../../src/upstream/lease.ts";
import { memoryPair } from "../support/memory_connection.ts";

Deno.test("the pool is told how a lease ended, once, by the first of its three ends", () => {
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
