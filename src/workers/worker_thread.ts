import { type Clock, systemClock } from "../core/clock.ts";
import { CulvertError } from "../core/errors.ts";
import type { Beat, FromWorker, Notice, Requests, ToWorker } from "./messages.ts";

/** What a {@linkcode WorkerThread} works with. */
export interface WorkerThreadParts {
  /** The module that the worker runs: it calls `runWorker`. */
  readonly module: URL;
  /** Its name in errors of the runtime. */
  readonly name: string;
  /** Called with what the worker tells without being asked. */
  readonly onEvent: (event: WorkerEvent) => void;
  /** It has failed, and is no more. Called once, and not after {@linkcode WorkerThread.end}. */
  readonly onFailure: (error: Error) => void;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/** How often the main thread looks whether the worker has sent a beat, which it does once a second. */
const WATCH_MS = 10_000;
/**
 * So many looks in a row without a beat end the worker: its event loop hangs. A machine that was suspended brings one
 * look, however long that was.
 */
const MAX_MISSED = 3;

/** What a worker tells without being asked. */
export type WorkerEvent = Exclude<FromWorker, { type: "loaded" | "answer" | "refusal" | "beat" | "failed" }>;

/** A worker, as the main thread sees it: notices and requests go in, answers and events come out. */
export class WorkerThread {
  /** Resolves when it is loaded. Rejects if it can't be. */
  readonly loaded: Promise<void>;
  /** What it has told of itself last. */
  beat: Beat | undefined;
  readonly #parts: WorkerThreadParts;
  readonly #worker: Worker;
  readonly #asked = new Map<number, PromiseWithResolvers<unknown>>();
  readonly #loaded = Promise.withResolvers<void>();
  readonly #clock: Clock;
  #nextId = 0;
  #ended = false;
  #missedBeats = 0;
  #cancelWatch: () => void;

  constructor(parts: WorkerThreadParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.loaded = this.#loaded.promise;
    this.loaded.catch(() => {}); // It may fail before it is awaited.
    this.#worker = new Worker(parts.module, { type: "module", name: parts.name });
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#receive(data);
    this.#worker.onerror = (event) => {
      event.preventDefault(); // Else the program ends.
      this.#failed(event.message);
    };
    this.#worker.onmessageerror = () => this.#failed("a message cannot be read");
    this.#cancelWatch = this.#clock.after(WATCH_MS, () => this.#watch());
  }

  /** Whether it is no more. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Tells it something. Does nothing if it is no more. */
  tell(notice: Notice): void {
    this.#post(notice);
  }

  /**
   * Asks it something.
   *
   * @throws {CulvertError} what the data plane of the worker throws, and `worker_failed` if it is no more, or does not
   * respond within 30 seconds.
   */
  async ask<T extends keyof Requests>(request: T, value: Requests[T][0]): Promise<Requests[T][1]> {
    if (this.#ended) throw failure(this.#parts.name, "it has ended");
    const id = this.#nextId++;
    const asked = Promise.withResolvers<unknown>();
    this.#asked.set(id, asked);
    this.#post({ type: "request", id, request, value });
    return await asked.promise as Requests[T][1];
  }

  /** Ends it at once, with all of its connections. */
  end(): void {
    this.#finish(failure(this.#parts.name, "it was ended"));
  }

  #post(message: ToWorker): void {
    if (!this.#ended) this.#worker.postMessage(message);
  }

  #receive(message: FromWorker): void {
    if (this.#ended) return;
    switch (message.type) {
      case "loaded":
        return this.#loaded.resolve();
      case "answer":
        return this.#take(message.id)?.resolve(message.value);
      case "refusal":
        return this.#take(message.id)?.reject(new CulvertError(message.code, message.message));
      case "failed":
        return this.#failed(message.error);
      case "beat":
        this.beat = message.beat;
        this.#missedBeats = 0;
        return;
      default:
        this.#parts.onEvent(message);
    }
  }

  #watch(): void {
    if (++this.#missedBeats === MAX_MISSED) {
      return this.#failed(`it has not responded for ${MAX_MISSED * WATCH_MS / 1000} seconds`);
    }
    this.#cancelWatch = this.#clock.after(WATCH_MS, () => this.#watch());
  }

  #take(id: number): PromiseWithResolvers<unknown> | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }

  #failed(why: string): void {
    if (this.#ended) return;
    const error = failure(this.#parts.name, why);
    this.#finish(error);
    this.#parts.onFailure(error);
  }

  #finish(error: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#cancelWatch();
    this.#worker.terminate();
    this.#loaded.reject(error);
    for (const { reject } of this.#asked.values()) reject(error);
    this.#asked.clear();
  }
}

function failure(name: string, why: string): CulvertError {
  return new CulvertError("worker_failed", `Cannot go on with ${name}: ${why}`);
}
