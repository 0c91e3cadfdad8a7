import type { Bench, Figures, Measurement, Proxy } from "./types.ts";
import { download, type Transfer, upload } from "./curl.ts";
import { freePort, type Server } from "./server.ts";
import { LARGE_BYTES, startUploads, startWeb } from "./origins.ts";
import { usageOf } from "./proc.ts";

interface Case {
  readonly name: string;
  readonly key: string;
  readonly label: string;
  startOrigin(bench: Bench): Promise<Server>;
  /** One transfer through the proxy at `url`, which ends with a slash. */
  transfer(url: string, bench: Bench): Promise<Transfer>;
}

const CASES: readonly Case[] = [
  {
    name: "http-1g-down",
    key: "httpDown1G",
    label: "HTTP, a response of 1 GiB",
    startOrigin: startWeb,
    transfer: (url, bench) => download(`${url}1g`, bench),
  },
  {
    name: "http-1g-up",
    key: "httpUp1G",
    label: "HTTP, a request of 1 GiB",
    startOrigin: startUploads,
    transfer: (url, bench) => upload(url, { file: `${bench.directory}/1g`, chunked: false, bench }),
  },
  {
    name: "http-1g-chunked",
    key: "httpChunked1G",
    label: "HTTP, a request of 1 GiB in chunks",
    startOrigin: startUploads,
    transfer: (url, bench) => upload(url, { file: `${bench.directory}/1g`, chunked: true, bench }),
  },
];

/** Bodies of 1 GiB, one after the other. One of which the receiver has not counted every byte is a failure. */
export const httpLarge: readonly Measurement[] = CASES.map(({ name, key, label, startOrigin, transfer }) => ({
  name,
  mode: "http",
  tools: ["curl", "nginx"],
  metrics: [
    { key, label, unit: "Gbit/s", digits: 1 },
    { key: `${key}Cpu`, label: `${label}, processor time`, unit: "s", digits: 2 },
    { key: `${key}Busy`, label: "Processor of the proxy in use meanwhile", unit: "%", digits: 0 },
  ],
  async run(proxy: Proxy, bench: Bench): Promise<Figures> {
    await using origin = await startOrigin(bench);
    const route = { listenPort: freePort(), backendPort: origin.port, mode: "http" } as const;
    await using server = await proxy.start(route, bench);
    const whole = async () => {
      const { bytes, seconds } = await transfer(`http://127.0.0.1:${server.port}/`, bench);
      if (bytes !== LARGE_BYTES) throw new Error(`${bytes} bytes of ${LARGE_BYTES} have been received`);
      return seconds;
    };
    await whole();
    const before = usageOf(server.process.pid).cpuSeconds;
    let transfers = 0;
    let seconds = 0;
    for (; seconds < bench.seconds; transfers++) seconds += await whole();
    const cpuSeconds = usageOf(server.process.pid).cpuSeconds - before;
    return {
      [key]: 8 * transfers * LARGE_BYTES / seconds / 1e9,
      [`${key}Cpu`]: cpuSeconds / (transfers * LARGE_BYTES / 2 ** 30),
      // Well below 100 the load's core was the limit, and the proxy could have moved more.
      [`${key}Busy`]: 100 * cpuSeconds / seconds,
    };
  },
}));
