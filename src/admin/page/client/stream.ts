/// <reference lib="dom" />
import type { HistoryReport, HistoryRow } from "../../live/history.ts";
import type { LiveView } from "../../live/live_view.ts";

/** Whether the program is heard from. `refused`: it answers, but sends this page no events. */
export type StreamState = "connecting" | "open" | "lost" | "refused";

/** What a {@linkcode LiveStream} calls. */
export interface StreamHandlers {
  onSnapshot(data: { view: LiveView; history: HistoryReport }): void;
  onDelta(data: { view: object; rows: readonly HistoryRow[] }): void;
  onState(state: StreamState): void;
}

/** The browser connects again by itself where the connection breaks, but not where it is refused. */
const RETRY_MS = 3000;
/** A page that has been hidden for this time costs the program nothing. */
const HIDDEN_MS = 20_000;

/** The live events of the program. Connects again when they break off, and rests while the page is hidden. */
export class LiveStream {
  readonly #handlers: StreamHandlers;
  #source: EventSource | undefined;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #rest: ReturnType<typeof setTimeout> | undefined;

  constructor(handlers: StreamHandlers) {
    this.#handlers = handlers;
    document.addEventListener("visibilitychange", () => this.#follow());
    this.#open();
  }

  #open(): void {
    clearTimeout(this.#retry);
    const source = this.#source = new EventSource("/api/live");
    const { onSnapshot, onDelta, onState } = this.#handlers;
    source.addEventListener("snapshot", ({ data }) => {
      onState("open");
      onSnapshot(JSON.parse(data));
    });
    source.addEventListener("delta", ({ data }) => onDelta(JSON.parse(data)));
    source.addEventListener("error", () => {
      onState("lost");
      if (source.readyState !== EventSource.CLOSED || this.#source !== source) return;
      this.#retry = setTimeout(() => this.#open(), RETRY_MS);
      void this.#askWhy(source);
    });
  }

  /** The browser does not tell why there are no events. */
  async #askWhy(source: EventSource): Promise<void> {
    try {
      const { ok } = await fetch("/healthz");
      if (ok && this.#source === source) this.#handlers.onState("refused");
    } catch {
      // The program is gone.
    }
  }

  #follow(): void {
    clearTimeout(this.#rest);
    if (document.hidden) {
      this.#rest = setTimeout(() => {
        clearTimeout(this.#retry);
        this.#source?.close();
        this.#source = undefined;
      }, HIDDEN_MS);
    } else if (this.#source === undefined) {
      this.#handlers.onState("connecting");
      this.#open();
    }
  }
}
