import { assertEquals } from "@std/assert";
import { type AdminPlace, AdminPlaces } from "../../src/admin/admin_places.ts";
import { FakeClock } from "../core/fake_clock.ts";

/** Places of named clients, and who has been evicted. */
class Places {
  readonly clock = new FakeClock();
  readonly evicted: string[] = [];
  readonly #places: AdminPlaces;

  constructor(maxConnections: number) {
    this.#places = new AdminPlaces({ maxConnections, clock: this.clock });
  }

  get size(): number {
    return this.#places.size;
  }

  enter(ip: string, name = ip): AdminPlace | undefined {
    this.clock.advance(1);
    return this.#places.enter({ ip, port: 1 }, () => this.evicted.push(name));
  }
}

Deno.test("clients from elsewhere have half of the places until they are authenticated", () => {
  const places = new Places(4);
  const [first] = [places.enter("192.0.2.1"), places.enter("192.0.2.2")];
  first?.admitted();
  places.enter("192.0.2.3");
  places.enter("192.0.2.4");
  assertEquals([places.evicted, places.size], [["192.0.2.2"], 3]);
  places.enter("127.0.0.1");
  places.enter("127.0.0.1"); // Full: one from elsewhere goes first.
  assertEquals([places.evicted, places.size], [["192.0.2.2", "192.0.2.3"], 4]);
  places.enter("unix");
  assertEquals(places.evicted, ["192.0.2.2", "192.0.2.3", "192.0.2.4"]);
  places.enter("unix"); // There is none left.
  assertEquals(places.evicted.at(-1), "127.0.0.1");
});

Deno.test("the source with the most connections loses one, by the IPv6 /64", () => {
  const places = new Places(6);
  places.enter("192.0.2.1");
  places.enter("2001:db8::1");
  places.enter("2001:db8::2");
  places.enter("192.0.2.2");
  assertEquals(places.evicted, ["2001:db8::1"]);
});

Deno.test("a connection whose request is handled keeps its place, and gives it back once", () => {
  const places = new Places(2);
  const [first, second] = [places.enter("127.0.0.1", "first"), places.enter("127.0.0.1", "second")];
  first!.work();
  second!.work();
  assertEquals(places.enter("127.0.0.2"), undefined);
  second!.wait();
  places.enter("127.0.0.2");
  assertEquals([places.evicted, places.size], [["second"], 2]);
  second!.leave();
  first!.leave();
  first!.wait();
  assertEquals(places.size, 1);
});
