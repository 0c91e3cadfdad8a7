import type { Log } from "../../core/log.ts";
import type { AddressSet } from "../../net/address_set.ts";
import { filteredSource } from "./filtered_source.ts";
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
  const { within, ...others } = options;
  return filteredSource(source, {
    ...others,
    accepts: ({ address }) => address.kind === "tcp" && within.has(address.host),
    message: "discovered backend ignored: outside of within",
  });
}
