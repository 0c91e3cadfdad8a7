import { assertEquals } from "@std/assert";
import { parseAddress } from "../../src/net/address.ts";
import { isAdminAddress, isLoopback } from "../../src/net/loopback.ts";

Deno.test("loopback is 127.0.0.0/8, ::1 in any spelling, and localhost", () => {
  const own = [
    "127.0.0.1",
    "127.255.255.254",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "localhost",
    "LocalHost",
  ];
  for (const host of own) assertEquals(isLoopback(host), true, host);
});

Deno.test("what others can reach, or what a resolver may lead elsewhere, is no loopback", () => {
  const foreign = [
    "",
    "0.0.0.0",
    "128.0.0.1",
    "126.255.255.255",
    "10.0.0.1",
    "::",
    "::2",
    "1::1",
    "::1:0:0:1",
    "::ffff:10.0.0.1",
    "127.1",
    "127.0.0.1.example.org",
    "localhost.example.org",
    "example.org",
  ];
  for (const host of foreign) assertEquals(isLoopback(host), false, host);
});

Deno.test("the admin API may listen on unix sockets and loopback by itself, and nowhere else", () => {
  const verdict = (text: string) => isAdminAddress(parseAddress(text));
  const good = ["unix:/run/admin.sock", "127.0.0.1:9901", "[::1]:0", "localhost:9901"];
  for (const text of good) assertEquals(verdict(text), true, text);
  for (const text of [":9901", "0.0.0.0:9901", "[::]:9901", "admin.example.org:9901"]) {
    assertEquals(verdict(text), false, text);
  }
});
