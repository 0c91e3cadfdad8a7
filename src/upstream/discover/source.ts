import type { BackendSpec } from "../options.ts";

/**
 * Where the backends of an upstream come from: yields complete sets, each in the place of the one before, until
 * `signal` aborts. What it throws is a failure: the last set goes on, and the source is asked anew after a pause. One
 * that ends without an error has said its last word.
 *
 * @example A source of one's own
 * ```ts
 * import type { BackendSource } from "@culvert/culvert";
 *
 * const fromService: BackendSource = async function* (signal) {
 *   while (!signal.aborted) {
 *     const response = await fetch("http://registry.internal/db", { signal });
 *     const hosts = await response.json() as string[];
 *     yield hosts.map((host) => ({
 *       address: { kind: "tcp", host, port: 5432 },
 *       weight: 1,
 *       maxConnections: 0,
 *       backup: false,
 *     }));
 *     await new Promise((resolve) => setTimeout(resolve, 10_000));
 *   }
 * };
 * console.log(typeof fromService); // function
 * ```
 */
export type BackendSource = (signal: AbortSignal) => AsyncIterable<readonly BackendSpec[]>;

/**
 * As {@linkcode BackendSource}, for one that goes on by itself after a failure: an error that it yields is a failure,
 * but it is not asked anew, and its next set is taken at once. Every `BackendSource` is one.
 */
export type ReportingSource = (signal: AbortSignal) => AsyncIterable<readonly BackendSpec[] | Error>;
