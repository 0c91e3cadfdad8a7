import { assertEquals } from "@std/assert";
import { nearestName } from "../../../src/config/problem/nearest.ts";

const KEYS = ["name", "listen", "maxConnections", "rate", "per", "tls", "halfClose", "upstream", "backends"];

const NAMES: readonly (readonly [string, string | undefined])[] = [
  ["lisen", "listen"],
  ["lsiten", "listen"],
  ["listenn", "listen"],
  ["Listen", "listen"],
  ["nmae", "name"],
  ["max-connections", "maxConnections"],
  ["max_connections", "maxConnections"],
  ["MAX_CONNECTIONS", "maxConnections"],
  ["maxconnection", "maxConnections"],
  ["half close", "halfClose"],
  ["upstreams", "upstream"],
  ["backend", "backends"],
  ["tsl", "tls"],
  ["key", undefined],
  ["x", undefined],
  ["", undefined],
  ["proxyProtocol", undefined],
  ["listen".repeat(100_000), undefined],
];

for (const [name, nearest] of NAMES) {
  Deno.test(`the nearest of "${name.slice(0, 20)}" is ${nearest}`, () => {
    assertEquals(nearestName(name, KEYS), nearest);
  });
}

Deno.test("the nearest is the one with the fewest edits", () => {
  assertEquals(nearestName("timeouts", ["timeout", "timeouts"]), "timeouts");
  assertEquals(nearestName("listenr", ["listens", "listener"]), "listens");
});
