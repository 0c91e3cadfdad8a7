import { CulvertError } from "./errors.ts";

/**
 * The longest duration, 24 days in milliseconds. A timer of the runtime holds 2^31 - 1 ms, less than 25 days, and
 * fires at once when it is asked for more.
 */
export const MAX_DURATION_MS = 24 * 24 * 3_600_000;

/** The largest size, 1024 GiB in bytes. */
export const MAX_SIZE_BYTES = 2 ** 40;

/** From the largest to the smallest, as {@linkcode formatWith} needs them. */
const DURATION_UNITS: ReadonlyMap<string, number> = new Map([
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1000],
  ["ms", 1],
]);

const SIZE_UNITS: ReadonlyMap<string, number> = new Map([
  ["GiB", 2 ** 30],
  ["MiB", 2 ** 20],
  ["KiB", 2 ** 10],
  ["", 1],
]);

/**
 * Reads a duration such as `250ms`, `10s`, `1.5m` or `1h`, in milliseconds. Only `0` may go without a unit, so
 * that the meaning of a number is always stated.
 *
 * @throws {CulvertError} `bad_duration` for anything else, for what is not a whole number of milliseconds, and
 * for more than {@linkcode MAX_DURATION_MS}.
 */
export function parseDuration(input: string | number): number {
  const ms = input === 0 || input === "0" ? 0 : readQuantity(String(input), DURATION_UNITS);
  if (ms === undefined || ms > MAX_DURATION_MS) {
    throw new CulvertError("bad_duration", `Cannot read duration "${input}": expected ${DURATION_FORM}`);
  }
  return ms;
}

/** What {@linkcode parseDuration} takes, for messages. */
export const DURATION_FORM = "a duration such as 250ms, 10s, 5m or 1h, at most 576h";

/**
 * Reads a size such as `16KiB`, `1.5MiB`, `1GiB` or a plain number of bytes, in bytes.
 *
 * @throws {CulvertError} `bad_size` for anything else, for what is not a whole number of bytes, and for more than
 * {@linkcode MAX_SIZE_BYTES}.
 */
export function parseSize(input: string | number): number {
  const bytes = readQuantity(String(input), SIZE_UNITS);
  if (bytes === undefined || bytes > MAX_SIZE_BYTES) {
    throw new CulvertError("bad_size", `Cannot read size "${input}": expected ${SIZE_FORM}`);
  }
  return bytes;
}

/** What {@linkcode parseSize} takes, for messages. */
export const SIZE_FORM = "a size such as 16KiB, 1MiB or a whole number of bytes, at most 1024GiB";

/**
 * The opposite of {@linkcode parseDuration}: the largest unit that needs no fraction, `90s` or `1500ms`. Rounds
 * to whole milliseconds.
 */
export function formatDuration(ms: number): string {
  const whole = Math.round(ms);
  return whole === 0 ? "0" : formatWith(whole, DURATION_UNITS);
}

/** The opposite of {@linkcode parseSize}: the largest unit that needs no fraction, `16KiB` or `1000`. */
export function formatSize(bytes: number): string {
  return bytes === 0 ? "0" : formatWith(bytes, SIZE_UNITS);
}

/** The number that is written, in the smallest unit; `undefined` when it can't be read or is not whole. */
function readQuantity(text: string, units: ReadonlyMap<string, number>): number | undefined {
  const match = /^(\d{1,15})(?:\.(\d{1,6}))?([A-Za-z]*)$/.exec(text);
  if (match === null) return undefined;
  const [, whole = "", fraction = "", name = ""] = match;
  const unit = units.get(name);
  if (unit === undefined) return undefined;
  // In integers, since 0.1 of a unit has no exact double: 1.1s must be 1100 ms, not 1100.0000000000002.
  const part = (Number(fraction) * unit) / 10 ** fraction.length;
  return Number.isInteger(part) ? Number(whole) * unit + part : undefined;
}

function formatWith(count: number, units: ReadonlyMap<string, number>): string {
  for (const [name, unit] of units) {
    if (count % unit === 0) return `${count / unit}${name}`;
  }
  return String(count);
}
