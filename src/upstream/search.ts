import { Deadline } from "../core/deadline.ts";
import { describeError } from "../core/errors.ts";
import type { Log } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { Backend } from "./backend.ts";
import { ConnectFailedError, ConnectTimeoutError, NoBackendError } from "./errors.ts";
import type { Lease } from "./lease.ts";

/** What one client's connection asks of its upstream. */
export interface SearchOptions {
  /** The client's address without the port, for the balancers that look at it. */
  readonly source?: string;
  /** How long each try may take, waiting for a place in the pool included, in milliseconds. */
  readonly connectMs: number;
}

/** What a search needs of its upstream. */
export interface SearchContext {
  readonly name: string;
  readonly retries: number;
  readonly wheel: TimerWheel;
  readonly log: Log;
  pick(options: { source?: string; exclude?: readonly Backend[] }): Backend | undefined;
}

/** A backend that has been reached, with the connection to it. */
export interface Found {
  readonly backend: Backend;
  /** Ends with `discard` or `release`, which also ends the backend's count of it. */
  readonly lease: Lease;
}

/**
 * One client's search for a backend that answers: picks, dials, and goes on to others when that fails, never to
 * the same one twice. Made by `Upstream.search`; runs once.
 */
export class BackendSearch {
  /** Those tried so far, in order; the last one is the one that was found, if any was. */
  readonly tried: Backend[] = [];
  readonly #context: SearchContext;
  readonly #options: SearchOptions;
  #attempt: Deadline | undefined;
  #aborted: Error | undefined;
  #leaving: WheelTimer | undefined;
  #over = false;

  constructor(context: SearchContext, options: SearchOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Gives up: `run` rejects with `reason`, and what was being dialled is freed. */
  abort(reason: Error): void {
    this.#aborted ??= reason;
    this.#attempt?.abort(reason);
  }

  /** Gives up with `reason` unless there is a connection within `timeoutMs` from now. */
  leave(timeoutMs: number, reason: Error): void {
    if (this.#over) return;
    this.#leaving ??= new WheelTimer(() => {
      this.abort(reason);
      return 0;
    });
    this.#context.wheel.start(this.#leaving, timeoutMs);
  }

  /**
   * Resolves to a connection, which the caller owns.
   *
   * @throws {NoBackendError} if none was available from the first.
   * @throws {ConnectFailedError} if all that were tried failed.
   * @throws the reason of {@linkcode abort}.
   */
  async run(): Promise<Found> {
    try {
      return await this.#tryEach();
    } finally {
      this.#over = true;
      if (this.#leaving !== undefined) this.#context.wheel.stop(this.#leaving);
    }
  }

  async #tryEach(): Promise<Found> {
    const { pick, name } = this.#context;
    let failure: unknown;
    while (this.#aborted === undefined && this.tried.length <= this.#context.retries) {
      const backend = pick(this.#pickOptions());
      if (backend === undefined) break;
      this.tried.push(backend);
      backend.active++;
      try {
        const found = this.#found(backend, await this.#acquire(backend));
        if (found !== undefined) return found;
      } catch (error) {
        backend.active--;
        if (this.#aborted !== undefined) break;
        failure = error;
        backend.failures++;
        this.#logFailure(backend, error);
      }
    }
    if (this.#aborted !== undefined) throw this.#aborted;
    if (failure === undefined) throw new NoBackendError(name);
    throw new ConnectFailedError(name, { tries: this.tried.length, cause: failure });
  }

  #pickOptions(): { source?: string; exclude?: readonly Backend[] } {
    return this.tried.length === 0 ? this.#options : { ...this.#options, exclude: this.tried };
  }

  async #acquire(backend: Backend): Promise<Lease> {
    const timeoutMs = this.#options.connectMs;
    using attempt = new Deadline(this.#context.wheel, {
      timeoutMs,
      reason: () => new ConnectTimeoutError(backend.key, timeoutMs),
    });
    this.#attempt = attempt;
    try {
      return await backend.pool.acquire({ signal: attempt.signal });
    } finally {
      this.#attempt = undefined;
    }
  }

  /** A lease that also counts for the backend; none if the world has changed while we dialled. */
  #found(backend: Backend, lease: Lease): Found | undefined {
    lease.onEnd(() => backend.active--);
    if (this.#aborted !== undefined || backend.removed) {
      lease.discard();
      return undefined;
    }
    backend.total++;
    return { backend, lease };
  }

  #logFailure(backend: Backend, error: unknown): void {
    this.#context.log.debug("cannot reach a backend", {
      upstream: this.#context.name,
      backend: backend.key,
      error: describeError(error),
    });
  }
}
