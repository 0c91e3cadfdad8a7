import { systemClock } from "../../../core/clock.ts";
import type { Address } from "../../../net/address.ts";
import type { BackendSpec } from "../../options.ts";
import { backendsOfAddresses, backendsOfServices, type ServiceRecord } from "./backends.ts";
import type { DnsRecord, DnsType } from "./message.ts";
import { type DnsAnswer, type Resolve, type ResolveParts, serverResolve } from "./resolve.ts";
import { DiscoveryError } from "../errors.ts";
import { pause } from "../../../core/wait.ts";
import type { BackendSource } from "../source.ts";
import { systemResolve } from "./system_resolve.ts";

/** Options of {@linkcode dnsSource}. */
export interface DnsSourceOptions extends ResolveParts {
  /** The name to look up. */
  readonly name: string;
  /** `A` and `AAAA`: each address is a backend at `port`. `SRV`: ports, priorities and weights are the records'. */
  readonly type: DnsType;
  /** For `A` and `AAAA`. */
  readonly port?: number | undefined;
  /**
   * How often it asks, in milliseconds. Sooner when the answer holds for less, but not more often than every second
   * because of that. @default {10_000}
   */
  readonly intervalMs?: number;
  /** The server to ask, by its address: the name is taken as it is then. @default the system's servers */
  readonly server?: Address | undefined;
  /** Another way to look names up altogether. */
  readonly resolve?: Resolve;
}

const MIN_TTL_MS = 1_000;
/** How many targets of SRV records are looked up at once. */
const MAX_LOOKUPS = 8;

/**
 * The backends that a name stands for. A name that does not exist, or has no such records, is an empty set; that no
 * server can tell is a failure. The order of an answer's records does not matter.
 *
 * @throws {DiscoveryError} `bad_source` when `port` is missing where it is needed.
 */
export function dnsSource(options: DnsSourceOptions): BackendSource {
  const { name, type, port, server, intervalMs = 10_000, clock = systemClock } = options;
  if (type !== "SRV" && port === undefined) {
    throw new DiscoveryError("bad_source", `Cannot discover backends of "${name}": ${type} needs a port`);
  }
  const resolve = options.resolve ??
    (server === undefined ? systemResolve(options) : serverResolve(server, options));
  return async function* (signal) {
    while (!signal.aborted) {
      const answer = await resolve({ name, type }, signal);
      const { set, ttlMs } = type === "SRV"
        ? await servicesOf(answer, { resolve, signal })
        : { set: backendsOfAddresses(answer.records, port!), ttlMs: answer.ttlMs ?? Infinity };
      yield set;
      await pause(Math.min(intervalMs, Math.max(MIN_TTL_MS, ttlMs)), { clock, signal });
    }
  };
}

/** How its targets are looked up. */
interface LookupOptions {
  readonly resolve: Resolve;
  readonly signal: AbortSignal;
}

async function servicesOf(
  answer: DnsAnswer,
  options: LookupOptions,
): Promise<{ set: BackendSpec[]; ttlMs: number }> {
  // A target that is the root says that there is no such service, and at port 0 there can be none.
  const services = answer.records.filter((record) => record.type === "SRV")
    .filter(({ target, port }) => target !== "" && port !== 0);
  const found = new Map<string, readonly string[]>();
  let ttlMs = answer.ttlMs ?? Infinity;
  const open: string[] = [];
  const byName = Map.groupBy(answer.additional.filter(isAddress), ({ name }) => name);
  for (const target of new Set(services.map(({ target }) => target))) {
    const told = byName.get(target) ?? [];
    found.set(target, addressesOf(told));
    for (const { ttlS } of told) ttlMs = Math.min(ttlMs, ttlS * 1_000);
    if (told.length === 0) open.push(target);
  }
  const lookUp = async () => {
    for (let target = open.pop(); target !== undefined; target = open.pop()) {
      const result = await addressesAt(target, options);
      found.set(target, result.addresses);
      ttlMs = Math.min(ttlMs, result.ttlMs);
    }
  };
  const lookups = Array.from({ length: MAX_LOOKUPS }, () => lookUp().finally(() => open.length = 0) // After a failure the others need not go on.
  );
  const failed = (await Promise.allSettled(lookups)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  const records: ServiceRecord[] = services.map((srv) => ({ ...srv, addresses: found.get(srv.target)! }));
  return { set: backendsOfServices(records), ttlMs };
}

/** Both kinds of addresses of a host; its name is complete. */
async function addressesAt(
  target: string,
  { resolve, signal }: LookupOptions,
): Promise<{ addresses: readonly string[]; ttlMs: number }> {
  const name = `${target}.`;
  const four = await resolve({ name, type: "A" }, signal);
  const six = await resolve({ name, type: "AAAA" }, signal);
  return {
    addresses: addressesOf([...four.records, ...six.records]),
    ttlMs: Math.min(four.ttlMs ?? Infinity, six.ttlMs ?? Infinity),
  };
}

function isAddress(record: DnsRecord): boolean {
  return record.type === "A" || record.type === "AAAA";
}

function addressesOf(records: readonly DnsRecord[]): string[] {
  const addresses = new Set<string>();
  for (const record of records) {
    if (record.type === "A" || record.type === "AAAA") addresses.add(record.address);
  }
  return [...addresses];
}
