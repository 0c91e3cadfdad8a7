import { type Bench, LOAD_CORE } from "./types.ts";
import { run } from "./run.ts";

/** What wrk tells at its end. */
export interface WrkResult {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  p999Ms: number;
  /** Connections that failed, broke off, or took longer than two seconds. */
  errors: number;
}

/** How long and in which way the proxy is loaded. */
export interface WrkOptions extends Pick<Bench, "seconds" | "signal"> {
  /** @default {64} */
  connections?: number;
  /** What is asked for. @default {"/"} */
  path?: string;
  /** Whether the proxy is asked over TLS, whose certificate wrk does not verify. @default {false} */
  tls?: boolean;
  /** Of every request. */
  headers?: readonly string[];
}

const PERCENTILES = new URL("./percentiles.lua", import.meta.url).pathname;

/** Loads the proxy from one thread. */
export async function wrk(port: number, options: WrkOptions): Promise<WrkResult> {
  const { seconds, signal, connections = 64, path = "/", tls = false, headers = [] } = options;
  const flags = headers.flatMap((header) => ["--header", header]);
  const load = ["--threads", "1", "--connections", `${connections}`, "--duration", `${seconds}s`];
  const args = [
    ...load,
    "--script",
    PERCENTILES,
    ...flags,
    `${tls ? "https" : "http"}://127.0.0.1:${port}${path}`,
  ];
  const { code, output } = await run(
    { program: "wrk", args, core: LOAD_CORE, signal },
    (seconds + 15) * 1_000,
  );
  if (code !== 0) throw new Error(`wrk failed: ${output.slice(-500)}`);
  if (output.includes("Non-2xx")) throw new Error(`wrk got answers other than 2xx: ${output.slice(-500)}`);
  return readResult(output);
}

function readResult(output: string): WrkResult {
  const rate = /Requests\/sec:\s+([\d.]+)/.exec(output)?.[1];
  if (rate === undefined) throw new Error(`Cannot read what wrk wrote: ${output.slice(-500)}`);
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output);
  return {
    requestsPerSecond: Number(rate),
    p50Ms: percentileMs(output, 50),
    p99Ms: percentileMs(output, 99),
    p999Ms: percentileMs(output, 99.9),
    errors: broken === null ? 0 : broken.slice(1).reduce((sum, count) => sum + Number(count), 0),
  };
}

function percentileMs(output: string, percent: number): number {
  const value = new RegExp(`^p${percent} (\\d+) us$`, "m").exec(output)?.[1];
  if (value === undefined) throw new Error(`wrk wrote no ${percent}% latency`);
  return Number(value) / 1_000;
}
