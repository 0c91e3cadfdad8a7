import { type Log, silentLog } from "../../core/log.ts";
import { TimerWheel } from "../../core/timer_wheel.ts";
import { BufferPool } from "../../net/buffers.ts";
import type { Connection } from "../../net/connection.ts";

/** The limits of a connection pool. */
export interface PoolOptions {
  /** The most idle connections of each backend. @default {8} */
  readonly maxIdle: number;
  /** Idle connections of each backend that are kept ready, by dialling ahead. @default {0} */
  readonly minIdle: number;
  /** The most connections of each backend, idle and in use; 0: no limit. @default {0} */
  readonly maxOpen: number;
  /** How long a connection may stay idle, in milliseconds; 0: no limit. @default {90_000} */
  readonly idleTimeoutMs: number;
  /** Requests of one HTTP connection; 0: no bound. Without meaning for TCP. @default {DEFAULT_MAX_USES} */
  readonly maxUses?: number;
}

/** The default of the most requests on one HTTP connection. */
export const DEFAULT_MAX_USES = 1000;

/** The defaults of {@linkcode PoolOptions} in an upstream. */
export const DEFAULT_POOL: PoolOptions = { maxIdle: 8, minIdle: 0, maxOpen: 0, idleTimeoutMs: 90_000 };

/** Options of {@linkcode ConnectionPool}. The limits are those of this pool, which is for one backend. */
export interface ConnectionPoolOptions extends Partial<PoolOptions> {
  /** Opens a connection; the signal aborts. The pool closes the connections. */
  readonly dial: (signal: AbortSignal) => Promise<Connection>;
  /** The most connections, idle and in use; 0: no limit. @default {64} */
  readonly maxOpen?: number;
  /** The timeout of dialling ahead, in milliseconds. @default {10_000} */
  readonly connectMs?: number;
  /** Its name in log and errors. @default {"backend"} */
  readonly name?: string;
  /** Runs its timers. @default one of its own */
  readonly wheel?: TimerWheel;
  /** The buffers of idle connections. @default one of its own */
  readonly buffers?: BufferPool;
  /** Logs failures to dial ahead. @default {silentLog} */
  readonly log?: Log;
  /** Whether it starts resting, see {@linkcode ConnectionPool.rest}. @default {false} */
  readonly resting?: boolean;
  /** Called when a caller begins to wait at `maxOpen`. @default nothing is done */
  readonly onWait?: () => void;
}

/** Adds the defaults. */
export function withPoolDefaults(options: ConnectionPoolOptions): Required<ConnectionPoolOptions> {
  return {
    dial: options.dial,
    maxIdle: options.maxIdle ?? DEFAULT_POOL.maxIdle,
    minIdle: options.minIdle ?? DEFAULT_POOL.minIdle,
    maxOpen: options.maxOpen ?? 64,
    idleTimeoutMs: options.idleTimeoutMs ?? DEFAULT_POOL.idleTimeoutMs,
    maxUses: options.maxUses ?? DEFAULT_MAX_USES,
    connectMs: options.connectMs ?? 10_000,
    name: options.name ?? "backend",
    wheel: options.wheel ?? new TimerWheel(),
    buffers: options.buffers ?? new BufferPool(),
    log: options.log ?? silentLog,
    resting: options.resting ?? false,
    onWait: options.onWait ?? (() => {}),
  };
}
