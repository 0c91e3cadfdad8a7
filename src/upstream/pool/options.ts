import { type Log, silentLog } from "../../core/log.ts";
import { TimerWheel } from "../../core/timer_wheel.ts";
import { BufferPool } from "../../net/buffers.ts";
import type { Connection } from "../../net/connection.ts";

/** How connections to each backend of an upstream are kept. */
export interface PoolOptions {
  /** Idle connections kept for each backend at the most. @default {8} */
  readonly maxIdle: number;
  /** Connections dialled ahead for each backend. @default {0} */
  readonly minIdle: number;
  /** Connections of each backend, idle and in use together; 0: no bound. @default {0} */
  readonly maxOpen: number;
  /** How long a connection may stay idle, in milliseconds; 0: no bound. @default {90_000} */
  readonly idleTimeoutMs: number;
  /** Requests of one HTTP connection; 0: no bound. Without meaning for TCP. @default {DEFAULT_MAX_USES} */
  readonly maxUses?: number;
}

/** Requests of one HTTP connection, where nothing else is said. */
export const DEFAULT_MAX_USES = 1000;

/** What holds for an upstream where nothing else is said. */
export const DEFAULT_POOL: PoolOptions = { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 90_000 };

/** Options of {@linkcode ConnectionPool}. Bounds are for this one pool, which is a pool to one backend. */
export interface ConnectionPoolOptions extends Partial<PoolOptions> {
  /** Opens a connection; the signal gives up. The pool closes what it has dialled. */
  readonly dial: (signal: AbortSignal) => Promise<Connection>;
  /** Connections, idle and in use together; 0: no bound. @default {64} */
  readonly maxOpen?: number;
  /** How long a dial ahead may take, in milliseconds. @default {10_000} */
  readonly connectMs?: number;
  /** What log and errors call it. @default {"backend"} */
  readonly name?: string;
  /** Runs its timers. @default one of its own */
  readonly wheel?: TimerWheel;
  /** Lends what idle connections are read into. @default one of its own */
  readonly buffers?: BufferPool;
  /** Told of failures to dial ahead. @default {silentLog} */
  readonly log?: Log;
  /** Whether it begins at rest, see {@linkcode ConnectionPool.rest}. @default {false} */
  readonly resting?: boolean;
}

/** The options with the defaults of what they leave out. */
export function withPoolDefaults(
  options: ConnectionPoolOptions,
): Required<Omit<ConnectionPoolOptions, "maxUses">> {
  return {
    dial: options.dial,
    maxIdle: options.maxIdle ?? DEFAULT_POOL.maxIdle,
    minIdle: options.minIdle ?? DEFAULT_POOL.minIdle,
    maxOpen: options.maxOpen ?? 64,
    idleTimeoutMs: options.idleTimeoutMs ?? DEFAULT_POOL.idleTimeoutMs,
    connectMs: options.connectMs ?? 10_000,
    name: options.name ?? "backend",
    wheel: options.wheel ?? new TimerWheel(),
    buffers: options.buffers ?? new BufferPool(),
    log: options.log ?? silentLog,
    resting: options.resting ?? false,
  };
}
