import type { Bench, Mode } from "./types.ts";
import { denoProgram } from "./deno_program.ts";
import { Process } from "./process.ts";
import { usageOf } from "./proc.ts";
import type { Server } from "./server.ts";

/** Bytes to the origin, bytes from it, 64 bytes there and back, or a handshake with a small exchange each. */
export type LoadKind = "up" | "down" | "round-trips" | "handshakes";

/** What a proxy has done in a time, and what it cost it. */
export interface Work {
  /** Bytes, round trips or handshakes. */
  count: number;
  seconds: number;
  /** Processor time of the proxy. */
  cpuSeconds: number;
}

/** Which listener is loaded. */
export interface Target {
  server: Server;
  mode: Mode;
}

/** Connecting and warming up take little more than a second. */
const WARM_MS = 20_000;
const SPARE_MS = 15_000;

/** Loads a proxy from `load_client.ts`, which warms it up first. */
export async function load(kind: LoadKind, { server, mode }: Target, bench: Bench): Promise<Work> {
  const args = [kind, mode, server.port, bench.seconds, bench.directory];
  await using client = new Process(denoProgram("./load_client.ts", { args, bench }));
  await client.until(() => client.output.includes("warm"), WARM_MS);
  const before = usageOf(server.process.pid).cpuSeconds;
  await client.until(() => readResult(client.output) !== undefined, bench.seconds * 1_000 + SPARE_MS);
  const cpuSeconds = usageOf(server.process.pid).cpuSeconds - before;
  const { count, seconds } = readResult(client.output) ?? { count: 0, seconds: 0 };
  if (count === 0) throw client.failure(`got nothing done`);
  return { count, seconds, cpuSeconds };
}

function readResult(output: string): { count: number; seconds: number } | undefined {
  const line = /^\{.*\}$/m.exec(output)?.[0];
  return line === undefined ? undefined : JSON.parse(line);
}
