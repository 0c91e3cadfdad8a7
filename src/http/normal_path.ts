import { badMessage, type HttpError } from "./http_error.ts";
import { PLAIN, UNRESERVED } from "./octets.ts";

/** How {@linkcode normalPath} treats what is open to more than one reading. */
export interface NormalPathOptions {
  /**
   * Whether an encoded slash is refused, or passed on as `%2F`. It never separates segments for us, and it may for a
   * backend. @default {"reject"}
   */
  readonly encodedSlashes?: "reject" | "keep";
}

const ENCODED = /%([0-9A-Fa-f]{2})/g;
/** A segment that some servers take for a dot segment: they cut off parameters behind a semicolon. */
const DOTS_WITH_PARAMETERS = /^\.\.?(?=;|%3B)/;

/**
 * The one form of a path that is compared with routes and that backends get: unreserved octets decoded, hexadecimal
 * digits in capitals (RFC 3986 section 6.2.2), dot segments resolved, those with parameters (`/..;x/`) too. Double
 * slashes stay.
 *
 * `path` begins with a slash, its percent-encoding is whole.
 *
 * @throws {HttpError} 400 for a path that climbs above its root, and for an encoded slash, backslash or control
 * character.
 */
export function normalPath(path: string, { encodedSlashes = "reject" }: NormalPathOptions = {}): string {
  const decoded = path.includes("%")
    ? path.replaceAll(ENCODED, (_, digits: string) => decodeOctet(digits, encodedSlashes))
    : path;
  if (encodedSlashes === "keep") refuseHiddenDots(decoded);
  return decoded.includes("/.") ? resolveDots(decoded) : decoded;
}

/** The path with runs of slashes as one slash: how routes see it, as backends may see it so. */
export function mergeSlashes(path: string): string {
  return path.includes("//") ? path.replaceAll(/\/{2,}/g, "/") : path;
}

function decodeOctet(digits: string, encodedSlashes: "reject" | "keep"): string {
  const octet = Number.parseInt(digits, 16);
  if (UNRESERVED[octet] === PLAIN) return String.fromCharCode(octet);
  if (octet < 0x20 || octet === 0x7f) throw badPath("an encoded control character");
  if (octet === 0x5c) throw badPath("an encoded backslash");
  if (octet === 0x2f && encodedSlashes === "reject") throw badPath("an encoded slash");
  return `%${digits.toUpperCase()}`;
}

function resolveDots(path: string): string {
  const segments: string[] = [];
  const parts = path.split("/");
  for (let i = 1; i < parts.length; i++) {
    const segment = parts[i]!;
    const dots = dotsOf(segment);
    if (dots === 0) {
      segments.push(segment);
      continue;
    }
    if (dots === 2 && segments.pop() === undefined) throw badPath("dot segments that climb above its root");
    // A dot segment at the end leaves the slash in front of it.
    if (i === parts.length - 1) segments.push("");
  }
  return `/${segments.join("/")}`;
}

/** 1 or 2 for a dot segment, 0 for any other one. */
function dotsOf(segment: string): number {
  if (segment === ".") return 1;
  if (segment === "..") return 2;
  const match = DOTS_WITH_PARAMETERS.exec(segment);
  if (match === null) return 0;
  if (segment[match[0].length] === "%") throw badPath("a dot segment with an encoded semicolon");
  return match[0].length;
}

/** A backend that decodes slashes first would find dot segments that were none here. */
function refuseHiddenDots(path: string): void {
  for (const segment of path.split("/")) {
    if (segment.includes("%2F") && segment.split("%2F").some((part) => dotsOf(part) !== 0)) {
      throw badPath("a dot segment beside an encoded slash");
    }
  }
}

function badPath(reason: string): HttpError {
  return badMessage("request", `the path of the target has ${reason}`);
}
