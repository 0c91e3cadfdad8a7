import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { type Address, formatAddress, parseAddress } from "../../src/net/address.ts";

const tcp = (host: string, port: number): Address => ({ kind: "tcp", host, port });

Deno.test("each form of address is read, and written as it was", () => {
  const forms: [string, Address][] = [
    ["127.0.0.1:5432", tcp("127.0.0.1", 5432)],
    ["db.internal:0", tcp("db.internal", 0)],
    [":80", tcp("", 80)],
    ["[::1]:65535", tcp("::1", 65535)],
    ["[::]:80", tcp("::", 80)],
    ["[fe80::1%eth0]:80", tcp("fe80::1%eth0", 80)],
    ["[::ffff:10.0.0.1]:80", tcp("::ffff:10.0.0.1", 80)],
    ["unix:/run/app.sock", { kind: "unix", path: "/run/app.sock" }],
    ["unix:app:1.sock", { kind: "unix", path: "app:1.sock" }],
  ];
  for (const [text, address] of forms) {
    assertEquals(parseAddress(text), address);
    assertEquals(formatAddress(address), text);
  }
});

Deno.test("a port is written without the zeros it was read with, so that one address has one key", () => {
  assertEquals(formatAddress(parseAddress("a:0080")), "a:80");
});

Deno.test("what is no address is refused, with what was read and what was expected", () => {
  const bad = [
    "",
    "localhost",
    "80",
    "a:",
    "a:b",
    "a:-1",
    "a:123456",
    "a:65536",
    "a b:80",
    "::1:80",
    "[::1]",
    "a/b:1",
  ];
  bad.push("[::1:80", "http://a:80", "a:80 ", "[]:80", "[localhost]:80", "unix:", "unix:/a\0b", "a:80\n");
  for (const text of bad) {
    const error = assertThrows(
      () => parseAddress(text),
      CulvertError,
      `Cannot read address "${text}": expected`,
    );
    assertEquals(error.code, "bad_address");
  }
  assertThrows(() => parseAddress("a:65536"), CulvertError, "a port from 0 to 65535");
});
