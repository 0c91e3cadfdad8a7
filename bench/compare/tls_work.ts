import type { Bench, Figures, Measurement, Metric, Proxy, TlsMode } from "./types.ts";
import { freePort, type Server } from "./server.ts";
import type { Target, Work } from "./load.ts";

/** Something that a proxy does many times over TLS. */
export interface TlsWorkOptions {
  /** What follows the mode in the measurement's name. */
  name: string;
  /** What follows the mode in the keys of its figures. */
  key: string;
  /** Several of them, as in "Full handshakes". */
  many: string;
  /** One of them, as in "a full handshake". */
  one: string;
  /** In what the processor time for one is given. */
  unit: "ms" | "µs";
  tools: readonly string[];
  startOrigin(bench: Bench): Promise<Server>;
  /** Loads the proxy, after a warm-up. */
  load(target: Target, bench: Bench): Promise<Work>;
}

/** Measures how many a second, what one costs the proxy, and how busy it is meanwhile. */
export function tlsWork(mode: TlsMode, options: TlsWorkOptions): Measurement {
  const key = `${mode}${options.key}`;
  const perSecond = options.unit === "ms" ? 1e3 : 1e6;
  const metrics: Metric[] = [
    { key, label: options.many, unit: "/s", digits: 0 },
    { key: `${key}Cpu`, label: `Processor time for ${options.one}`, unit: options.unit, digits: 2 },
    { key: `${key}Busy`, label: "Processor of the proxy in use meanwhile", unit: "%", digits: 0 },
  ];
  return {
    name: `${mode}-${options.name}`,
    mode,
    tools: options.tools,
    metrics,
    async run(proxy: Proxy, bench: Bench): Promise<Figures> {
      await using origin = await options.startOrigin(bench);
      const route = { listenPort: freePort(), backendPort: origin.port, mode };
      await using server = await proxy.start(route, bench);
      const { count, seconds, cpuSeconds } = await options.load({ server, mode }, bench);
      return {
        [key]: count / seconds,
        [`${key}Cpu`]: perSecond * cpuSeconds / count,
        // Well below 100 the load's core was the limit, and the proxy could have done more.
        [`${key}Busy`]: 100 * cpuSeconds / seconds,
      };
    },
  };
}
