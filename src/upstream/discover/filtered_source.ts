import { type Log, silentLog } from "../../core/log.ts";
import { formatAddress } from "../../net/address.ts";
import type { BackendSpec } from "../options.ts";
import type { ReportingSource } from "./source.ts";

/** Options of {@linkcode filteredSource}. */
export interface FilteredSourceOptions {
  /** Whether a backend is kept. */
  readonly accepts: (spec: BackendSpec) => boolean;
  /** The log message for a backend that is ignored. */
  readonly message: string;
  /** The name of the source in the log. */
  readonly name: string;
  /** Logs the backends that are ignored. @default {silentLog} */
  readonly log?: Log;
}

/** Ignores some backends of `source`. Each is logged once as long as it is in the set. */
export function filteredSource(source: ReportingSource, options: FilteredSourceOptions): ReportingSource {
  const { accepts, message, name, log = silentLog } = options;
  let before = new Set<string>();
  return async function* (signal) {
    for await (const set of source(signal)) {
      if (set instanceof Error) {
        yield set;
        continue;
      }
      const taken = set.filter(accepts);
      const isTaken = new Set(taken);
      const left = set.filter((spec) => !isTaken.has(spec)).map(({ address }) => formatAddress(address));
      for (const backend of new Set(left)) {
        if (!before.has(backend)) log.warn(message, { source: name, backend });
      }
      if (left.length > 0) before = new Set(left);
      yield left.length === 0 ? set : taken;
    }
  };
}
