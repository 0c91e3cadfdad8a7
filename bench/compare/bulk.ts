import { type Bench, type Figures, LOAD_CORE, type Measurement, type Proxy } from "./types.ts";
import { freePort } from "./server.ts";
import { run } from "./run.ts";
import { startIperf } from "./origins.ts";
import { usageOf } from "./proc.ts";

interface Transfer {
  bytes: number;
  gbitPerSecond: number;
}

/** Bytes in bulk, each way in turn, over one stream; and what they cost the proxy. */
export const bulk: Measurement = {
  name: "bulk",
  mode: "plain",
  tools: ["iperf3"],
  metrics: [
    { key: "bulkUp", label: "Bulk, client to backend", unit: "Gbit/s", digits: 1 },
    { key: "bulkDown", label: "Bulk, backend to client", unit: "Gbit/s", digits: 1 },
    { key: "cpuPerGiB", label: "Processor time for a GiB", unit: "s", digits: 2 },
    { key: "bulkBusy", label: "Processor of the proxy in use meanwhile", unit: "%", digits: 0 },
  ],
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startIperf(bench);
    const route = { listenPort: freePort(), backendPort: origin.port, mode: "plain" } as const;
    await using server = await proxy.start(route, bench);
    await transfer(server.port, [], { ...bench, seconds: 1 });
    const before = usageOf(server.process.pid).cpuSeconds;
    const up = await transfer(server.port, [], bench);
    const down = await transfer(server.port, ["--reverse"], bench);
    const cpuSeconds = usageOf(server.process.pid).cpuSeconds - before;
    return {
      bulkUp: up.gbitPerSecond,
      bulkDown: down.gbitPerSecond,
      cpuPerGiB: cpuSeconds / ((up.bytes + down.bytes) / 2 ** 30),
      // Well below 100 the load's core was the limit, and the proxy could have moved more.
      bulkBusy: 100 * cpuSeconds / (2 * bench.seconds),
    };
  },
};

/**
 * One iperf3 test. The server takes one test at a time, and the connection that found the proxy ready was one
 * to it, so a test that finds it busy is tried again.
 */
async function transfer(port: number, flags: string[], bench: Bench): Promise<Transfer> {
  const time = String(bench.seconds);
  const args = ["--client", "127.0.0.1", "--port", String(port), "--time", time, "--json", ...flags];
  const spec = { program: "iperf3", args, core: LOAD_CORE, signal: bench.signal };
  for (let attempt = 1;; attempt++) {
    const { output } = await run(spec, (bench.seconds + 15) * 1_000);
    const found = readTransfer(output);
    if (found !== undefined) return found;

    if (attempt === 5) throw new Error(`iperf3 failed: ${output.slice(-500)}`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

/** `undefined` where the test failed: with `--json` iperf3 may say so in its answer alone, and exit with 0. */
function readTransfer(output: string): Transfer | undefined {
  try {
    const { error, end } = JSON.parse(output) as {
      error?: string;
      end: { sum_received?: { bytes: number; bits_per_second: number } };
    };
    if (error !== undefined || end.sum_received === undefined) return undefined;
    return { bytes: end.sum_received.bytes, gbitPerSecond: end.sum_received.bits_per_second / 1e9 };
  } catch {
    return undefined;
  }
}
