// What a scrape of `GET /metrics` costs, from the running program's status to the bytes, and for how long it keeps
// the event loop from everything else.
// `deno bench -A bench/metrics_bench.ts`
import { type MetricsOptions, renderMetrics } from "../src/admin/metrics/render.ts";
import { ControlPlane } from "../src/app/control/control_plane.ts";
import { ProgramTarget } from "../src/app/admin/program_target.ts";
import { Reloader } from "../src/app/control/reloader.ts";
import { parseConfig } from "../src/config/parse.ts";
import { silentLog } from "../src/core/log.ts";

/** A program with one service and so many backends, without checks. */
async function program(backends: number): Promise<ProgramTarget> {
  const set = Array.from({ length: backends }, (_, i) => ({
    address: `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}:5432`,
    maxConnections: 100,
  }));
  const text = JSON.stringify({
    version: 1,
    upstreams: { db: { backends: set } },
    services: [{ name: "postgres", listen: ["127.0.0.1:0"], upstream: "db" }],
  });
  const controlPlane = new ControlPlane({ log: silentLog });
  using plan = await controlPlane.prepare(parseConfig(text, { name: "bench.json", folder: "/" }));
  plan.commit();
  const reloader = new Reloader({ log: silentLog, reload: () => Promise.resolve() });
  const logLevel = { get: () => "info" as const, set: () => Promise.resolve() };
  return new ProgramTarget({ controlPlane, reloader, version: "0.0.0", folder: "/", logLevel });
}

async function scrape(control: ProgramTarget, options: MetricsOptions = {}): Promise<Uint8Array> {
  const [status, { ready }] = await Promise.all([control.status(), control.ready()]);
  return await renderMetrics({ status, ready }, options);
}

/** The longest that a scrape keeps the event loop without a pause, the median of some, and how much it writes. */
async function hold(control: ProgramTarget): Promise<{ holdMs: number; bytes: number }> {
  const holds: number[] = [];
  let bytes = 0;
  for (let i = 0; i < 15; i++) {
    let [longestMs, sinceMs] = [0, performance.now()];
    const note = () => longestMs = Math.max(longestMs, performance.now() - sinceMs);
    const pause = async () => {
      note();
      await new Promise((resolve) => setTimeout(resolve, 0));
      sinceMs = performance.now();
    };
    bytes = (await scrape(control, { pause })).length;
    note();
    holds.push(longestMs);
  }
  return { holdMs: holds.toSorted((a, b) => a - b)[7]!, bytes };
}

for (const backends of [10, 1000, 10_000]) {
  const control = await program(backends);
  const { holdMs, bytes } = await hold(control);
  const size = `${(bytes / 1024).toFixed(0)} KiB`;
  console.log(
    `${backends} backends: ${size}, the event loop is kept for ${holdMs.toFixed(1)} ms at the most`,
  );
  const group = `${backends} backends`;
  Deno.bench(`the status alone, ${group}`, { group }, () => void control.status());
  Deno.bench(`a scrape, ${group}`, { group }, async () => void await scrape(control));
}
