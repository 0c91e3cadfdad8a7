import { type Log, silentLog } from "../../core/log.ts";
import { formatAddress } from "../../net/address.ts";
import type { BackendSpec } from "../options.ts";
import type { ReportingSource } from "./source.ts";

/** Options of {@linkcode filteredSource}. */
export interface FilteredSourceOptions {
  /** Whether a backend is taken. */
  readonly accepts: (spec: BackendSpec) => boolean;
  /** What the log says of one that is left out. */
  readonly message: string;
  /** What the source is called in the log. */
  readonly name: string;
  /** Told of what is left out. @default {silentLog} */
  readonly log?: Log;
}

/** A source of which some backends are left out. Each is logged once, until it has not been there for a while. */
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
