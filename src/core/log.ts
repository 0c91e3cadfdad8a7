/** The severities of the log, from the least to the most important. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What a log line carries besides its message. Keys are in snake_case; absent values are left out. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>;

/** The log as the rest of the program sees it. It never throws and never blocks. */
export interface Log {
  /** Details for troubleshooting. */
  debug(message: string, fields?: LogFields): void;
  /** Normal events. */
  info(message: string, fields?: LogFields): void;
  /** A condition that needs attention; service continues. */
  warn(message: string, fields?: LogFields): void;
  /** An operation that failed. */
  error(message: string, fields?: LogFields): void;
}

/** A log that says nothing: the default of everything in the library. */
export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
