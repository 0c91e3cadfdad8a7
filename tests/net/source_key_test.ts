import { assertEquals } from "@std/assert";
import { DEFAULT_SOURCE_PREFIX, sourceKey } from "../../src/net/source_key.ts";

const CASES: readonly [ip: string, ipv4: number, ipv6: number, key: string][] = [
  ["10.1.2.3", 32, 64, "10.1.2.3"],
  ["10.1.2.3", 24, 64, "10.1.2.0"],
  ["255.255.255.255", 1, 64, "128.0.0.0"],
  ["::ffff:10.1.2.3", 32, 64, "10.1.2.3"],
  ["::ffff:a01:203", 32, 64, "10.1.2.3"],
  ["::ffff:10.1.2.3", 16, 64, "10.1.0.0"],
  ["2001:db8:1:2:3:4:5:6", 32, 64, "2001:db8:1:2::"],
  ["2001:db8:1:2:3:4:5:6", 32, 48, "2001:db8:1::"],
  ["2001:db8:1:2:3:4:5:6", 32, 56, "2001:db8:1::"],
  ["2001:db8:1:2:3:4:5:6", 32, 128, "2001:db8:1:2:3:4:5:6"],
  ["2001:db8:1:2:3:4:5:6", 32, 127, "2001:db8:1:2:3:4:5:6"],
  ["ffff:ffff:ffff:ffff::1", 32, 33, "ffff:ffff:8000::"],
  ["::1", 32, 64, "::"],
  ["unix", 24, 48, "unix"],
];

for (const [ip, ipv4, ipv6, key] of CASES) {
  Deno.test(`${ip} is of the source ${key} by /${ipv4} and /${ipv6}`, () => {
    assertEquals(sourceKey(ip, { ipv4, ipv6 }), key);
  });
}

Deno.test("by default an IPv4 address and an IPv6 /64 are a source", () => {
  assertEquals(DEFAULT_SOURCE_PREFIX, { ipv4: 32, ipv6: 64 });
});
