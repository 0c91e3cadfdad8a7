import { type Log, silentLog } from "../../core/log.ts";
import { formatAddress } from "../../net/address.ts";
import type { AddressSet } from "../../net/address_set.ts";
import type { BackendSpec } from "../backend.ts";
import type { ReportingSource } from "./source.ts";

/** Options of {@linkcode boundedSource}. */
export interface BoundedSourceOptions {
  /** Where backends may be. A host name and the path of a unix socket are in no set. */
  readonly within: AddressSet;
  /** What the source is called in the log. */
  readonly name: string;
  /** Told of what is left out. @default {silentLog} */
  readonly log?: Log;
}

/**
 * A source of which only those backends are taken that are where backends may be: whoever can write to DNS or to etcd
 * can't send clients anywhere else. What is left out is logged once, until it has not been there for a while.
 */
export function boundedSource(source: ReportingSource, options: BoundedSourceOptions): ReportingSource {
  const { within, name, log = silentLog } = options;
  let outside = new Set<string>();
  const isWithin = ({ address }: BackendSpec) => address.kind === "tcp" && within.has(address.host);
  return async function* (signal) {
    for await (const set of source(signal)) {
      if (set instanceof Error || set.every(isWithin)) {
        yield set;
        continue;
      }
      const left = new Set(
        set.filter((spec) => !isWithin(spec)).map(({ address }) => formatAddress(address)),
      );
      for (const backend of left) {
        if (!outside.has(backend)) {
          log.warn("a discovered backend is left out: it is not within", { source: name, backend });
        }
      }
      outside = left;
      yield set.filter(isWithin);
    }
  };
}
