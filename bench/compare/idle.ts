import { type Bench, type Figures, LOAD_CORE, type Measurement, type Proxy } from "./types.ts";
import { freePort } from "./server.ts";
import { Process } from "./process.ts";
import { settledResidentKiB } from "./proc.ts";
import { startEcho } from "./origins.ts";

/** How many tunnels are held open. */
export const TUNNELS = 3_000;
const OPEN_MS = 60_000;

/** Resident memory for each tunnel that has carried a few bytes and is idle since. */
export const idle: Measurement = {
  name: "idle",
  tools: [],
  metrics: [{ key: "idleKiB", label: "Resident memory of an idle tunnel", unit: "KiB", digits: 1 }],
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startEcho(bench);
    await using server = await proxy.start({ listenPort: freePort(), backendPort: origin.port }, bench);
    const before = await settledResidentKiB(server.process.pid, bench.signal);
    await using client = openTunnels(server.port, bench.signal);
    await client.until(() => client.output.includes(`open ${TUNNELS}`), OPEN_MS);
    const after = await settledResidentKiB(server.process.pid, bench.signal);
    // It ends by itself when a tunnel is closed, and then fewer than all were measured.
    if (!client.running) throw client.failure("lost a tunnel");
    return { idleKiB: (after - before) / TUNNELS, idleBeforeKiB: before, idleAfterKiB: after };
  },
};

function openTunnels(port: number, signal: AbortSignal): Process {
  const script = new URL("./idle_client.ts", import.meta.url).pathname;
  const args = ["run", "--allow-net=127.0.0.1", script, String(port), String(TUNNELS)];
  return new Process({ program: Deno.execPath(), args, core: LOAD_CORE, signal });
}
