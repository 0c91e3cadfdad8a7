import { assertEquals } from "@std/assert";
import { ConnectionLimit, type ConnectionSlot } from "../../src/admin/connection_limit.ts";
import { FakeClock } from "../core/fake_clock.ts";

/** Slots of named clients, and which clients were evicted. */
class TestLimit {
  readonly clock = new FakeClock();
  readonly evicted: string[] = [];
  readonly #limit: ConnectionLimit;

  constructor(maxConnections: number) {
    this.#limit = new ConnectionLimit({ maxConnections, clock: this.clock });
  }

  get size(): number {
    return this.#limit.size;
  }

  acquire(ip: string, name = ip): ConnectionSlot | undefined {
    this.clock.advance(1);
    return this.#limit.acquire({ ip, port: 1 }, () => this.evicted.push(name));
  }
}

Deno.test("remote clients have at most half of the slots until they are authenticated", () => {
  const limit = new TestLimit(4);
  const [first] = [limit.acquire("192.0.2.1"), limit.acquire("192.0.2.2")];
  first?.authenticated();
  limit.acquire("192.0.2.3");
  limit.acquire("192.0.2.4");
  assertEquals([limit.evicted, limit.size], [["192.0.2.2"], 3]);
  limit.acquire("127.0.0.1");
  limit.acquire("127.0.0.1"); // Full: a remote client is evicted first.
  assertEquals([limit.evicted, limit.size], [["192.0.2.2", "192.0.2.3"], 4]);
  limit.acquire("unix");
  assertEquals(limit.evicted, ["192.0.2.2", "192.0.2.3", "192.0.2.4"]);
  limit.acquire("unix"); // No remote client is left.
  assertEquals(limit.evicted.at(-1), "127.0.0.1");
});

Deno.test("the source with the most connections loses one, by the IPv6 /64", () => {
  const limit = new TestLimit(6);
  limit.acquire("192.0.2.1");
  limit.acquire("2001:db8::1");
  limit.acquire("2001:db8::2");
  limit.acquire("192.0.2.2");
  assertEquals(limit.evicted, ["2001:db8::1"]);
});

Deno.test("a connection whose request is handled is not evicted, and releases its slot once", () => {
  const limit = new TestLimit(2);
  const [first, second] = [limit.acquire("127.0.0.1", "first"), limit.acquire("127.0.0.1", "second")];
  first!.handleRequest();
  second!.handleRequest();
  assertEquals(limit.acquire("127.0.0.2"), undefined);
  second!.waitForClient();
  limit.acquire("127.0.0.2");
  assertEquals([limit.evicted, limit.size], [["second"], 2]);
  second!.release();
  first!.release();
  first!.waitForClient();
  assertEquals(limit.size, 1);
});
