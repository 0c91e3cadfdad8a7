import type * as pkijs from "pkijs";
import { CulvertError } from "../core/errors.ts";

/** Before 1950 there is no time that a certificate could name: what a broken one is read as lies there. */
const EARLIEST_MS = Date.UTC(1950, 0, 1);

/** The octets of a whole number as upper-case hexadecimal digits, without zeros in front. */
export function formatSerial(bytes: Uint8Array): string {
  return bytes.toHex().replace(/^(?:00)+(?=.)/, "").toUpperCase();
}

/** Hexadecimal digits in the same form. */
export function normalizeSerial(hex: string): string {
  const digits = BigInt(`0x${hex}`).toString(16);
  return digits.padStart(digits.length + digits.length % 2, "0").toUpperCase();
}

/**
 * The moment that a time of a certificate or a CRL names, in milliseconds.
 *
 * @throws {CulvertError} `bad_certificate` when it names none.
 */
export function timeOf(time: pkijs.Time): number {
  const ms = time.value.getTime();
  // The library reads a broken time as one of 1899, which would be a fine beginning for anything.
  if (!(ms >= EARLIEST_MS)) throw unreadable("it names a time that is none");
  return ms;
}

/** What is thrown when a certificate or a CRL can't be understood. */
export function unreadable(why: string, what = "certificate"): CulvertError {
  return new CulvertError("bad_certificate", `Cannot read a ${what}: ${why}`);
}
