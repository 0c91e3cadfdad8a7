import { type Bench, LOAD_CORE } from "./types.ts";
import { run } from "./run.ts";

/** What wrk tells at its end. */
export interface WrkResult {
  requestsPerSecond: number;
  p50Ms: number;
  p99Ms: number;
  /** Connections that failed, broke off, or took longer than two seconds. */
  errors: number;
}

const MS: Record<string, number> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 };

/** Loads the proxy with 64 connections from one thread. */
export async function wrk(port: number, headers: readonly string[], bench: Bench): Promise<WrkResult> {
  const url = `http://127.0.0.1:${port}/`;
  const flags = headers.flatMap((header) => ["--header", header]);
  const args = ["--threads", "1", "--connections", "64", "--duration", `${bench.seconds}s`, "--latency"];
  const spec = { program: "wrk", args: [...args, ...flags, url], core: LOAD_CORE, signal: bench.signal };
  const { code, output } = await run(spec, (bench.seconds + 15) * 1_000);
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
    errors: broken === null ? 0 : broken.slice(1).reduce((sum, count) => sum + Number(count), 0),
  };
}

function percentileMs(output: string, percent: number): number {
  const [, value, unit] = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m)$`, "m").exec(output) ?? [];
  if (value === undefined || unit === undefined) throw new Error(`wrk wrote no ${percent}% latency`);
  return Number(value) * (MS[unit] ?? 1);
}
