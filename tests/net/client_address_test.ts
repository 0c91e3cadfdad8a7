import { assertEquals } from "@std/assert";
import { clientAddress, formatClient } from "../../src/net/client_address.ts";

const tcp = (hostname: string, port: number): Deno.NetAddr => ({ transport: "tcp", hostname, port });

Deno.test("a client of a listener for both families has one address, whichever way it came", () => {
  assertEquals(clientAddress(tcp("::ffff:10.0.0.1", 4711)), { ip: "10.0.0.1", port: 4711 });
  assertEquals(clientAddress(tcp("10.0.0.1", 4711)), { ip: "10.0.0.1", port: 4711 });
});

Deno.test("an IPv6 address stays as it is, one that only looks mapped too", () => {
  assertEquals(clientAddress(tcp("::1", 1)), { ip: "::1", port: 1 });
  assertEquals(clientAddress(tcp("::ffff:0:1", 1)), { ip: "::ffff:0:1", port: 1 });
});

Deno.test("clients of a unix socket have no address of their own", () => {
  assertEquals(clientAddress({ transport: "unix", path: "/run/app.sock" }), { ip: "unix", port: 0 });
});

Deno.test("the log's form has the port, and brackets where they are needed", () => {
  assertEquals(formatClient({ ip: "10.0.0.1", port: 4711 }), "10.0.0.1:4711");
  assertEquals(formatClient({ ip: "::1", port: 4711 }), "[::1]:4711");
  assertEquals(formatClient({ ip: "unix", port: 0 }), "unix");
});
