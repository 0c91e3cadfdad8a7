import { assertEquals, assertRejects } from "@std/assert";
import { HttpConnections } from "../../src/http_proxy/http_connections.ts";
import { type MemoryConnection, memoryPair } from "../support/memory_connection.ts";
import { until } from "../support/wait.ts";

function setUp(options: { maxIdle?: number; maxOpen?: number; maxUses?: number } = {}) {
  const servers: MemoryConnection[] = [];
  const connections = new HttpConnections({
    ...options,
    dial() {
      const [near, far] = memoryPair();
      servers.push(far);
      return Promise.resolve(near);
    },
  });
  const signal = AbortSignal.timeout(30_000);
  return { connections, servers, acquire: () => connections.acquire({ signal }) };
}

Deno.test("a connection that came back is used again, up to its number of uses", async () => {
  const { connections, servers, acquire } = setUp({ maxUses: 2 });
  for (let i = 0; i < 4; i++) connections.release(await acquire());
  assertEquals(servers.length, 2);
  await connections.close();
});

Deno.test("anything that comes on an idle connection closes it", async () => {
  const { connections, servers, acquire } = setUp();
  connections.release(await acquire());
  assertEquals(connections.stats.idle, 1);
  await servers[0]!.send("HTTP/1.1 200 OK");
  await until(() => connections.stats.idle === 0, { what: "for the connection to close" });
  connections.discard(await acquire());
  assertEquals([servers.length, connections.stats.active], [2, 0]);
  await connections.close();
});

Deno.test("at the bound callers wait, first come, first served", async () => {
  const { connections, acquire } = setUp({ maxOpen: 1 });
  const first = await acquire();
  const order: number[] = [];
  const waiting = [1, 2].map(async (number) => {
    const connection = await acquire();
    order.push(number);
    connections.release(connection);
  });
  await until(() => connections.stats.waiting === 2, { what: "for two callers" });
  connections.release(first);
  await Promise.all(waiting);
  assertEquals(order, [1, 2]);
  const held = await acquire();
  await assertRejects(
    () => connections.acquire({ signal: AbortSignal.timeout(10) }),
    Error,
    "the limit is reached",
  );
  connections.discard(held);
  await connections.close();
});
