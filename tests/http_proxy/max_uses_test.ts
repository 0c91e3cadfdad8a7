import { assertEquals } from "@std/assert";
import { DEFAULT_POOL } from "../../src/upstream/pool/options.ts";
import { answering, OK, ProxyFixture, RawOrigin } from "./proxy_fixture.ts";

/** How many connections to the origin seven requests of one client take. */
async function connectionsWith(maxUses: number): Promise<number> {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], {
    upstreams: { app: { backends: [origin.address], pool: { ...DEFAULT_POOL, maxUses } } },
  });
  await fixture.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(7));
  assertEquals(fixture.records.length, 7);
  return origin.connections.length;
}

Deno.test("a connection to a backend carries at most maxUses requests, and any number with 0", async () => {
  assertEquals(await connectionsWith(1), 7);
  assertEquals(await connectionsWith(3), 3);
  assertEquals(await connectionsWith(0), 1);
});
