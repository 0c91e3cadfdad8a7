/** One line of the program's log. */
export type LogRecord = Readonly<Record<string, string | number | boolean>>;

/** What a record must have: these values, or whatever the function says. */
export type Match = LogRecord | ((record: LogRecord) => boolean);

/** Reads a line of the log, in either of its forms; `undefined` for what is no such line. */
export function parseLogLine(line: string): LogRecord | undefined {
  return line.startsWith("{") ? JSON.parse(line) : parseTextLine(line);
}

/** Whether a record has what is asked for. */
export function matches(record: LogRecord, match: Match): boolean {
  if (typeof match === "function") return match(record);
  return Object.entries(match).every(([key, value]) => record[key] === value);
}

/** `2026-01-31T10:00:00.000Z info  connection closed service=web error="two words"`. */
function parseTextLine(line: string): LogRecord | undefined {
  const match = /^(\d{4}-\S+Z) (\w+) +(.*?)((?: \w+=(?:"(?:[^"\\]|\\.)*"|[^" ]+))*)$/.exec(line);
  if (match === null) return undefined;
  const [, timestamp = "", level = "", message = "", fields = ""] = match;
  const record: Record<string, string | number> = {
    "@timestamp": timestamp,
    level: level.toUpperCase(),
    message,
  };
  for (const [, key = "", value = ""] of fields.matchAll(/ (\w+)=("(?:[^"\\]|\\.)*"|[^" ]+)/g)) {
    record[key] = value.startsWith('"') ? JSON.parse(value) : /^\d+$/.test(value) ? Number(value) : value;
  }
  return record;
}
