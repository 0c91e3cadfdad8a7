import { formatAddress } from "../../../net/address.ts";
import type { BackendSpec } from "../../options.ts";
import type { DnsRecord } from "./message.ts";

/** An SRV record and the addresses of its target. */
export interface ServiceRecord {
  /** Targets with the lowest number are used first, of those that have addresses. */
  readonly priority: number;
  /** The share among targets of the same priority; 0: a very small one. */
  readonly weight: number;
  /** The port of the service at each of the addresses. */
  readonly port: number;
  /** The addresses of the target. */
  readonly addresses: readonly string[];
}

/** A weight of 0 beside others counts as this part of a weight of 1. */
const SMALL = 0.01;
const MAX_WEIGHT = 65_535;
/** Up to this factor weights are split exactly between addresses; above it they are rounded. */
const MAX_FACTOR = 100_000;

/** A backend for each address, sorted, as the order of a DNS answer varies. */
export function backendsOfAddresses(records: readonly DnsRecord[], port: number): BackendSpec[] {
  const hosts = new Set<string>();
  for (const record of records) if (record.type === "A" || record.type === "AAAA") hosts.add(record.address);
  return [...hosts].sort().map((host) => backend(host, { port, weight: 1, backup: false }));
}

/**
 * A backend for each address of each target (RFC 2782). The targets with the lowest priority number become backends, all
 * others backups. The weight of a target is split between its addresses; weights stay in proportion within a priority. An
 * address that occurs twice counts once, with its lowest priority.
 */
export function backendsOfServices(records: readonly ServiceRecord[]): BackendSpec[] {
  const usable = records.filter(({ addresses }) => addresses.length > 0);
  const priorities = [...new Set(usable.map(({ priority }) => priority))].sort((a, b) => a - b);
  const byKey = new Map<string, BackendSpec>();
  for (const priority of priorities) {
    const backup = priority !== priorities[0];
    const group = weigh(usable.filter((record) => record.priority === priority));
    const specs = group.flatMap(({ addresses, port, weight }) =>
      addresses.map((host) => backend(host, { port, weight, backup }))
    );
    const keyed = specs.map((spec) => [formatAddress(spec.address), spec] as const);
    // By weight within an address, so that the order of the records does not matter.
    keyed.sort(([a, x], [b, y]) => a < b ? -1 : a > b ? 1 : y.weight - x.weight);
    for (const [key, spec] of keyed) if (!byKey.has(key)) byKey.set(key, spec);
  }
  return [...byKey.values()];
}

/** Weights for each single address: whole numbers from 1 to 65,535. */
function weigh(records: readonly ServiceRecord[]): ServiceRecord[] {
  const weighted = records.some(({ weight }) => weight > 0);
  const zero = weighted ? SMALL : 1;
  const shares = records.map(({ weight, addresses }) => (weight === 0 ? zero : weight) / addresses.length);
  const mixed = weighted && records.some(({ weight }) => weight === 0);
  const even = records.reduce((factor, { addresses }) => leastMultiple(factor, addresses.length), 1);
  // If all targets have the same number of addresses, the weights of the records are used unchanged.
  const alike = records.every(({ addresses }) => addresses.length === records[0]!.addresses.length);
  const wanted = Math.min(alike ? records[0]!.addresses.length : even, MAX_FACTOR) * (mixed ? 1 / SMALL : 1);
  const largest = shares.reduce((a, b) => Math.max(a, b), 0);
  const factor = Math.min(wanted, MAX_WEIGHT / largest);
  return records.map((record, i) => ({ ...record, weight: Math.max(1, Math.round(shares[i]! * factor)) }));
}

function leastMultiple(a: number, b: number): number {
  let [x, y] = [a, b];
  while (y > 0) [x, y] = [y, x % y];
  return Math.min((a / x) * b, MAX_FACTOR);
}

function backend(host: string, options: { port: number; weight: number; backup: boolean }): BackendSpec {
  const { port, weight, backup } = options;
  return { address: { kind: "tcp", host, port }, weight, maxConnections: 0, backup };
}
