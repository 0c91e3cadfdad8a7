import type { BackendSpec } from "../options.ts";

/**
 * A source of the backends of an upstream. Yields complete sets, each of which replaces the previous one, until `signal`
 * aborts. If it throws, the last set is kept and the source is called again after a pause. If it ends without an error,
 * its last set is final.
 *
 * @example A custom source
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
 * A {@linkcode BackendSource} that retries by itself: it yields an error for a failure, and is not called again. Every
 * `BackendSource` is one.
 */
export type ReportingSource = (signal: AbortSignal) => AsyncIterable<readonly BackendSpec[] | Error>;
