import {
  configure,
  getJsonLinesFormatter,
  getLogger,
  getTextFormatter,
  type Logger,
  type LogLevel as TapeLevel,
  type LogRecord,
  type TextFormatter,
} from "@logtape/logtape";
import type { LogConfig } from "../../config/config.ts";
import { escapeText } from "../../core/escape_text.ts";
import type { Log, LogFields, LogLevel } from "../../core/log.ts";
import type { LineWriter } from "./line_writer.ts";

/** The longest text of a field, in characters; the rest is left out. With it a line is within what waits. */
const MAX_FIELD = 8 * 1024;

const LEVELS: Record<LogLevel, TapeLevel> = { debug: "debug", info: "info", warn: "warning", error: "error" };

/**
 * Sends the log to `writer` from now on, in the form and from the level that `config` asks for. There is one log
 * in the program: a second call takes the place of the first, and the logs handed out follow.
 */
export async function configureLog(config: LogConfig, writer: LineWriter): Promise<void> {
  // In JSON: `{"@timestamp":…,"level":"INFO","message":…,"logger":"culvert", …the fields}`, one record a line.
  const formatter = config.format === "json"
    ? getJsonLinesFormatter({ properties: "flatten" })
    : textFormatter();
  const format = (record: LogRecord) => `${escapeText(formatter(record).trimEnd())}\n`;
  writer.describeLoss = (count) => format(lossRecord(count));
  await configure({
    reset: true,
    sinks: { lines: (record) => writer.write(format(record)) },
    loggers: [
      { category: "culvert", lowestLevel: LEVELS[config.level], sinks: ["lines"] },
      { category: ["logtape", "meta"], lowestLevel: "warning", sinks: ["lines"] },
    ],
  });
}

/** The program's log. Silent until {@linkcode configureLog}. */
export function programLog(): Log {
  const logger = getLogger("culvert");
  return {
    debug: (message, fields) => write(logger, "debug", { message, fields }),
    info: (message, fields) => write(logger, "info", { message, fields }),
    warn: (message, fields) => write(logger, "warn", { message, fields }),
    error: (message, fields) => write(logger, "error", { message, fields }),
  };
}

function write(
  logger: Logger,
  level: LogLevel,
  line: { message: string; fields: LogFields | undefined },
): void {
  if (!logger.isEnabledFor(LEVELS[level])) return;
  const properties: Record<string, string | number | boolean> = {};
  for (const [key, value] of Object.entries(line.fields ?? {})) {
    if (value !== undefined) properties[key] = typeof value === "string" ? cut(value) : value;
  }
  // Braces would be taken for places to fill in.
  logger[level](line.message.replaceAll(/[{}]/g, "$&$&"), properties);
}

function cut(text: string): string {
  if (text.length <= MAX_FIELD) return text;
  const shown = text.slice(0, MAX_FIELD).replace(/[\ud800-\udbff]$/, ""); // Not through the middle of a character.
  return `${shown}… and ${text.length - shown.length} more characters`;
}

/** Written whatever the level: any of the lines may have been what was asked for. */
function lossRecord(count: number): LogRecord {
  const message = "log lines dropped: the log's reader is too slow";
  return {
    category: ["culvert"],
    level: LEVELS.warn,
    message: [message],
    rawMessage: message,
    timestamp: Date.now(),
    properties: { count },
  };
}

/** `2026-01-31T10:00:00.000Z info  connection closed service=web client=10.0.0.1:4711 …`. */
function textFormatter(): TextFormatter {
  return getTextFormatter({
    timestamp: "rfc3339",
    level: (level) => (level === "warning" ? "warn" : level).padEnd(5),
    format({ timestamp, level, message, record }) {
      let line = `${timestamp} ${level} ${message}`;
      for (const [key, value] of Object.entries(record.properties)) line += ` ${key}=${fieldText(value)}`;
      return line;
    },
  });
}

/** A value as it stands where it is one word, quoted where it is not: no value can look like another field. */
function fieldText(value: unknown): string {
  const text = String(value);
  return /^[\w.:/@[\]-]+$/.test(text) ? text : JSON.stringify(text);
}
