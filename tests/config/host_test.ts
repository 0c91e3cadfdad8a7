import { assertEquals } from "@std/assert";
import { canonicalHost, isHost } from "../../src/config/host.ts";

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
  "a".repeat(64),
  `${"a".repeat(63)}.`.repeat(3) + "a".repeat(62),
];

for (const host of GOOD) {
  Deno.test(`"${host.slice(0, 40)}" is a host`, () => assertEquals(isHost(host), true));
}

for (const host of BAD) {
  Deno.test(`"${host.slice(0, 40)}" is no host`, () => assertEquals(isHost(host), false));
}

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
