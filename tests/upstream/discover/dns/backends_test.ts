import { assertEquals } from "@std/assert";
import type { BackendSpec } from "../../../../src/upstream/options.ts";
import { formatAddress } from "../../../../src/net/address.ts";
import {
  backendsOfAddresses,
  backendsOfServices,
  type ServiceRecord,
} from "../../../../src/upstream/discover/dns/backends.ts";
import type { DnsRecord } from "../../../../src/upstream/discover/dns/message.ts";
import { seededRandom } from "../../../core/seeded_random.ts";

const a = (address: string): DnsRecord => ({ name: "db", ttlS: 1, type: "A", address });
const srv = (priority: number, weight: number, ...addresses: string[]): ServiceRecord => ({
  priority,
  weight,
  port: 80,
  addresses,
});
/** `10.0.0.1:80 x5`, and `backup` where it is one. */
const shown = (set: readonly BackendSpec[]) =>
  set.map(({ address, weight, backup }) => `${formatAddress(address)} x${weight}${backup ? " backup" : ""}`);

Deno.test("each address is a backend, once, in an order that is not the answer's", () => {
  const records = ["10.0.0.2", "fd00::1", "10.0.0.1", "10.0.0.2"].map(a);
  const expected = ["10.0.0.1:80 x1", "10.0.0.2:80 x1", "[fd00::1]:80 x1"];
  assertEquals(shown(backendsOfAddresses(records, 80)), expected);
  assertEquals(shown(backendsOfAddresses(records.toReversed(), 80)), expected);
});

Deno.test("the lowest priority number makes the backends, all others are backups, in their order", () => {
  const set = backendsOfServices([srv(30, 1, "c"), srv(20, 7, "b"), srv(10, 5, "a"), srv(10, 6, "z")]);
  assertEquals(shown(set), ["a:80 x5", "z:80 x6", "b:80 x7 backup", "c:80 x1 backup"]);
});

Deno.test("a priority whose targets have no addresses does not count", () => {
  assertEquals(shown(backendsOfServices([srv(1, 1), srv(2, 3, "b")])), ["b:80 x3"]);
  assertEquals(backendsOfServices([srv(1, 1)]), []);
});

Deno.test("weights that are all 0 are alike, and a 0 beside others has hardly any share", () => {
  assertEquals(shown(backendsOfServices([srv(1, 0, "a"), srv(1, 0, "b")])), ["a:80 x1", "b:80 x1"]);
  assertEquals(shown(backendsOfServices([srv(1, 0, "a"), srv(1, 1, "b"), srv(1, 3, "c")])), [
    "a:80 x1",
    "b:80 x100",
    "c:80 x300",
  ]);
  assertEquals(shown(backendsOfServices([srv(1, 0, "a"), srv(1, 65_535, "b")])), ["a:80 x1", "b:80 x65535"]);
});

Deno.test("a record's weight is shared out between the addresses of its target", () => {
  assertEquals(shown(backendsOfServices([srv(1, 2, "a", "b"), srv(1, 2, "c")])), [
    "a:80 x2",
    "b:80 x2",
    "c:80 x4",
  ]);
  // Where all have as many addresses, nothing need be shared out.
  assertEquals(shown(backendsOfServices([srv(1, 2, "a", "b"), srv(1, 3, "c", "d")])), [
    "a:80 x2",
    "b:80 x2",
    "c:80 x3",
    "d:80 x3",
  ]);
});

Deno.test("weights stay in proportion and within bounds, whatever the records", () => {
  const random = seededRandom(5);
  for (let round = 0; round < 500; round++) {
    const records = Array.from({ length: 1 + Math.floor(random() * 12) }, (_, i) =>
      srv(
        1,
        Math.floor(random() ** 3 * 65_536),
        ...Array.from({ length: 1 + Math.floor(random() * 7) }, (_, j) => `h${i}-${j}`),
      ));
    const byHost = new Map(
      backendsOfServices(records).map((spec) => [formatAddress(spec.address), spec.weight]),
    );
    const shares = records.map(({ addresses }) =>
      addresses.reduce((sum, host) => sum + byHost.get(`${host}:80`)!, 0)
    );
    for (const weight of byHost.values()) assertEquals(weight >= 1 && weight <= 65_535, true);
    const unit = Math.max(...shares) / Math.max(...records.map(({ weight }) => weight), 1);
    records.forEach(({ weight, addresses }, i) => {
      const off = Math.abs(shares[i]! - weight * unit);
      // Each address is rounded for itself, and none falls below 1.
      assertEquals(
        off <= addresses.length + 7 + weight * unit * 0.001,
        true,
        `${round}: ${off}`,
      );
    });
  }
});

Deno.test("an address that two records lead to is one backend, with its lowest priority, whatever their order", () => {
  const records = [srv(2, 9, "a"), srv(1, 3, "a"), srv(1, 4, "a"), srv(1, 1, "b")];
  const expected = ["a:80 x4", "b:80 x1"];
  assertEquals(shown(backendsOfServices(records)), expected);
  assertEquals(shown(backendsOfServices(records.toReversed())), expected);
});
