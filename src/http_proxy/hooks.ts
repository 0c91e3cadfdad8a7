import type { Connection } from "../net/connection.ts";
import type { ProxyError } from "./proxy_error.ts";

/** What a hook gets of an exchange, as of one moment. */
export interface HttpExchange {
  /** How many times a backend has been tried: 1 with the first. */
  readonly attempt: number;
  /** The backend that is tried, or was the last: host and port. */
  readonly backend: string | undefined;
  /** As it was sent; empty where no request could be read, as are `host`, `path` and `query`. */
  readonly method: string;
  /** The host that the client named, with its port. */
  readonly host: string;
  /** In normal form. */
  readonly path: string;
  /** With its `?`. */
  readonly query: string;
  /** The client's IP address, past trusted proxies; `unix` where there is none. */
  readonly client: string;
}

/**
 * Called while requests are served, and not awaited. What a hook throws makes its request fail, with 500.
 *
 * @example
 * ```ts
 * import { HttpProxy } from "@culvert/culvert";
 *
 * const proxy = new HttpProxy(Deno.listen({ hostname: "127.0.0.1", port: 0 }), {
 *   upstreams: { app: { backends: ["10.0.0.1:8080"] } },
 *   onAttempt: ({ attempt, backend, method, path }) => console.log(attempt, backend, method, path),
 *   onError: ({ code, status }, { attempt }) => console.log(code, status, attempt),
 * });
 * await proxy.close();
 * ```
 */
export interface HttpHooks {
  /** A request is about to be sent to a backend. Called again for each further try. */
  readonly onAttempt?: ((exchange: HttpExchange) => void) | undefined;
  /** A request could not be served. Called before it is answered. The connection is the client's. */
  readonly onError?:
    | ((error: ProxyError, exchange: HttpExchange, connection: Connection) => void)
    | undefined;
}
