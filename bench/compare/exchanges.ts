import type { Bench, Figures, Measurement, Proxy } from "./types.ts";
import { freePort } from "./server.ts";
import { startWeb } from "./origins.ts";
import { wrk } from "./wrk.ts";

/** Small requests and answers over 64 connections that stay open. */
export const exchanges: Measurement = {
  name: "exchanges",
  mode: "plain",
  tools: ["wrk", "nginx"],
  metrics: [
    { key: "exchanges", label: "Small exchanges", unit: "/s", digits: 0 },
    { key: "exchangesP50", label: "Small exchanges, median", unit: "ms", digits: 2 },
    { key: "exchangesP99", label: "Small exchanges, 99th percentile", unit: "ms", digits: 2 },
  ],
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startWeb(bench);
    const route = { listenPort: freePort(), backendPort: origin.port, mode: "plain" } as const;
    await using server = await proxy.start(route, bench);
    await wrk(server.port, { ...bench, seconds: 1 });
    const result = await wrk(server.port, bench);
    return {
      exchanges: result.requestsPerSecond,
      exchangesP50: result.p50Ms,
      exchangesP99: result.p99Ms,
      exchangesErrors: result.errors,
    };
  },
};
