import type { Log } from "../../core/log.ts";
import type { AddressSet } from "../../net/address_set.ts";
import { filteredSource } from "./filtered_source.ts";
import type { ReportingSource } from "./source.ts";

/** Options of {@linkcode boundedSource}. */
export interface BoundedSourceOptions {
  /** Where backends may be. Host names and unix sockets are in no set. */
  readonly within: AddressSet;
  /** The name of the source in the log. */
  readonly name: string;
  /** Logs the backends that are ignored. @default {silentLog} */
  readonly log?: Log;
}

/**
 * Ignores backends of `source` outside of `within`, so that write access to DNS or etcd does not allow to send clients
 * elsewhere. An ignored backend is logged once as long as it is in the set.
 */
export function boundedSource(source: ReportingSource, options: BoundedSourceOptions): ReportingSource {
  const { within, ...others } = options;
  return filteredSource(source, {
    ...others,
    accepts: ({ address }) => address.kind === "tcp" && within.has(address.host),
    message: "discovered backend ignored: outside of within",
  });
}
