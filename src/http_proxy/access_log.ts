import { escapeText } from "../core/escape_text.ts";
import { byteString } from "./header_rules.ts";
import type { HttpReason } from "./http_reason.ts";

/** The forms of an access line. */
export type AccessFormat = "text" | "json" | "combined";

/** What is recorded of a request once it is over. Times are in milliseconds, counts in bytes. */
export interface AccessRecord {
  /** When its first byte came, as `Date.now` has it. */
  time: number;
  /** The name of the service. */
  service: string;
  /** The listener that accepted the connection. */
  listener?: string | undefined;
  /** The client's IP address, past trusted proxies. */
  client: string;
  /** The verified identity of its certificate. */
  identity?: string | undefined;
  /** The id of the request, where there is one. */
  requestId?: string | undefined;
  /** Empty where no request could be read, as are `host`, `path` and `version`. */
  method: string;
  /** The host without its port. */
  host: string;
  /** In normal form. */
  path: string;
  /** With its `?`. */
  query: string;
  /** `1.1` or `1.0`. */
  version: string;
  /** 0 where no answer was sent. */
  status: number;
  /** Bytes of the request's content. */
  bytesUp: number;
  /** Bytes of the response's content. */
  bytesDown: number;
  /** From the first byte to the end of the head. */
  headMs?: number | undefined;
  /** To have a connection to the backend. */
  connectMs?: number | undefined;
  /** From the first byte of the request to the first of the response. */
  firstByteMs?: number | undefined;
  /** The whole. */
  totalMs: number;
  /** The backend that answered, or the last one tried. */
  backend?: string | undefined;
  /** Backends that were tried. */
  tries: number;
  /** Why it ended as it did. */
  reason: HttpReason;
  /** What went wrong, for the operator. */
  error?: string | undefined;
  /** The Referer field. */
  referer?: string | undefined;
  /** The User-Agent field. */
  userAgent?: string | undefined;
}

/** The longest text of a field, in characters. */
const MAX_FIELD = 8 * 1024;
/** A text that is one word, and so needs no quotes. */
const WORD = /^[\w.:/@[\]?=&%~+,;*!$()-]+$/;
/** A text that can stand between quotes as it is. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/**
 * The line of a request, with its line feed. What clients send is escaped: it can't end the line, look like another
 * field, or be a command to a terminal.
 */
export function formatAccess(record: AccessRecord, format: AccessFormat): string {
  if (format === "combined") return combined(record);
  return format === "json" ? json(record) : text(record);
}

// One template for each form, though they have the same fields: a list of fields takes twice as long.

/** `2026-01-31T10:00:00.000Z info  request service=web …`, as the other lines of the log. */
function text(record: AccessRecord): string {
  const { service, listener, client, identity, requestId, method, host, path, query, backend, error } =
    record;
  return `${isoTime(record.time)} info  request service=${word(service)}${textField("listener", listener)} ` +
    `client=${word(client)}${textField("identity", identity)}${textField("request_id", requestId)}` +
    `${textField("method", method)}${textField("host", host)}${textField("path", path + query)} ` +
    `status=${record.status} bytes_up=${record.bytesUp} bytes_down=${record.bytesDown}` +
    `${textMs("head_ms", record.headMs)}${textMs("connect_ms", record.connectMs)}` +
    `${textMs("first_byte_ms", record.firstByteMs)} duration_ms=${tenths(record.totalMs)}` +
    `${textField("backend", backend)} tries=${record.tries} reason=${record.reason}${
      textField("error", error)
    }\n`;
}

function textField(name: string, value: string | undefined): string {
  return value === undefined || value === "" ? "" : ` ${name}=${word(value)}`;
}

function textMs(name: string, ms: number | undefined): string {
  return ms === undefined ? "" : ` ${name}=${tenths(ms)}`;
}

/** One object, with the members that the other lines of the log have. */
function json(record: AccessRecord): string {
  const { service, listener, client, identity, requestId, method, host, path, query, backend, error } =
    record;
  return `{"@timestamp":"${isoTime(record.time)}","level":"INFO","message":"request","logger":"culvert",` +
    `"service":${quoted(service)}${jsonField("listener", listener)},` +
    `"client":${quoted(client)}${jsonField("identity", identity)}${jsonField("request_id", requestId)}` +
    `${jsonField("method", method)}${jsonField("host", host)}${jsonField("path", path + query)},` +
    `"status":${record.status},"bytes_up":${record.bytesUp},"bytes_down":${record.bytesDown}` +
    `${jsonMs("head_ms", record.headMs)}${jsonMs("connect_ms", record.connectMs)}` +
    `${jsonMs("first_byte_ms", record.firstByteMs)},"duration_ms":${tenths(record.totalMs)}` +
    `${jsonField("backend", backend)},"tries":${record.tries},"reason":"${record.reason}"` +
    `${jsonField("error", error)}}\n`;
}

function jsonField(name: string, value: string | undefined): string {
  return value === undefined || value === "" ? "" : `,"${name}":${quoted(value)}`;
}

function jsonMs(name: string, ms: number | undefined): string {
  return ms === undefined ? "" : `,"${name}":${tenths(ms)}`;
}

/** The combined form of Apache and nginx; what has no value is `-`. */
function combined(record: AccessRecord): string {
  const { client, identity, time, method, path, query, version, status, bytesDown } = record;
  const request = method === "" ? "-" : `${method} ${path}${query} HTTP/${version}`;
  const user = identity === undefined ? "-" : escapeBytes(identity).replaceAll(" ", "\\x20");
  const start = `${client} - ${user} [${combinedTime(time)}] "${
    escapeBytes(request)
  }" ${status} ${bytesDown}`;
  return `${start} "${escapeBytes(record.referer ?? "-")}" "${escapeBytes(record.userAgent ?? "-")}"\n`;
}

/** To tenths, by whole numbers: the runtime takes far longer for a fraction. */
function tenths(ms: number): string {
  const all = Math.round(ms * 10);
  const whole = Math.floor(all / 10);
  return all === whole * 10 ? `${whole}` : `${whole}.${all - whole * 10}`;
}

function word(value: string): string {
  return value.length <= MAX_FIELD && WORD.test(value) ? value : quoted(value);
}

function quoted(value: string): string {
  return value.length <= MAX_FIELD && PLAIN.test(value)
    ? `"${value}"`
    : escapeText(JSON.stringify(cut(value)));
}

function cut(value: string): string {
  if (value.length <= MAX_FIELD) return value;
  return `${value.slice(0, MAX_FIELD).replace(/[\ud800-\udbff]$/, "")}… and ${value.length - MAX_FIELD} more`;
}

/** As Apache writes them: quotes and backslashes behind a backslash, other bytes in hexadecimal. */
function escapeBytes(value: string): string {
  if (value.length <= MAX_FIELD && PLAIN.test(value)) return value;
  return byteString(cut(value)).replaceAll(
    /["\\]|[^\x20-\x7e]/g,
    (char) =>
      char === '"' || char === "\\" ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`,
  );
}

let lastSecond = -1;
let lastIso = "";
let lastCombined = "";

/** The times of a second are made once. */
function enter(second: number): void {
  if (second === lastSecond) return;
  lastSecond = second;
  lastIso = new Date(second * 1000).toISOString().slice(0, 19);
  const [date = "", clock = ""] = lastIso.split("T");
  const [year, month, day] = date.split("-");
  lastCombined = `${day}/${MONTHS[Number(month) - 1]}/${year}:${clock} +0000`;
}

/** `2026-01-31T10:00:00.000Z` */
function isoTime(time: number): string {
  const second = Math.floor(time / 1000);
  enter(second);
  const ms = Math.floor(time - second * 1000);
  return `${lastIso}.${ms < 10 ? "00" : ms < 100 ? "0" : ""}${ms}Z`;
}

/** `31/Jan/2026:10:00:00 +0000` */
function combinedTime(time: number): string {
  enter(Math.floor(time / 1000));
  return lastCombined;
}
