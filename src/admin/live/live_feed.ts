import { type Clock, systemClock } from "../../core/clock.ts";
import { describeError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { runInSlices } from "../../core/slices.ts";
import { escapeText } from "../../core/escape_text.ts";
import { jsonInSlices } from "../../core/json_slices.ts";
import { formatEvent, STREAM_COMMENT } from "./event_stream.ts";
import type { History } from "./history.ts";
import type { LiveState } from "./live_state.ts";
import { buildView, type LiveView } from "./live_view.ts";
import { createPatch, type MergePatch } from "./merge_patch.ts";

/** The client of a stream. */
export interface StreamOutput {
  /** Aborted when the client has left, or the stream must end. */
  readonly signal: AbortSignal;
  /** Sends bytes. Rejects when the client has left or does not read. */
  send(bytes: Uint8Array): Promise<void>;
}

/** What a {@linkcode LiveFeed} works with. */
export interface LiveFeedParts {
  /** The program. */
  readonly target: {
    live(): Promise<LiveState>;
    readonly history: Pick<History, "report" | "since" | "lastTime">;
  };
  /** @default {systemClock} */
  readonly clock?: Clock;
  /** @default {silentLog} */
  readonly log?: Log;
  /** The most viewers at a time; each has a connection of the admin listener. @default {32} */
  readonly maxViewers?: number;
}

/** Between two deltas. */
const INTERVAL_MS = 1000;
const MAX_VIEWERS = 32;

/**
 * Sends the state of the program to viewers, as server-sent events: `snapshot` first, then a `delta` each second in which
 * something has changed. The state is collected and encoded once for all viewers, and not at all while there are none.
 *
 * Nothing is queued: a viewer that has not received one event when the next is due gets none until it has, and then a
 * snapshot.
 */
export class LiveFeed {
  readonly #parts: LiveFeedParts;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #viewers = new Set<Viewer>();
  #view: LiveView | undefined;
  /** The time of the last row of the history that viewers have. */
  #sentTime = 0;
  #wake: (() => void) | undefined;
  #running = false;

  constructor(parts: LiveFeedParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#log = parts.log ?? silentLog;
  }

  /** The number of viewers. */
  get size(): number {
    return this.#viewers.size;
  }

  /** Whether there is room for another viewer. */
  get hasRoom(): boolean {
    return this.#viewers.size < (this.#parts.maxViewers ?? MAX_VIEWERS);
  }

  /** Serves a viewer until `out` is aborted or a send fails. Never rejects. */
  async serve(out: StreamOutput): Promise<void> {
    if (out.signal.aborted) return;
    const viewer = new Viewer(out);
    this.#viewers.add(viewer);
    if (this.#running) this.#wake?.();
    else void this.#run();
    await viewer.ended;
    this.#viewers.delete(viewer);
    if (this.#viewers.size === 0) this.#wake?.();
  }

  async #run(): Promise<void> {
    this.#running = true;
    let nextMs = -Infinity;
    while (this.#viewers.size > 0) {
      try {
        if (this.#clock.now() >= nextMs) {
          nextMs = this.#clock.now() + INTERVAL_MS;
          await this.#advance();
        }
        await this.#sendSnapshots();
      } catch (error) {
        this.#log.error("cannot collect the live status, please report this bug", {
          error: describeError(error),
        });
        for (const viewer of this.#viewers) viewer.end();
      }
      if (this.#viewers.size > 0) await this.#sleep(nextMs - this.#clock.now());
    }
    this.#view = undefined;
    this.#running = false;
  }

  /** Collects the present state, and sends what has changed to viewers that have the last one. */
  async #advance(): Promise<void> {
    const { target } = this.#parts;
    const view = await runInSlices(buildView(await target.live()));
    const patch = this.#view && await runInSlices(createPatch(this.#view, view));
    const rows = target.history.since(this.#sentTime);
    this.#view = view;
    this.#sentTime = target.history.lastTime;
    const delta = await encodeDelta(patch, rows);
    for (const viewer of this.#viewers) {
      if (!viewer.isCurrent) continue;
      if (viewer.isSending) viewer.isCurrent = false;
      else viewer.send(delta);
    }
  }

  /** Sends the state to viewers that do not have the last one. */
  async #sendSnapshots(): Promise<void> {
    if (![...this.#viewers].some(wantsSnapshot)) return;
    const view = await jsonInSlices(this.#view, escapeText);
    const history = JSON.stringify(this.#parts.target.history.report());
    const snapshot = formatEvent("snapshot", `{"view":${view},"history":${history}}`);
    for (const viewer of this.#viewers) {
      if (!wantsSnapshot(viewer)) continue;
      viewer.isCurrent = true;
      viewer.send(snapshot);
    }
  }

  /** Until the next second, or until viewers come or the last one leaves. */
  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(Math.max(1, delayMs), () => this.#wake?.());
      this.#wake = () => {
        this.#wake = undefined;
        cancel();
        resolve();
      };
    });
  }
}

/** A change, or a comment if there is none: it shows that the program is alive. */
async function encodeDelta(patch: MergePatch | undefined, rows: readonly unknown[]): Promise<Uint8Array> {
  if (patch === undefined && rows.length === 0) return STREAM_COMMENT;
  const view = await jsonInSlices(patch ?? {}, escapeText);
  return formatEvent("delta", `{"view":${view},"rows":${JSON.stringify(rows)}}`);
}

function wantsSnapshot({ isCurrent, isSending }: Viewer): boolean {
  return !isCurrent && !isSending;
}

/** One viewer, which gets one event at a time. */
class Viewer {
  /** Whether it has been sent the last state, as a snapshot or with all deltas since. */
  isCurrent = false;
  /** Resolves when it is not to be served any more. */
  readonly ended: Promise<void>;
  readonly #out: StreamOutput;
  readonly #end = Promise.withResolvers<void>();
  #sending = false;

  constructor(out: StreamOutput) {
    this.#out = out;
    this.ended = this.#end.promise;
    out.signal.addEventListener("abort", () => this.end(), { once: true });
  }

  /** Whether it has not received all of what it was sent. */
  get isSending(): boolean {
    return this.#sending;
  }

  /** Sends an event; not while another one is being sent. */
  send(bytes: Uint8Array): void {
    this.#sending = true;
    this.#out.send(bytes).then(() => this.#sending = false, () => this.end());
  }

  end(): void {
    this.#end.resolve();
  }
}
