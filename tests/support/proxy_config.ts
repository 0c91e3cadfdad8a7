import { HEAD } from "./program.ts";

/** The parts of a configuration with one service, `main`, in front of one upstream. Each as YAML. */
export interface ProxyConfig {
  /** Addresses, or whole backends: `{address: …, weight: 5}`. */
  readonly backends: readonly string[];
  /** @default {'"127.0.0.1:0"'} */
  readonly listen?: string;
  /** More keys of the upstream: `retries: 0, balance: first`. */
  readonly upstream?: string;
  /** More keys of the service: `maxConnections: 1`. */
  readonly service?: string;
  /** Timeouts: `idle: 1s`. */
  readonly timeouts?: string;
  /** What stands before everything else. @default {HEAD} */
  readonly head?: string;
}

/** A configuration as a user would write it, in short. */
export function proxyConfig(options: ProxyConfig): string {
  const { backends, listen = '"127.0.0.1:0"', upstream = "", service = "", timeouts = "", head = HEAD } =
    options;
  const list = backends.map((backend) => backend.startsWith("{") ? backend : `{address: "${backend}"}`);
  return `${head}timeouts: {${timeouts}}
upstreams:
  main: {${more(upstream)}backends: [${list.join(", ")}]}
services:
  - {name: main, ${more(service)}listen: [${listen}], upstream: main}
`;
}

function more(keys: string): string {
  return keys === "" ? "" : `${keys}, `;
}
