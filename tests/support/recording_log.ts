import type { Log, LogFields, LogLevel } from "../../src/core/log.ts";

/** One line of a {@linkcode RecordingLog}. */
export interface LogLine {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** A log that keeps its lines for the test to look at. */
export class RecordingLog implements Log {
  readonly lines: LogLine[] = [];

  /** The messages, in order. */
  get messages(): string[] {
    return this.lines.map(({ message }) => message);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "debug", message, fields });
  }

  info(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "info", message, fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "warn", message, fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.lines.push({ level: "error", message, fields });
  }
}
