import type { Bench, Figures, HttpSetting, Measurement, Metric, Proxy } from "./types.ts";
import { usageOf } from "./proc.ts";
import { freePort } from "./server.ts";
import { startWeb } from "./origins.ts";
import { ASKED } from "./http_routes.ts";
import { expectRefused } from "./refused.ts";
import { wrk, type WrkOptions } from "./wrk.ts";

/** What is asked for, over how many connections. */
interface Case extends Pick<WrkOptions, "connections" | "path" | "headers"> {
  readonly key: string;
  readonly label: string;
  readonly http?: Pick<HttpSetting, "tls" | "routes">;
}

const CASES: readonly Case[] = [
  { key: "http64", label: "HTTP, 64 connections", connections: 64 },
  { key: "http512", label: "HTTP, 512 connections", connections: 512 },
  { key: "http1000", label: "HTTP, 1,000 connections", connections: 1000 },
  { key: "http100K", label: "HTTP, responses of 100 KiB", connections: 64, path: "/100k" },
  { key: "http1M", label: "HTTP, responses of 1 MiB", connections: 16, path: "/1m" },
  {
    key: "httpNew",
    label: "HTTP, a connection per request",
    connections: 64,
    headers: ["Connection: close"],
  },
  { key: "httpTls", label: "HTTP over TLS, 64 connections", connections: 64, http: { tls: true } },
  {
    key: "httpRoutes",
    label: "HTTP, 1,000 routes",
    connections: 64,
    path: ASKED.path,
    headers: [`Host: ${ASKED.host}`],
    http: { routes: true },
  },
];

/** Requests that the proxy reads, forwards over connections that are kept alive, and logs. */
export const http: readonly Measurement[] = CASES.map(({ key, label, http = {}, ...options }) => ({
  name: key.replace(/^http/, "http-").toLowerCase(),
  mode: "http",
  tools: ["wrk", "nginx"],
  metrics: metricsOf(key, label),
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startWeb(bench);
    const route = { listenPort: freePort(), backendPort: origin.port, mode: "http", http } as const;
    const load = { ...options, tls: http.tls ?? false };
    await using server = await proxy.start(route, bench);
    if (http.routes) await expectRefused(server.port, ASKED.host);
    await wrk(server.port, { ...bench, ...load, seconds: 1 });
    const { pid } = server.process;
    const before = usageOf(pid).cpuSeconds;
    const result = await wrk(server.port, { ...bench, ...load });
    const cpuUs = (usageOf(pid).cpuSeconds - before) * 1e6;
    return {
      [key]: result.requestsPerSecond,
      [`${key}CpuUs`]: cpuUs / (result.requestsPerSecond * bench.seconds),
      [`${key}P50`]: result.p50Ms,
      [`${key}P99`]: result.p99Ms,
      [`${key}Errors`]: result.errors,
    };
  },
}));

function metricsOf(key: string, label: string): Metric[] {
  return [
    { key, label, unit: "requests/s", digits: 0 },
    { key: `${key}CpuUs`, label: `${label}, processor time for a request`, unit: "µs", digits: 1 },
    { key: `${key}P50`, label: `${label}, median`, unit: "ms", digits: 2 },
    { key: `${key}P99`, label: `${label}, 99th percentile`, unit: "ms", digits: 2 },
  ];
}
