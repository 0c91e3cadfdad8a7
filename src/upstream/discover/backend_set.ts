import { formatAddress } from "../../net/address.ts";
import type { BackendSpec } from "../options.ts";
import { DiscoveryError } from "./errors.ts";

/** The most backends that a source may return. */
export const MAX_BACKENDS = 65_536;

const MAX_WEIGHT = 65_535;

/**
 * Checks that a source has returned a set of backends that can be used.
 *
 * @throws {DiscoveryError} `too_many_backends` or `bad_backend`.
 */
export function checkSet(set: readonly BackendSpec[]): void {
  if (set.length > MAX_BACKENDS) {
    throw new DiscoveryError(
      "too_many_backends",
      `Cannot use a set of ${set.length} backends: at most ${MAX_BACKENDS} are allowed`,
    );
  }
  for (let i = 0; i < set.length; i++) {
    const wrong = problemOf(set[i]!);
    if (wrong !== undefined) {
      throw new DiscoveryError("bad_backend", `Cannot use backend ${i + 1} of ${set.length}: ${wrong}`);
    }
  }
}

/** Joins sets in order. Of backends with the same address the first counts. */
export function joinSets(sets: readonly (readonly BackendSpec[])[]): BackendSpec[] {
  const seen = new Set<string>();
  const joined: BackendSpec[] = [];
  for (const set of sets) {
    for (const spec of set) {
      const key = formatAddress(spec.address);
      if (seen.has(key)) continue;
      seen.add(key);
      joined.push(spec);
    }
  }
  return joined;
}

/** Whether both have the same backends, with the same configuration, in the same order. Allocates nothing. */
export function equalSets(a: readonly BackendSpec[], b: readonly BackendSpec[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (!equalSpecs(a[i]!, b[i]!)) return false;
  return true;
}

/** Whether both configure the same backend in the same way. */
export function equalSpecs(a: BackendSpec, b: BackendSpec): boolean {
  if (a === b) return true;
  const [at, bt] = [a.address, b.address];
  const sameAddress = at.kind === "unix"
    ? bt.kind === "unix" && at.path === bt.path
    : bt.kind === "tcp" && at.host === bt.host && at.port === bt.port;
  return sameAddress && a.weight === b.weight && a.maxConnections === b.maxConnections &&
    a.backup === b.backup;
}

function problemOf({ address, weight, maxConnections, backup }: BackendSpec): string | undefined {
  if (address.kind === "unix" ? address.path === "" : !isWhole(address.port, 1, 65_535)) {
    return `"${formatAddress(address)}" can't be dialled`;
  }
  if (address.kind === "tcp" && address.host === "") return `"${formatAddress(address)}" has no host`;
  if (!isWhole(weight, 0, MAX_WEIGHT)) {
    return `weight is ${weight}, not a whole number from 0 to ${MAX_WEIGHT}`;
  }
  if (!isWhole(maxConnections, 0, Number.MAX_SAFE_INTEGER)) return `maxConnections is ${maxConnections}`;
  if (typeof backup !== "boolean") return `backup is ${backup}, neither true nor false`;
  return undefined;
}

function isWhole(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}
