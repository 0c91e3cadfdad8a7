import type * as pkijs from "pkijs";
import { CulvertError } from "../../core/errors.ts";

/** Before 1950 there is no time that a certificate could name: what a broken one is read as lies there. */
const EARLIEST_MS = Date.UTC(1950, 0, 1);

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
