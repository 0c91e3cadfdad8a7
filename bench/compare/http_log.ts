import type { Bench, Figures, Measurement, Proxy } from "./types.ts";
import { freePort, type Server } from "./server.ts";
import { startWeb } from "./origins.ts";
import { usageOf } from "./proc.ts";
import { wrk } from "./wrk.ts";

/** What the access log costs: the same load on two processes of a proxy, of which one writes no log. */
export const httpLog: Measurement = {
  name: "http-log",
  mode: "http",
  tools: ["wrk", "nginx"],
  metrics: [
    { key: "httpLogOn", label: "Processor time for a request, with an access log", unit: "µs", digits: 1 },
    { key: "httpLogOff", label: "Processor time for a request, without", unit: "µs", digits: 1 },
    {
      key: "httpLogCost",
      label: "Processor time that the access log adds",
      unit: "%",
      digits: 1,
      ratio: false,
    },
  ],
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startWeb(bench);
    const start = (accessLog: boolean) => {
      const route = { listenPort: freePort(), backendPort: origin.port, mode: "http" } as const;
      return proxy.start({ ...route, http: { accessLog } }, bench);
    };
    await using logging = await start(true);
    await using silent = await start(false);
    for (const { port } of [logging, silent]) await wrk(port, { ...bench, seconds: 1 });
    const on = new Cost(logging);
    const off = new Cost(silent);
    // In this order a machine that becomes slower is slower for both.
    for (const cost of [on, off, off, on]) await cost.measure(bench);
    if (silent.process.output.includes("GET")) throw silent.process.failure("has an access log");
    if (!logging.process.output.includes("GET")) throw logging.process.failure("has no access log");
    const errors = on.errors + off.errors;
    const cost = 100 * (on.microseconds / off.microseconds - 1);
    return {
      httpLogOn: on.microseconds,
      httpLogOff: off.microseconds,
      httpLogCost: cost,
      httpLogErrors: errors,
    };
  },
};

/** Sums up what requests cost a proxy. */
class Cost {
  errors = 0;
  #cpuSeconds = 0;
  #requests = 0;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  /** Processor time for a request. */
  get microseconds(): number {
    return 1e6 * this.#cpuSeconds / this.#requests;
  }

  async measure(bench: Bench): Promise<void> {
    const { pid } = this.#server.process;
    const before = usageOf(pid).cpuSeconds;
    const { requestsPerSecond, errors } = await wrk(this.#server.port, bench);
    this.#cpuSeconds += usageOf(pid).cpuSeconds - before;
    this.#requests += requestsPerSecond * bench.seconds;
    this.errors += errors;
  }
}
