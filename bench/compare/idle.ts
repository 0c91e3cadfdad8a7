import type { Bench, Figures, Measurement, Mode, Proxy } from "./types.ts";
import { denoProgram } from "./deno_program.ts";
import { freePort } from "./server.ts";
import { Process } from "./process.ts";
import { settledResidentKiB } from "./proc.ts";
import { startEcho, startWeb } from "./origins.ts";

/** How many tunnels, or connections that are kept alive, are held open. */
export const TUNNELS = 3_000;
const OPEN_MS = 60_000;

/** Resident memory for each tunnel that has carried a few bytes, or client that has got a response, and is idle since. */
export function idle(mode: Mode): Measurement {
  const prefix = mode === "plain" ? "idle" : `${mode}Idle`;
  const what = mode === "http" ? "client connection" : "tunnel";
  return {
    name: mode === "plain" ? "idle" : `${mode}-idle`,
    mode,
    tools: [],
    metrics: [{ key: `${prefix}KiB`, label: `Resident memory of an idle ${what}`, unit: "KiB", digits: 1 }],
    async run(proxy: Proxy, bench: Bench): Promise<Figures> {
      await using origin = mode === "http" ? await startWeb(bench) : await startEcho(bench);
      const route = { listenPort: freePort(), backendPort: origin.port, mode };
      await using server = await proxy.start(route, bench);
      const before = await settledResidentKiB(server.process.pid, bench.signal);
      const args = [server.port, TUNNELS, mode, bench.directory];
      await using client = new Process(denoProgram("./idle_client.ts", { args, bench }));
      await client.until(() => client.output.includes(`open ${TUNNELS}`), OPEN_MS);
      const after = await settledResidentKiB(server.process.pid, bench.signal);
      // It ends by itself when a tunnel is closed, and then fewer than all were measured.
      if (!client.running) throw client.failure("lost a tunnel");
      return {
        [`${prefix}KiB`]: (after - before) / TUNNELS,
        [`${prefix}BeforeKiB`]: before,
        [`${prefix}AfterKiB`]: after,
      };
    },
  };
}
