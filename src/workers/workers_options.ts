import type { LogLevel } from "../core/log.ts";

/** How many threads carry a snapshot. */
export interface WorkersOptions {
  /** 1: the main thread, and no worker. @default {1} */
  readonly workers?: number;
  /** The least important lines that workers send. @default {"info"} */
  readonly logLevel?: LogLevel;
}
