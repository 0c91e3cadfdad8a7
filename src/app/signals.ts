import inspector from "node:inspector";
import { type Clock, systemClock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";

/** Options of {@linkcode Signals}. */
export interface SignalsOptions {
  /** SIGHUP has come. */
  readonly onReload: (why: string) => void;
  /** SIGTERM or SIGINT has come. */
  readonly onStop: (why: string) => void;
  readonly log: Log;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/**
 * How soon after a signal the same one again is its echo: a terminal sends Ctrl-C to all of its processes, and those
 * that have started this one, such as `deno task`, pass theirs on.
 */
const ECHO_MS = 250;
/** When the runtime has opened its debugger, after SIGUSR1. */
const DEBUGGER_OPEN_MS = [0, 20, 200];

/** The signals of the process, until it is disposed of. */
export class Signals implements Disposable {
  readonly #options: SignalsOptions;
  readonly #clock: Clock;
  readonly #undo: (() => void)[] = [];
  readonly #stoppedAtMs = new Map<string, number>();

  /** Listens at once. */
  constructor(options: SignalsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#on("SIGHUP", () => options.onReload("SIGHUP"));
    this.#on("SIGTERM", () => this.stop("SIGTERM"));
    this.#on("SIGINT", () => this.stop("SIGINT"));
    this.#on("SIGUSR1", () => this.#closeDebugger());
  }

  [Symbol.dispose](): void {
    for (const undo of this.#undo.splice(0)) undo();
  }

  /** A signal to stop has come, perhaps as the echo of one. */
  stop(signal: "SIGTERM" | "SIGINT"): void {
    const nowMs = this.#clock.now();
    const echo = nowMs - (this.#stoppedAtMs.get(signal) ?? -Infinity) < ECHO_MS;
    this.#stoppedAtMs.set(signal, nowMs);
    if (!echo) this.#options.onStop(signal);
  }

  /**
   * On SIGUSR1 the runtime opens a port for debuggers, whatever `--allow-net` permits, without any authentication
   * (https://github.com/denoland/deno/pull/35738): every user of the machine could read the private keys there.
   */
  #closeDebugger(): void {
    this.#options.log.warn("SIGUSR1 is ignored, closing the debugger port of the runtime");
    for (const delayMs of DEBUGGER_OPEN_MS) this.#clock.after(delayMs, () => inspector.close());
  }

  #on(signal: Deno.Signal, handler: () => void): void {
    Deno.addSignalListener(signal, handler);
    this.#undo.push(() => Deno.removeSignalListener(signal, handler));
  }
}
