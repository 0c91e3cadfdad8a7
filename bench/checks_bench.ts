// What active checks cost: processor time and memory, for 10 to 5,000 backends of one upstream.
// `deno run -A bench/checks_bench.ts`, on Linux; it takes about a minute.
//
// Every turn is a process of its own, with checks of one kind: `memory` has nothing to do and ends at once, which
// leaves the cost of the schedule itself, and `tcp` connects to a backend on loopback, which lives in another
// process. Small sets are checked more often than every five seconds, so that there is something to measure; what
// is printed is for five. A wheel ticks as long as there is anything to wait for, whatever the number of checks:
// that is measured by itself, taken out of the cost of a check, and added again once.
import process from "node:process";
import { TimerWheel, WheelTimer } from "../src/core/timer_wheel.ts";
import { connectAndReset } from "../src/net/connect_and_reset.ts";
import type { BackendSpec, UpstreamOptions } from "../src/upstream/options.ts";
import type { Check } from "../src/upstream/check/check.ts";
import { TcpCheck } from "../src/upstream/check/tcp_check.ts";
import type { HealthOptions } from "../src/upstream/check/options.ts";
import { Upstream } from "../src/upstream/upstream.ts";

type Kind = "memory" | "tcp";

const SIZES = [10, 100, 1_000, 5_000];
/** The interval that the figures are for. */
const INTERVAL_MS = 5_000;
/** For how long each turn is measured. */
const WINDOW_MS = 3_000;

/** What one turn has found. */
interface Figures {
  /** Processor time of the process, user and system, for one second of an idle wheel. */
  readonly idleMsPerSecond: number;
  readonly msPerCheck: number;
  readonly checksPerSecond: number;
  readonly bytesPerBackend: number;
  readonly bytesForChecks: number;
  readonly down: number;
}

/** Counts what it passes on. */
class CountingCheck implements Check {
  runs = 0;
  readonly #run: Check["run"];

  constructor(run: Check["run"]) {
    this.#run = run;
  }

  run(...args: Parameters<Check["run"]>): ReturnType<Check["run"]> {
    this.runs++;
    return this.#run(...args);
  }
}

function makeCheck(kind: Kind): CountingCheck {
  if (kind === "memory") return new CountingCheck(() => Promise.resolve({ detail: "good" }));
  const check = new TcpCheck({ connectAndReset });
  return new CountingCheck((address, signal) => check.run(address, signal));
}

/** Backends with addresses of their own, all of which lead to the one listener on all of loopback. */
function makeSpecs(size: number, port: number): BackendSpec[] {
  return Array.from({ length: size }, (_, i) => {
    const host = `127.1.${i >> 8}.${i & 255}`;
    return { address: { kind: "tcp", host, port }, weight: 1, maxConnections: 0, backup: false };
  });
}

/** One turn, in this process. */
async function measure(kind: Kind, options: { size: number; port: number }): Promise<Figures> {
  const { size, port } = options;
  await warmUp(kind, port);
  const idleMsPerSecond = await measureIdle();
  const check = makeCheck(kind);
  const before = usedBytes();
  const upstreamOptions = optionsFor(makeSpecs(size, port));
  const upstream = new Upstream(upstreamOptions, { makeCheck: () => check });
  const without = usedBytes();
  // At most a thousand checks a second, and at least two rounds within the window.
  const intervalMs = Math.max(500, size);
  upstream.update({ ...upstreamOptions, health: healthEvery(intervalMs) });
  await sleep(1.5 * intervalMs); // The first checks come all at once, the second ones bring the spread.
  const withChecks = usedBytes();
  const [cpuBefore, runsBefore, startedMs] = [cpuMs(), check.runs, performance.now()];
  await sleep(WINDOW_MS);
  const seconds = (performance.now() - startedMs) / 1000;
  const [cpu, runs] = [cpuMs() - cpuBefore, check.runs - runsBefore];
  const down = upstream.backends.filter(({ state }) => state !== "up").length;
  await upstream.close();
  return {
    idleMsPerSecond,
    msPerCheck: (cpu - seconds * idleMsPerSecond) / runs,
    checksPerSecond: runs / seconds,
    bytesPerBackend: (without - before) / size,
    bytesForChecks: (withChecks - without) / size,
    down,
  };
}

function optionsFor(backends: readonly BackendSpec[]): UpstreamOptions {
  return {
    name: "bench",
    backends,
    balance: "round-robin",
    pool: { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 90_000 },
    retries: 2,
    onRemove: "close",
    proxyProtocol: "none",
  };
}

function healthEvery(intervalMs: number): HealthOptions {
  return { type: "tcp", intervalMs, timeoutMs: 2_000, rise: 2, fall: 3 };
}

/** What is compiled and kept once, for the first backend of all, is not to be counted as any other's. */
async function warmUp(kind: Kind, port: number): Promise<void> {
  const options = { ...optionsFor(makeSpecs(100, port)), health: healthEvery(100) };
  const upstream = new Upstream(options, { makeCheck: () => makeCheck(kind) });
  await sleep(1_000);
  await upstream.close();
}

/** What a process costs in which one wheel ticks and nothing is due. */
async function measureIdle(): Promise<number> {
  const wheel = new TimerWheel();
  const timer = new WheelTimer(() => 0);
  wheel.start(timer, 3_600_000);
  await sleep(500); // Whatever the start of the program has left to do.
  const [before, startedMs] = [cpuMs(), performance.now()];
  await sleep(2_000);
  const perSecond = (cpuMs() - before) / ((performance.now() - startedMs) / 1000);
  wheel.stop(timer);
  return perSecond;
}

/** Processor time of this process so far. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** The heap without its garbage. */
function usedBytes(): number {
  (globalThis as unknown as { gc: () => void }).gc();
  return Deno.memoryUsage().heapUsed;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Accepts on all of loopback and reads until the end, until this process is ended. */
async function serve(): Promise<void> {
  const listener = Deno.listen({ hostname: "0.0.0.0", port: 0 });
  console.log(listener.addr.port);
  for (;;) {
    const connection = await listener.accept().catch(() => undefined); // Reset before it was accepted.
    void connection?.read(new Uint8Array(1)).catch(() => {}).then(() => connection.close());
  }
}

/** This file in a process of its own. */
function command(args: readonly string[]): Deno.Command {
  const flags = ["run", "-A", "--v8-flags=--expose-gc", import.meta.filename!];
  return new Deno.Command(Deno.execPath(), { args: [...flags, ...args], stdout: "piped", stderr: "inherit" });
}

async function turn(kind: Kind, options: { size: number; port: number }): Promise<Figures> {
  const { code, stdout } = await command([kind, `${options.size}`, `${options.port}`]).output();
  if (code !== 0) throw new Error(`the turn of ${options.size} backends has failed`);
  return JSON.parse(new TextDecoder().decode(stdout));
}

/** A row of the table. */
function row(kind: Kind, size: number, figures: Figures): string {
  const { idleMsPerSecond, msPerCheck, checksPerSecond, bytesPerBackend, bytesForChecks, down } = figures;
  // Checks come a twentieth early on average.
  const perSecond = size / (0.95 * INTERVAL_MS / 1000);
  const percent = Math.max(0, msPerCheck * perSecond + idleMsPerSecond) / 10;
  const cells = [
    kind,
    size,
    `${perSecond.toFixed(1)} (${checksPerSecond.toFixed(0)})`,
    `${(msPerCheck * 1000).toFixed(0)} µs`,
    `${percent.toFixed(2)} %`,
    kibibytes(bytesForChecks, size),
    kibibytes(bytesPerBackend + bytesForChecks, size),
  ];
  return `| ${cells.join(" | ")} |${down > 0 ? ` ${down} not up: no figure` : ""}`;
}

/** A heap is never the same twice: for few backends that is more than they take themselves. */
function kibibytes(bytes: number, size: number): string {
  return size < 1000 ? "" : `${(bytes / 1024).toFixed(1)} KiB`;
}

async function main(): Promise<void> {
  const server = command(["serve"]).spawn();
  const reader = server.stdout.getReader();
  const port = Number(new TextDecoder().decode((await reader.read()).value));
  console.log(
    "| check | backends | checks/s (measured at) | each | of a core | memory of the checks | of a backend with them |",
  );
  console.log("| --- | --- | --- | --- | --- | --- | --- |");
  try {
    for (const kind of ["memory", "tcp"] as const) {
      for (const size of SIZES) console.log(row(kind, size, await turn(kind, { size, port })));
    }
  } finally {
    server.kill();
    await reader.cancel();
    await server.status;
  }
}

if (import.meta.main) {
  const [role, size, port] = Deno.args;
  if (role === "serve") await serve();
  else if (role === "memory" || role === "tcp") {
    console.log(JSON.stringify(await measure(role, { size: Number(size), port: Number(port) })));
  } else await main();
}
