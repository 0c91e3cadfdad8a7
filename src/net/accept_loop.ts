import { LogInterval } from "../core/log_interval.ts";
import { Backoff } from "../core/backoff.ts";
import { type Clock, systemClock } from "../core/clock.ts";
import { describeError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { isShortage } from "./shortage.ts";

/** Where connections come from: a `Deno.Listener`, or anything that accepts like one. */
export interface Acceptor<C> {
  /** Resolves to the next connection. Rejects when this one can't be had, or the listener is closed. */
  accept(): Promise<C>;
  /** Stops listening; a pending `accept` rejects. */
  close(): void;
}

/** Options of {@linkcode AcceptLoop}. */
export interface AcceptLoopOptions<C> {
  /** Called for each connection, which it owns from then on. Must not throw. */
  readonly onConnection: (connection: C) => void;
  /** Told of each connection that could not be accepted. Must not throw. @default nothing is done */
  readonly onFailure?: (failure: AcceptFailure) => void;
  /** What the log calls the listener. @default {"listener"} */
  readonly name?: string;
  /** Times the pauses. @default {systemClock} */
  readonly clock?: Clock;
  /** Told of failures. @default {silentLog} */
  readonly log?: Log;
}

/**
 * Why a connection could not be accepted: its client had reset it before (scans do), the system had no descriptor or
 * no memory for it, or something else.
 */
export type AcceptFailure = "reset" | "descriptors" | "other";

const LOG_INTERVAL_MS = 1000;
/** Each takes a millisecond or two. */
const RETIRE_TRIES = 500;
const QUIET_TURNS = 5;

/**
 * Accepts until it is closed; no action of a client ends it or delays it. A connection that was reset before
 * it could be accepted is passed over; when the process runs out of descriptors the loop waits, longer each time up
 * to a second, while the system keeps the connections in its queue. Failures are logged once a second at most.
 *
 * The loop owns the acceptor: {@linkcode AcceptLoop.close} closes it.
 *
 * @example
 * ```ts
 * import { AcceptLoop } from "@culvert/culvert";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const accepted = Promise.withResolvers<void>();
 * const loop = new AcceptLoop<Deno.Conn>(listener, {
 *   onConnection(connection) {
 *     connection.close();
 *     accepted.resolve();
 *   },
 * });
 * (await Deno.connect({ port: listener.addr.port })).close();
 * await accepted.promise;
 *
 * loop.close();
 * await loop.done;
 * ```
 */
export class AcceptLoop<C> {
  /** Resolves when the loop has ended, after {@linkcode close}. Never rejects. */
  readonly done: Promise<void>;
  readonly #acceptor: Acceptor<C>;
  readonly #options: AcceptLoopOptions<C>;
  readonly #clock: Clock;
  readonly #backoff = new Backoff({ minMs: 5, maxMs: 1000 });
  #closed = false;
  #accepted = 0;
  #endPause: (() => void) | undefined;
  #failures = 0;
  readonly #logInterval = new LogInterval(LOG_INTERVAL_MS);

  /** Starts at once. */
  constructor(acceptor: Acceptor<C>, options: AcceptLoopOptions<C>) {
    this.#acceptor = acceptor;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.done = this.#run();
  }

  /** Stops accepting, at once. Connections already accepted are not touched. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#acceptor.close();
    this.#endPause?.();
  }

  /**
   * Closes as soon as no connection waits to be accepted: another listener on the same address has taken over, and the
   * system would reset those that wait here. Under a load that never lets up, within a second or so.
   */
  async retire(): Promise<void> {
    for (let quiet = 0, tries = 0; quiet < QUIET_TURNS && tries < RETIRE_TRIES && !this.#closed; tries++) {
      const before = this.#accepted;
      await new Promise<void>((resolve) => this.#clock.after(0, resolve));
      quiet = this.#accepted === before ? quiet + 1 : 0;
    }
    this.close();
  }

  async #run(): Promise<void> {
    const { onConnection } = this.#options;
    while (!this.#closed) {
      try {
        const connection = await this.#acceptor.accept();
        this.#accepted++;
        if (this.#failures > 0) {
          this.#failures = 0;
          this.#backoff.reset();
        }
        onConnection(connection);
      } catch (error) {
        if (this.#closed) return;
        await this.#failed(error);
      }
    }
  }

  async #failed(error: unknown): Promise<void> {
    this.#failures++;
    const failure = hasGone(error) ? "reset" : isShortage(error) ? "descriptors" : "other";
    this.#logFailure(error, failure);
    this.#options.onFailure?.(failure);
    // A pause would let a few clients' resets keep all others out.
    if (failure === "reset") return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(this.#backoff.next(), resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
    this.#endPause = undefined;
  }

  #logFailure(error: unknown, failure: AcceptFailure): void {
    if (!this.#logInterval.begin(this.#clock.now())) return;
    const { name = "listener", log = silentLog } = this.#options;
    // A client that has gone is a normal event.
    log[failure === "reset" ? "info" : "warn"]("cannot accept a connection", {
      listener: name,
      error: describeError(error),
      failures: this.#failures,
      advice: failure === "descriptors" ? "raise the limit of open files (ulimit -n)" : undefined,
    });
  }
}

/** Whether it is only this one client that has broken its connection, which has left the queue with it. */
function hasGone(error: unknown): boolean {
  return error instanceof Deno.errors.NotConnected || error instanceof Deno.errors.ConnectionAborted ||
    error instanceof Deno.errors.ConnectionReset;
}
