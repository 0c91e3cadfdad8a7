import { onAbort } from "../../core/wait.ts";
import type { BackendSpec } from "../options.ts";
import type { ReportingSource } from "./source.ts";

/** Takes a complete set, which replaces the previous one, or an error, which keeps it. */
export type Publish = (set: readonly BackendSpec[] | Error) => void;

/**
 * A source for a callback API: `subscribe` is called with `publish` and returns the function that unsubscribes. If sets
 * are published faster than they are taken, only the newest counts. If `subscribe` throws, the source has failed and it
 * is called again later, after the earlier subscription has been ended.
 *
 * @example
 * ```ts
 * import { callbackSource } from "@culvert/culvert";
 *
 * const members = new EventTarget(); // the membership service
 * const source = callbackSource((publish) => {
 *   const onChange = (event: Event) => {
 *     const hosts = (event as CustomEvent<string[]>).detail;
 *     publish(hosts.map((host) => ({
 *       address: { kind: "tcp", host, port: 5432 },
 *       weight: 1,
 *       maxConnections: 0,
 *       backup: false,
 *     })));
 *   };
 *   members.addEventListener("change", onChange);
 *   return () => members.removeEventListener("change", onChange);
 * });
 * console.log(typeof source); // function
 * ```
 */
export function callbackSource(subscribe: (publish: Publish) => () => void): ReportingSource {
  return async function* (signal) {
    let newest: readonly BackendSpec[] | Error | undefined;
    let changed = Promise.withResolvers<void>();
    using _abort = onAbort(signal, () => changed.resolve());
    const end = subscribe((set) => {
      newest = set;
      changed.resolve();
    });
    try {
      while (!signal.aborted) {
        await changed.promise;
        if (signal.aborted || newest === undefined) continue;
        const set = newest;
        newest = undefined;
        changed = Promise.withResolvers();
        yield set;
      }
    } finally {
      end();
    }
  };
}
