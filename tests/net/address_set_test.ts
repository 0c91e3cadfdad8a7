import process from "node:process";
import { assert, assertEquals, assertLess, assertStringIncludes, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { type AddressSet, parseAddressSet } from "../../src/net/address_set.ts";
import { seededRandom } from "../core/seeded_random.ts";

const MEMBERS: readonly [entries: string[], inside: string[], outside: string[]][] = [
  [[], [], ["0.0.0.0", "10.0.0.1", "::", "::1"]],
  [["10.0.0.1"], ["10.0.0.1"], ["10.0.0.0", "10.0.0.2", "::a00:1", "::10.0.0.1"]],
  [["10.0.0.0/8"], ["10.0.0.0", "10.255.255.255"], ["9.255.255.255", "11.0.0.0", "::"]],
  [["192.168.4.0/22"], ["192.168.4.0", "192.168.7.255"], ["192.168.3.255", "192.168.8.0"]],
  [["0.0.0.0/0"], ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], ["::", "::1.2.3.4", "::fffe:1.2.3.4"]],
  [["128.0.0.0/1"], ["128.0.0.0", "255.255.255.255"], ["127.255.255.255"]],
  [["255.255.255.255/32"], ["255.255.255.255"], ["255.255.255.254"]],
  [["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"], ["10.0.0.0", "10.1.2.3", "10.200.0.1"], ["11.1.2.3"]],
  [["10.1.2.3", "10.0.0.0/8", "10.0.0.0/8"], ["10.255.0.0"], ["11.0.0.0"]],
  [["10.0.0.0/31", "10.0.0.4/31"], ["10.0.0.1", "10.0.0.4"], ["10.0.0.2", "10.0.0.3", "10.0.0.6"]],
  [["::1"], ["::1", "0:0:0:0:0:0:0:1", "0::1", "::0.0.0.1"], ["::", "::2", "0.0.0.1", "127.0.0.1"]],
  [["2001:db8::/32"], ["2001:db8::", "2001:DB8:ffff:ffff:ffff:ffff:ffff:ffff"], ["2001:db9::", "2001:db7::"]],
  [["2001:db8:0:8000::/49"], ["2001:db8:0:8000::1", "2001:db8:0:ffff::"], ["2001:db8:0:7fff::1"]],
  [["::/0"], ["::", "::1", "ffff::", "::10.0.0.1"], ["10.0.0.1", "::ffff:10.0.0.1"]],
  [["::ffff:10.0.0.1"], ["10.0.0.1", "::ffff:10.0.0.1", "::ffff:a00:1"], ["10.0.0.2", "::10.0.0.1"]],
  [["10.0.0.1"], ["::ffff:10.0.0.1", "::FFFF:0a00:0001", "0:0:0:0:0:ffff:10.0.0.1"], ["::ffff:10.0.0.2"]],
  [["::ffff:10.0.0.0/104"], ["10.9.9.9", "::ffff:10.0.0.0"], ["11.0.0.0"]],
  [["::ffff:0:0/96"], ["0.0.0.0", "255.0.0.1"], ["::1"]],
  [["fe80::/10"], ["fe80::1%eth0", "fe80::1", "febf::%1"], ["fec0::%eth0", "fe7f::1"]],
  [["0.0.0.0/0", "::/0"], ["1.2.3.4", "::"], ["/run/app.sock", "", "unknown", "localhost", "10.0.0.1:80"]],
  [["0.0.0.0/0", "::/0"], [], [
    "[::1]",
    "10.0.0.1%eth0",
    "%",
    "010.0.0.1",
    "10.0.0",
    "1",
    "::1/128",
    "1:".repeat(99),
  ]],
];

for (const [entries, inside, outside] of MEMBERS) {
  Deno.test(`a set of [${entries.join(", ")}] has what it should`, () => {
    const set = parseAddressSet(entries);
    for (const ip of inside) assert(set.has(ip), `${ip} should be in`);
    for (const ip of outside) assert(!set.has(ip), `${ip} should not be in`);
  });
}

const BAD_ENTRIES: readonly [entry: string, reason: string][] = [
  ["", "expected an IP address or a subnet"],
  ["localhost", "expected an IP address or a subnet"],
  ["10.0.0", "expected an IP address or a subnet"],
  ["10.0.0.256", "expected an IP address or a subnet"],
  ["010.0.0.1", "expected an IP address or a subnet"],
  ["10.0.0.1 ", "expected an IP address or a subnet"],
  ["10.0.0.1:80", "expected an IP address or a subnet"],
  ["10.0.0.0/", "expected an IP address or a subnet"],
  ["10.0.0.0/08", "expected an IP address or a subnet"],
  ["10.0.0.0/-1", "expected an IP address or a subnet"],
  ["10.0.0.0/8/8", "expected an IP address or a subnet"],
  ["10.0.0.0/255.0.0.0", "expected an IP address or a subnet"],
  ["fe80::1%eth0", "expected an IP address or a subnet"],
  ["[::1]", "expected an IP address or a subnet"],
  ["::/129", "longer than 128 bits"],
  ["10.0.0.0/33", "longer than 32 bits"],
  ["10.0.0.1/8", 'did you mean "10.0.0.0/8"?'],
  ["255.255.255.255/0", 'did you mean "0.0.0.0/0"?'],
  ["192.168.7.0/22", 'did you mean "192.168.4.0/22"?'],
  ["2001:db8::1/32", 'did you mean "2001:db8::/32"?'],
  ["2001:db8:0:ffff::/49", 'did you mean "2001:db8:0:8000::/49"?'],
  ["::ffff:10.0.0.1/104", 'did you mean "10.0.0.0/8"?'],
  ["::ffff:10.0.0.1/80", 'did you mean "::/80"?'],
  ["::ffff:0.0.0.0/95", 'did you mean "::fffe:0:0/95"?'],
];

Deno.test("a bad entry is refused by name, with what is wrong", () => {
  for (const [entry, reason] of BAD_ENTRIES) {
    const error = assertThrows(() => parseAddressSet(["10.0.0.1", entry]), CulvertError);
    assertEquals(error.code, "bad_address_set");
    assertStringIncludes(error.message, `"${entry}"`);
    assertStringIncludes(error.message, reason);
  }
});

Deno.test("a set agrees with a plain reference over random subnets and addresses", () => {
  const random = wordsOf(5);
  for (let run = 0; run < 60; run++) {
    const subnets = Array.from({ length: random() % 40 }, () => randomSubnet(random));
    const set = parseAddressSet(subnets.map((subnet) => subnet.text));
    for (let i = 0; i < 300; i++) {
      const near = subnets[random() % (subnets.length + 1)];
      const { bits, value } = near === undefined ? randomSubnet(random) : near;
      // An edge of a subnet, one off, or a few bits away.
      const delta = [
        0n,
        -1n,
        1n << BigInt(random() % bits),
        (1n << BigInt(random() % bits)) - 1n,
      ][random() % 4]!;
      const at = BigInt.asUintN(bits, value + delta);
      if (bits === 128 && at >> 32n === 0xffffn) continue;
      const expected = subnets.some((subnet) =>
        subnet.bits === bits && at >> BigInt(bits - subnet.prefix) === network(subnet)
      );
      assertEquals(set.has(format(at, bits)), expected, format(at, bits));
      if (bits === 32) assertEquals(set.has(`::ffff:${format(at, bits)}`), expected);
    }
  }
});

Deno.test("a set of 20,000 subnets answers nearly as quickly as one of 100", () => {
  const random = wordsOf(3);
  const [small, large] = [100, 20_000].map((length) =>
    parseAddressSet(Array.from({ length }, () => randomSubnet(random, 20).text))
  );
  const [smallUs, largeUs] = [lookupTime(small!), lookupTime(large!)];
  // A search through all takes 200 times as long.
  assertLess(largeUs, 30 * smallUs);
});

/** The processor time of 20,000 lookups in microseconds; the best of five rounds. */
function lookupTime(set: AddressSet): number {
  const rounds = Array.from({ length: 5 }, () => {
    const before = process.cpuUsage();
    for (let i = 0; i < 20_000; i++) set.has(`10.${i & 255}.3.4`);
    const { user, system } = process.cpuUsage(before);
    return user + system;
  });
  return Math.min(...rounds);
}

interface Subnet {
  readonly text: string;
  readonly bits: 32 | 128;
  readonly prefix: number;
  /** The first address. */
  readonly value: bigint;
}

/** The bits before the prefix's end. */
function network(subnet: Subnet): bigint {
  return subnet.value >> BigInt(subnet.bits - subnet.prefix);
}

function randomSubnet(random: () => number, minPrefix = 0): Subnet {
  const bits = random() % 2 === 0 ? 32 : 128;
  const prefix = minPrefix + random() % (bits - minPrefix + 1);
  let value = 0n;
  for (let i = 0; i < bits / 32; i++) value = value << 32n | BigInt(random());
  // Few different beginnings, so that subnets lie within one another.
  value &= random() % 2 === 0 ? ~0n : 0xf000000fn << BigInt(bits - 32);
  const behind = BigInt(bits - prefix);
  value = value >> behind << behind;
  return { text: `${format(value, bits)}/${prefix}`, bits, prefix, value };
}

function format(value: bigint, bits: 32 | 128): string {
  const [count, size] = bits === 32 ? [4, 8n] : [8, 16n];
  const parts = Array.from(
    { length: count },
    (_, i) => BigInt.asUintN(Number(size), value >> size * BigInt(count - 1 - i)),
  );
  return bits === 32 ? parts.join(".") : parts.map((part) => part.toString(16)).join(":");
}

/** Whole numbers of 32 bits that a seed repeats. */
function wordsOf(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.floor(random() * 0x1_0000_0000);
}
