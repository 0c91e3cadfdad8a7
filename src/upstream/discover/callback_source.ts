import { onAbort } from "../../core/wait.ts";
import type { BackendSpec } from "../options.ts";
import type { ReportingSource } from "./source.ts";

/** Takes a complete set, which replaces the one before, or an error: then the last set goes on. */
export type Publish = (set: readonly BackendSpec[] | Error) => void;

/**
 * A source for what calls back: `subscribe` begins and gets `publish`, and returns what ends it. Sets that come
 * faster than they are taken replace one another: only the newest counts. What `subscribe` throws is a failure, after
 * which it is called again. It is ended before each such call and at the end.
 *
 * @example
 * ```ts
 * import { callbackSource } from "@culvert/culvert";
 *
 * const members = new EventTarget(); // whatever knows who is there
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
    let news = Promise.withResolvers<void>();
    using _abort = onAbort(signal, () => news.resolve());
    const end = subscribe((set) => {
      newest = set;
      news.resolve();
    });
    try {
      while (!signal.aborted) {
        await news.promise;
        if (signal.aborted || newest === undefined) continue;
        const set = newest;
        newest = undefined;
        news = Promise.withResolvers();
        yield set;
      }
    } finally {
      end();
    }
  };
}
