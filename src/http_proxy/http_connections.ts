import { TimerWheel } from "../core/timer_wheel.ts";
import { BufferPool } from "../net/buffers.ts";
import type { Connection } from "../net/connection.ts";
import { DEFAULT_MAX_USES } from "../upstream/pool/options.ts";
import { ConnectionPool, type PoolStats } from "../upstream/pool/pool.ts";
import { SourceConnection } from "./source_connection.ts";
import { BackendConnection, KeptConnections } from "./connections.ts";

/** Options of {@linkcode HttpConnections}. */
export interface HttpConnectionsOptions {
  /** Opens a connection; the signal gives up. */
  readonly dial: (signal: AbortSignal) => Promise<Connection>;
  /** Idle connections that are kept; 0: none. @default {8} */
  readonly maxIdle?: number;
  /** Connections, idle and in use together; 0: no bound. @default {64} */
  readonly maxOpen?: number;
  /** How long a connection may be idle, in milliseconds; 0: no bound. @default {90_000} */
  readonly idleMs?: number;
  /** How many requests a connection carries. @default {1000} */
  readonly maxUses?: number;
}

/**
 * Connections to one HTTP server, for requests that follow one another on each. The one that was used last is used
 * first. One on which the server sends anything while it is idle, be it bytes or an end, is closed.
 *
 * @example
 * ```ts
 * import { HttpConnections } from "@culvert/culvert";
 *
 * const server = Deno.serve({ port: 0, onListen() {} }, () => new Response("hello"));
 * const connections = new HttpConnections({
 *   dial: (signal) => Deno.connect({ port: server.addr.port, signal }),
 *   maxOpen: 10,
 * });
 * const connection = await connections.acquire({ signal: AbortSignal.timeout(5_000) });
 * // ... a request and its whole answer ...
 * connections.release(connection);
 *
 * await connections.close();
 * await server.shutdown();
 * ```
 */
export class HttpConnections {
  readonly #pool: ConnectionPool;
  readonly #kept: KeptConnections;
  readonly #buffers = new BufferPool();
  readonly #borrowed = new Map<Connection, BackendConnection>();

  /** Opens nothing yet. */
  constructor(
    { dial, maxIdle = 8, maxOpen = 64, idleMs = 90_000, maxUses = DEFAULT_MAX_USES }: HttpConnectionsOptions,
  ) {
    const wheel = new TimerWheel();
    this.#pool = new ConnectionPool({
      dial,
      maxIdle,
      maxOpen,
      idleTimeoutMs: idleMs,
      wheel,
      buffers: this.#buffers,
      maxUses,
    });
    this.#kept = new KeptConnections({ pool: this.#pool, wheel });
  }

  /** How many there are. */
  get stats(): PoolStats {
    return this.#pool.stats;
  }

  /**
   * A connection: an idle one, or a new one; at the bound the next that becomes free, first come, first served.
   *
   * @throws {PoolBusyError} when the signal fires at the bound, its reason when it fires otherwise, {@linkcode
   * PoolClosedError} when it is closed, and what `dial` throws.
   */
  async acquire({ signal }: { signal: AbortSignal }): Promise<Connection> {
    signal.throwIfAborted();
    const held = this.#kept.take() ??
      new BackendConnection(await this.#pool.acquire({ signal }), this.#buffers);
    const connection = new SourceConnection(held.source, { releases: false });
    this.#borrowed.set(connection, held);
    return connection;
  }

  /** Takes back a connection whose last answer has been read to its end, for the next request. */
  release(connection: Connection): void {
    const held = this.#take(connection);
    if (held !== undefined) this.#kept.keep(held);
  }

  /** Takes back a connection that must not be used again, and closes it. */
  discard(connection: Connection): void {
    this.#take(connection)?.discard();
  }

  /** Closes those that are idle; those in use are closed when they come back. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  #take(connection: Connection): BackendConnection | undefined {
    const held = this.#borrowed.get(connection);
    this.#borrowed.delete(connection);
    return held;
  }
}
