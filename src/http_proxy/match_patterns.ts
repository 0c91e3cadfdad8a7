import { formatIp, parseIp } from "../net/ip.ts";
import { faultOfSniPattern } from "../net/client_hello/sni_map.ts";

/** Octets of a path that a route or a rewrite may have as they are, RFC 3986 section 3.3 without `;`. */
const PATH = /^\/(?:[\w.~!$&'()*+,=:@/-]|%[0-9a-f]{2})*$/i;
/** Octets that no path may have in any spelling: control characters, `/` and `\`. */
const REFUSED = /%(?:[01][0-9a-f]|7f|2f|5c)/i;
const UNRESERVED = /^[\w.~-]$/;
/** `.` and `..`, and empty segments. */
const ODD_SEGMENT = /\/(?:\.\.?)?\/|\/\.\.?$/;

/**
 * The path of a route or a rewrite in normal form: unreserved characters are decoded, hexadecimal digits are capitals,
 * what is not ASCII is encoded.
 *
 * @returns `undefined` for anything that no request could match: no `/` at the start, a query, `//`, `.`, `..`, `;`,
 * control characters and encoded slashes.
 */
export function routePath(text: string): string | undefined {
  if (!text.isWellFormed()) return undefined;
  // deno-lint-ignore no-control-regex
  const ascii = text.replaceAll(/[^\x00-\x7f]+/g, encodeURIComponent);
  if (!PATH.test(ascii) || REFUSED.test(ascii)) return undefined;
  const path = ascii.replaceAll(/%[0-9a-f]{2}/gi, normalOctet);
  return ODD_SEGMENT.test(path) ? undefined : path;
}

function normalOctet(encoded: string): string {
  const char = String.fromCharCode(parseInt(encoded.slice(1), 16));
  return UNRESERVED.test(char) ? char : encoded.toUpperCase();
}

/**
 * The host of a route as it is compared: in lower case, an IPv6 address in brackets and in the form of RFC 5952. A
 * wildcard keeps its `*.`.
 *
 * @returns `undefined` for anything else.
 */
export function hostPattern(text: string): string | undefined {
  const ip = addressKey(text.startsWith("[") && text.endsWith("]") ? text.slice(1, -1) : text);
  if (ip !== undefined) return ip;
  return faultOfSniPattern(text) === undefined ? text.toLowerCase() : undefined;
}

/** The host of a request as it is compared. `host` is in lower case and has no port. */
export function hostKey(host: string): string {
  if (host.startsWith("[")) return addressKey(host.slice(1, -1)) ?? host;
  return host.endsWith(".") ? host.slice(0, -1) : host;
}

function addressKey(text: string): string | undefined {
  const ip = parseIp(text);
  if (ip === undefined) return undefined;
  return ip.family === 6 ? `[${formatIp(ip)}]` : formatIp(ip);
}
