import { BadAnswerError } from "./error.ts";

/** The cluster that answers, and the revision of its data. */
export interface EtcdHeader {
  readonly clusterId: string;
  /** The revision of the whole store, which each change increments. */
  readonly revision: number;
}

/** A key with its current value. */
export interface EtcdKey {
  /** The bytes of the key, a character for each. */
  readonly key: string;
  /** The revision of its last change. */
  readonly revision: number;
  /** The value in base64; empty in a deletion event. */
  readonly value: string;
}

/** The answer to a range request. */
export interface RangeAnswer {
  readonly header: EtcdHeader;
  readonly keys: readonly EtcdKey[];
  /** The number of keys in the whole range. */
  readonly count: number;
  /** There are more keys than `limit`. */
  readonly more: boolean;
}

/** One change. */
export interface EtcdEvent extends EtcdKey {
  readonly deleted: boolean;
}

/** A message of a watch. */
export interface WatchMessage {
  readonly header: EtcdHeader;
  /** The watch has been created. */
  readonly created: boolean;
  /** The server has ended the watch. */
  readonly canceled: boolean;
  /** Above 0: it was canceled because the revisions up to this one were compacted. */
  readonly compactRevision: number;
  readonly cancelReason: string;
  readonly events: readonly EtcdEvent[];
}

type Fields = Readonly<Record<string, unknown>>;

/**
 * Parses the answer of the gateway to `kv/range`. As in all its answers, 64-bit numbers are text, and fields that are
 * zero, empty or false are absent.
 *
 * @throws {BadAnswerError} if it is not valid.
 */
export function readRangeAnswer(value: unknown): RangeAnswer {
  const answer = fields(value, "the answer");
  return {
    header: readHeader(answer.header),
    keys: list(answer.kvs, "kvs").map((kv) => readKey(kv)),
    count: whole(answer.count, "count"),
    more: flag(answer.more, "more"),
  };
}

/**
 * Parses a message of a watch.
 *
 * @throws {BadAnswerError} if it is not valid.
 */
export function readWatchMessage(value: unknown): WatchMessage {
  const result = fields(fields(value, "the message").result, "its result");
  return {
    header: readHeader(result.header),
    created: flag(result.created, "created"),
    canceled: flag(result.canceled, "canceled"),
    compactRevision: whole(result.compact_revision, "compact_revision"),
    cancelReason: plainText(text(result.cancel_reason, "cancel_reason")),
    events: list(result.events, "events").map(readEvent),
  };
}

/**
 * Parses the answer to `auth/authenticate`; returns its token.
 *
 * @throws {BadAnswerError} if it has no token that is valid in a header.
 */
export function readToken(value: unknown): string {
  const token = text(fields(value, "the answer").token, "token");
  if (!/^[\x21-\x7e]{1,8192}$/.test(token)) throw new BadAnswerError("the token is none");
  return token;
}

/** The error message of an answer, in one printable line; `undefined`: it has none. */
export function readFailure(value: unknown): string | undefined {
  if (!isFields(value)) return undefined;
  const { error, message } = value;
  if (isFields(error)) return readFailure({ message: error.message }) ?? "an error without a message";
  const text = typeof message === "string" ? message : error;
  return typeof text === "string" ? plainText(text) : undefined;
}

/** Makes text of a server safe to show: one line, printable, at most 200 characters. */
export function plainText(text: string): string {
  // Cut first, as the text may have megabytes.
  const line = text.slice(0, 400).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ").trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

function readHeader(value: unknown): EtcdHeader {
  const header = fields(value, "header");
  return {
    clusterId: text(header.cluster_id, "cluster_id"),
    revision: whole(header.revision, "revision"),
  };
}

function readEvent(value: unknown): EtcdEvent {
  const event = fields(value, "an event");
  const type = event.type ?? "PUT";
  if (type !== "PUT" && type !== "DELETE") throw new BadAnswerError("an event is of no known type");
  return { ...readKey(event.kv), deleted: type === "DELETE" };
}

function readKey(value: unknown): EtcdKey {
  const kv = fields(value, "a key");
  let key: string;
  try {
    key = atob(text(kv.key, "key"));
  } catch (error) {
    throw error instanceof BadAnswerError ? error : new BadAnswerError("a key is not base64");
  }
  return {
    key,
    revision: whole(kv.mod_revision, "mod_revision"),
    value: text(kv.value, "value"),
  };
}

function fields(value: unknown, name: string): Fields {
  if (!isFields(value)) throw new BadAnswerError(`${name} is no object`);
  return value;
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function list(value: unknown, name: string): readonly unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new BadAnswerError(`${name} is no list`);
  return value;
}

function text(value: unknown, name: string): string {
  if (value === undefined) return "";
  if (typeof value !== "string") throw new BadAnswerError(`${name} is no text`);
  return value;
}

function flag(value: unknown, name: string): boolean {
  if (value === undefined) return false;
  if (typeof value !== "boolean") throw new BadAnswerError(`${name} is neither true nor false`);
  return value;
}

function whole(value: unknown, name: string): number {
  if (value === undefined) return 0;
  // Above 2^53 two revisions could look equal; a million changes a second reach that in 285 years.
  const number = typeof value === "string" && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (!Number.isSafeInteger(number) || (number as number) < 0) {
    throw new BadAnswerError(`${name} is no whole number`);
  }
  return number as number;
}
