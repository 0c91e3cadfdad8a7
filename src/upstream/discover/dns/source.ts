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
  /** `A` and `AAAA`: each address is a backend at `port`. `SRV`: with the port, priority and weight of the record. */
  readonly type: DnsType;
  /** The port of the backends, for `A` and `AAAA`. */
  readonly port?: number | undefined;
  /**
   * The interval of lookups, in milliseconds. Shorter if the time to live is shorter, down to a second.
   * @default {10_000}
   */
  readonly intervalMs?: number;
  /** The address of the server to ask, without a search list. @default the system's servers */
  readonly server?: Address | undefined;
  /** Replaces the lookup. */
  readonly resolve?: Resolve;
}

const MIN_TTL_MS = 1_000;
/** The most targets of SRV records that are looked up at once. */
const MAX_LOOKUPS = 8;

/**
 * The backends of a DNS name. A name that does not exist or has no such records is an empty set; a lookup that fails is a
 * failure of the source. The order of the records does not matter.
 *
 * @throws {DiscoveryError} `bad_source` if `port` is missing.
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

/** How the targets of SRV records are looked up. */
interface LookupOptions {
  readonly resolve: Resolve;
  readonly signal: AbortSignal;
}

async function servicesOf(
  answer: DnsAnswer,
  options: LookupOptions,
): Promise<{ set: BackendSpec[]; ttlMs: number }> {
  // The root as target means that there is no such service (RFC 2782). Port 0 can't be dialled.
  const services = answer.records.filter((record) => record.type === "SRV")
    .filter(({ target, port }) => target !== "" && port !== 0);
  const found = new Map<string, readonly string[]>();
  let ttlMs = answer.ttlMs ?? Infinity;
  const open: string[] = [];
  const byName = Map.groupBy(answer.additional.filter(isAddress), ({ name }) => name);
  for (const target of new Set(services.map(({ target }) => target))) {
    const given = byName.get(target) ?? [];
    found.set(target, addressesOf(given));
    for (const { ttlS } of given) ttlMs = Math.min(ttlMs, ttlS * 1_000);
    if (given.length === 0) open.push(target);
  }
  const lookUp = async () => {
    for (let target = open.pop(); target !== undefined; target = open.pop()) {
      const result = await addressesAt(target, options);
      found.set(target, result.addresses);
      ttlMs = Math.min(ttlMs, result.ttlMs);
    }
  };
  // After a failure the remaining targets are not looked up.
  const lookups = Array.from({ length: MAX_LOOKUPS }, () => lookUp().finally(() => open.length = 0));
  const failed = (await Promise.allSettled(lookups)).find(({ status }) => status === "rejected");
  if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
  const records: ServiceRecord[] = services.map((srv) => ({ ...srv, addresses: found.get(srv.target)! }));
  return { set: backendsOfServices(records), ttlMs };
}

/** The IPv4 and IPv6 addresses of a host. */
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

function isAddress(record: DnsRecord): record is DnsRecord & { type: "A" | "AAAA" } {
  return record.type === "A" || record.type === "AAAA";
}

function addressesOf(records: readonly DnsRecord[]): string[] {
  const addresses = new Set<string>();
  for (const record of records) {
    if (isAddress(record)) addresses.add(record.address);
  }
  return [...addresses];
}
