import type { Clock } from "../core/clock.ts";
import type { Log, LogFields, LogLevel } from "../core/log.ts";
import type { LogEntry } from "./messages.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
/** Lines are sent together: so many, or those of so many milliseconds. */
const MAX_ENTRIES = 256;
const FLUSH_MS = 10;
/** Characters that the main thread has not taken yet. What comes beyond is dropped and counted. */
const MAX_WAITING = 1024 * 1024;

/** Sends lines, with their characters, and how many were dropped before them. */
export type SendLines = (
  entries: readonly LogEntry[],
  counts: { characters: number; dropped: number },
) => void;

/** Sends the lines of a worker to the log of the main thread, in their order and in bounded memory. */
export class LogRelay implements Log {
  /** The least important lines that are sent. */
  level: LogLevel;
  readonly #clock: Clock;
  readonly #send: SendLines;
  #entries: LogEntry[] = [];
  #characters = 0;
  /** Sent, and not taken yet. */
  #sent = 0;
  #dropped = 0;
  #cancel: (() => void) | undefined;

  constructor(options: { level: LogLevel; clock: Clock; send: SendLines }) {
    this.level = options.level;
    this.#clock = options.clock;
    this.#send = options.send;
  }

  debug(message: string, fields?: LogFields): void {
    this.#log("debug", { message, fields });
  }

  info(message: string, fields?: LogFields): void {
    this.#log("info", { message, fields });
  }

  warn(message: string, fields?: LogFields): void {
    this.#log("warn", { message, fields });
  }

  error(message: string, fields?: LogFields): void {
    this.#log("error", { message, fields });
  }

  /** The line of a request, with its line feed. */
  write(line: string): void {
    this.#add(line, line.length);
  }

  /** The main thread has taken so many characters. */
  taken(characters: number): void {
    this.#sent -= characters;
  }

  /** Sends what has been logged so far. */
  flush(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#entries.length === 0) return;
    const entries = this.#entries;
    const counts = { characters: this.#characters, dropped: this.#dropped };
    this.#entries = [];
    this.#sent += this.#characters;
    this.#characters = this.#dropped = 0;
    this.#send(entries, counts);
  }

  #log(level: LogLevel, { message, fields }: { message: string; fields: LogFields | undefined }): void {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(this.level)) return;
    let characters = message.length;
    for (const value of Object.values(fields ?? {})) characters += String(value).length;
    this.#add({ level, message, fields }, characters);
  }

  #add(entry: LogEntry, characters: number): void {
    if (this.#sent + this.#characters + characters > MAX_WAITING) {
      this.#dropped++;
      return;
    }
    this.#entries.push(entry);
    this.#characters += characters;
    if (this.#entries.length >= MAX_ENTRIES) this.flush();
    else this.#cancel ??= this.#clock.after(FLUSH_MS, () => this.flush());
  }
}
