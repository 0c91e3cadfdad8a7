import { assertEquals } from "@std/assert";
import { canonicalHost, isHost, isHostName } from "../../../src/config/schema/host.ts";

const GOOD = [
  "10.0.0.1",
  "::1",
  "fe80::1%eth0",
  "localhost",
  "db-1.internal",
  "db.internal.",
  "my_db",
  "_pg._tcp.example.org",
  "xn--bcher-kva.example",
  "1a",
  "a".repeat(63),
  `${"a".repeat(63)}.`.repeat(3) + "a".repeat(61),
];

const BAD = [
  "",
  ".",
  "a..b",
  ".a",
  "-a",
  "a-",
  "a.-b",
  "a b",
  "a*",
  "bücher.example",
  "127.1",
  "10.0.0.256",
  "10.0.0.01",
  "12345",
  "1.2.3.4.5",
  ":::",
  "10.0.0.1%eth0",
  "fe80::1%",
  "fe80::1%a%b",
  "a%b:c",
  "a".repeat(64),
  `${"a".repeat(63)}.`.repeat(3) + "a".repeat(62),
];

for (const host of GOOD) {
  Deno.test(`"${host.slice(0, 40)}" is a host`, () => assertEquals(isHost(host), true));
}

for (const host of BAD) {
  Deno.test(`"${host.slice(0, 40)}" is no host`, () => assertEquals(isHost(host), false));
}

Deno.test("a text that is much too long for a host is none, and takes no time worth speaking of", () => {
  // In quadratic time each of these would take minutes.
  for (const piece of ["%a", "a", ".", "a.", "-", "_-", ":%", "1."]) {
    const text = `::${piece.repeat(1_000_000)}`;
    assertEquals([isHost(text), isHost(text.slice(2)), isHostName(text)], [false, false, false], piece);
    assertEquals(canonicalHost(text).length >= 1_000_000, true);
  }
});

Deno.test("an address is no name of a host", () => {
  const texts = ["db.internal", "_db._tcp.internal.", "10.0.0.1", "::1", "fe80::1%eth0"];
  assertEquals(texts.map(isHostName), [true, true, false, false, false]);
});

const SAME: readonly (readonly [string, string])[] = [
  ["DB.Internal.", "db.internal"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:DB8::0:1", "2001:db8::1"],
  ["::ffff:10.0.0.1", "10.0.0.1"],
  ["FE80::1%eth0", "fe80::1%eth0"],
  ["", ""],
];

for (const [host, canonical] of SAME) {
  Deno.test(`"${host}" is compared as "${canonical}"`, () => assertEquals(canonicalHost(host), canonical));
}
