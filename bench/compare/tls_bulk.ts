import type { Bench, Figures, Measurement, Proxy, TlsMode } from "./types.ts";
import { freePort } from "./server.ts";
import { load, type Work } from "./load.ts";
import { startBulk } from "./origins.ts";

/** Bytes in bulk over one TLS connection, each way in turn; and what they cost the proxy. */
export function tlsBulk(mode: TlsMode): Measurement {
  return {
    name: `${mode}-bulk`,
    mode,
    tools: [],
    metrics: [
      { key: `${mode}BulkUp`, label: "Bulk, client to backend", unit: "Gbit/s", digits: 1 },
      { key: `${mode}BulkDown`, label: "Bulk, backend to client", unit: "Gbit/s", digits: 1 },
      { key: `${mode}BulkCpu`, label: "Processor time for a GiB", unit: "s", digits: 2 },
      { key: `${mode}BulkBusy`, label: "Processor of the proxy in use meanwhile", unit: "%", digits: 0 },
    ],
    async run(proxy: Proxy, bench: Bench): Promise<Figures> {
      await using origin = await startBulk(bench);
      const route = { listenPort: freePort(), backendPort: origin.port, mode };
      await using server = await proxy.start(route, bench);
      const up = await load("up", { server, mode }, bench);
      const down = await load("down", { server, mode }, bench);
      const cpuSeconds = up.cpuSeconds + down.cpuSeconds;
      return {
        [`${mode}BulkUp`]: gbitPerSecond(up),
        [`${mode}BulkDown`]: gbitPerSecond(down),
        [`${mode}BulkCpu`]: cpuSeconds / ((up.count + down.count) / 2 ** 30),
        [`${mode}BulkBusy`]: 100 * cpuSeconds / (up.seconds + down.seconds),
      };
    },
  };
}

function gbitPerSecond({ count, seconds }: Work): number {
  return 8 * count / seconds / 1e9;
}
