import { describeError } from "../../core/errors.ts";
import { escapeText } from "../../core/escape_text.ts";
import type { AdminClient } from "../admin/admin_client.ts";
import { answerText } from "../admin/read_program.ts";
import { type Key, KeyReader } from "../terminal/keys.ts";
import type { Paint } from "../terminal/style.ts";
import type { Terminal } from "../terminal/terminal.ts";
import { readSample } from "./top_sample.ts";
import { topScreen } from "./top_screen.ts";
import { type TopAction, TopState } from "./top_state.ts";

/** What `culvert top` works with. */
export interface TopParts {
  readonly client: AdminClient;
  /** What messages call the admin API. */
  readonly name: string;
  readonly terminal: Terminal;
  readonly paint: Paint;
  /** Reads what keys send; `null`: the terminal has gone. */
  readonly readKeys: (buffer: Uint8Array) => Promise<number | null>;
  readonly intervalMs: number;
}

/** After that an escape character is a key of its own. */
const ESCAPE_MS = 50;

/** The live table: samples, keys, and the screen. */
export class Top {
  readonly #parts: TopParts;
  readonly #state = new TopState();
  readonly #done = Promise.withResolvers<void>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sampling = false;
  #stopped = false;

  constructor(parts: TopParts) {
    this.#parts = parts;
  }

  /** Runs until the user quits, or {@linkcode Top.stop}. */
  async run(): Promise<void> {
    void this.#readKeys();
    void this.#sample();
    await this.#done.promise;
  }

  /** Ends it. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    this.#done.resolve();
  }

  /** Draws the screen again, such as in another size. */
  draw(): void {
    if (this.#stopped) return;
    const { terminal, paint } = this.#parts;
    const { columns, rows } = terminal.size;
    terminal.draw(topScreen(this.#state, { columns, rows, paint }));
  }

  /** One sample at a time; the next one is due an interval after the last one. */
  async #sample(): Promise<void> {
    if (this.#sampling || this.#stopped) return;
    this.#sampling = true;
    clearTimeout(this.#timer);
    const { client, name, intervalMs } = this.#parts;
    const { view } = this.#state;
    try {
      this.#state.take(await readSample(client, { name, view }));
      this.#state.problem = "";
    } catch (error) {
      this.#state.problem = escapeText(`${describeError(error)}; trying again`);
    }
    this.#sampling = false;
    if (this.#stopped) return;
    this.draw();
    const wantsOther = view !== this.#state.view;
    this.#timer = setTimeout(() => void this.#sample(), wantsOther ? 0 : intervalMs);
  }

  async #readKeys(): Promise<void> {
    const reader = new KeyReader();
    const buffer = new Uint8Array(256);
    let escape: ReturnType<typeof setTimeout> | undefined;
    while (!this.#stopped) {
      const count = await this.#parts.readKeys(buffer).catch(() => null);
      clearTimeout(escape);
      if (count === null) return this.stop();
      for (const key of reader.push(buffer.subarray(0, count))) this.#press(key);
      if (reader.pending) {
        escape = setTimeout(() => {
          for (const key of reader.flush()) this.#press(key);
        }, ESCAPE_MS);
      }
    }
  }

  #press(key: Key): void {
    if (this.#stopped) return;
    const action = this.#state.press(key);
    if (action !== undefined) void this.#do(action);
    this.draw();
  }

  async #do(action: TopAction): Promise<void> {
    if (action.kind === "quit") return this.stop();
    if (action.kind === "refresh") return await this.#sample();
    const { kind, upstream, address } = action;
    const path = `/api/upstreams/${encodeURIComponent(upstream)}/backends/${
      encodeURIComponent(address)
    }/${kind}`;
    try {
      const answer = await this.#parts.client.post(path);
      const failed = `cannot ${kind} ${address}: ${answerText(answer)}`;
      this.#state.message = escapeText(
        answer.status === 200 ? `${address} of ${upstream}: ${kind} done` : failed,
      );
    } catch (error) {
      this.#state.message = escapeText(describeError(error));
    }
    await this.#sample();
    this.draw();
  }
}
