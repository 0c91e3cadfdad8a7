import { latin1 } from "../core/latin1.ts";
import { formatIp, parseIpv6 } from "../net/ip.ts";
import type { ByteRange } from "./name_table.ts";
import { COLON, decodeHex, isDigit, PERCENT, PLAIN, UNRESERVED } from "./octets.ts";

const OPENING = 0x5b;
const CLOSING = 0x5d;
/** `sub-delims` but the comma, RFC 3986 section 2.2. */
const SUB_DELIMS = new Uint8Array(256);
for (const char of "!$&'()*+;=") SUB_DELIMS[char.charCodeAt(0)] = PLAIN;
const MAX_PORT = 65_535;
/** `IPvFuture` of RFC 3986 section 3.2.2. */
const FUTURE_ADDRESS = /^v[0-9a-f]+\.[-\w.~!$&'()*+,;=:]+$/i;

/**
 * What a request calls the server: `uri-host [":" port]` of RFC 9110 section 7.2, from Host or from the target. Without
 * userinfo, and without a comma, which RFC 3986 would allow: others see two hosts there.
 */
export class UriAuthority {
  /** Behind the host, which is at the start; before the colon. */
  hostEnd = 0;
  /** The port, or -1 if there is none. */
  port = -1;

  /** No host, and no port. */
  clear(): void {
    this.hostEnd = 0;
    this.port = -1;
  }

  /** Looks at the bytes. False if they are no authority. */
  parse(bytes: Uint8Array, { start, end }: ByteRange): boolean {
    const at = bytes[start] === OPENING
      ? endOfLiteral(bytes, { start, end })
      : endOfName(bytes, { start, end });
    if (at <= start) return false;
    this.hostEnd = at;
    this.port = -1;
    return at === end || bytes[at] === COLON && this.#readPort(bytes, { start: at + 1, end });
  }

  /** An empty port is that of the scheme, RFC 3986 section 3.2.3. */
  #readPort(bytes: Uint8Array, { start, end }: ByteRange): boolean {
    if (end - start > 5) return false;
    for (let at = start; at < end; at++) {
      if (!isDigit(bytes[at])) return false;
      this.port = Math.max(this.port, 0) * 10 + bytes[at]! - 0x30;
    }
    return this.port <= MAX_PORT;
  }
}

/**
 * A host as routes are compared with: in lower case, unreserved octets decoded, without a dot at its end, an IPv6
 * address in its shortest form in brackets. `start` and `end` enclose what {@linkcode UriAuthority} found to be a host.
 */
export function normalHost(bytes: Uint8Array, { start, end }: ByteRange): string {
  let host = latin1(bytes, start, end).toLowerCase();
  if (host.startsWith("[")) {
    const words = parseIpv6(host.slice(1, -1));
    return words === undefined ? host : `[${formatIp({ family: 6, words })}]`;
  }
  if (host.includes("%")) host = decodeURIComponent(host).toLowerCase();
  return host.length > 1 && host.endsWith(".") ? host.slice(0, -1) : host;
}

/** Behind the bracket that closes an IP literal; -1 if there is none. */
function endOfLiteral(bytes: Uint8Array, { start, end }: ByteRange): number {
  let at = start;
  while (at < end && bytes[at] !== CLOSING) at++;
  if (at === end) return -1;
  const text = latin1(bytes, start + 1, at);
  return parseIpv6(text) !== undefined || FUTURE_ADDRESS.test(text) ? at + 1 : -1;
}

/** Behind a `reg-name`, whose percent-encoded octets must be unreserved ones; -1 if there is another. */
function endOfName(bytes: Uint8Array, { start, end }: ByteRange): number {
  let at = start;
  while (at < end && bytes[at] !== COLON) {
    const octet = bytes[at]!;
    if (UNRESERVED[octet] === PLAIN) at++;
    else if (octet === PERCENT) {
      if (at + 2 >= end || UNRESERVED[decodeHex(bytes, at + 1)] !== PLAIN) return -1;
      at += 3;
    } else if (SUB_DELIMS[octet] === PLAIN) at++;
    else return -1;
  }
  return at;
}
