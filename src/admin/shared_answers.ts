import { type Clock, systemClock } from "../core/clock.ts";
import type { AdminResponse } from "./admin_response.ts";

/** How long an answer is shared, in milliseconds. */
const SHARED_MS = 1000;
/** The most answers that are kept. */
const MAX_ANSWERS = 16;

interface Entry {
  readonly atMs: number;
  readonly answer: Promise<AdminResponse>;
}

/** Answers that many viewers ask for at the same time, made once a second. */
export class SharedAnswers {
  readonly #entries = new Map<string, Entry>();
  readonly #clock: Clock;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  /** The answer to a question that was made within the last second, or else a new one. What `make` throws is not kept. */
  get(question: string, make: () => Promise<AdminResponse>): Promise<AdminResponse> {
    const nowMs = this.#clock.now();
    const known = this.#entries.get(question);
    if (known !== undefined && nowMs - known.atMs < SHARED_MS) return known.answer;
    const entry = { atMs: nowMs, answer: make() };
    this.#entries.delete(question);
    if (this.#entries.size >= MAX_ANSWERS) this.#entries.delete(this.#entries.keys().next().value!);
    this.#entries.set(question, entry);
    entry.answer.catch(() => this.#entries.get(question) === entry && this.#entries.delete(question));
    return entry.answer;
  }

  /** Forgets all answers, as something has changed. */
  clear(): void {
    this.#entries.clear();
  }
}
