import { assertEquals } from "@std/assert";
import { RequestHead } from "../../src/http/request.ts";
import { BackendChoice } from "../../src/http_proxy/backend_choice.ts";
import type { ExchangeState } from "../../src/http_proxy/exchange_state.ts";
import type { Retries } from "../../src/http_proxy/retry.ts";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { Upstream } from "../../src/upstream/upstream.ts";
import { DEFAULT_POOL } from "../../src/upstream/pool/options.ts";
import { memoryPair } from "../support/memory_connection.ts";

Deno.test("a request leaves its place at the backend, whether its connection is a new one or not", async () => {
  const upstream = new Upstream({
    name: "app",
    backends: [{ address: { kind: "tcp", host: "a", port: 1 }, weight: 1, maxConnections: 0, backup: false }],
    ...{ balance: "round-robin", pool: DEFAULT_POOL, retries: 0, onRemove: "close", proxyProtocol: "none" },
  }, { dial: () => Promise.resolve(memoryPair()[0]) });
  const [backend] = upstream.backends;
  const wheel = new TimerWheel();
  const exchange = {
    session: { view: { pickOptions: {} }, wheel, buffers: new BufferPool() },
    plan: { timeouts: { connectMs: 10_000 } },
    messages: { hold() {}, request: new RequestHead() },
    elapsedMs: () => 0,
  } as unknown as ExchangeState;
  const owner = { onBackendRemoved() {}, onBackendDown() {}, onClosedByAdmin() {}, drain() {} };
  for (let i = 0; i < 3; i++) {
    const choice = new BackendChoice({ exchange, backends: upstream, retries: {} as Retries, owner });
    const connection = choice.takeKept() ?? await choice.connect();
    assertEquals([backend!.active, backend!.live.size], [1, 1]);
    connection.discard();
    choice.release();
    assertEquals([backend!.active, backend!.live.size], [0, 0]);
  }
  await upstream.close();
});
