import type { Bench, Figures, Measurement, Proxy } from "./types.ts";
import { freePort } from "./server.ts";
import { startWeb } from "./origins.ts";
import { wrk } from "./wrk.ts";

/** One small exchange on each connection, 64 connections at a time. */
export const connections: Measurement = {
  name: "connections",
  mode: "plain",
  tools: ["wrk", "nginx"],
  metrics: [{ key: "connections", label: "New connections", unit: "/s", digits: 0 }],
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startWeb(bench);
    const route = { listenPort: freePort(), backendPort: origin.port, mode: "plain" } as const;
    await using server = await proxy.start(route, bench);
    const headers = ["Connection: close"];
    await wrk(server.port, { ...bench, headers, seconds: 1 });
    const result = await wrk(server.port, { ...bench, headers });
    return { connections: result.requestsPerSecond, connectionsErrors: result.errors };
  },
};
