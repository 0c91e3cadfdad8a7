import { badProxyHeader } from "./proxy_header.ts";

/** A byte order mark is a character like others here. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Text of a PROXY header in UTF-8; `what` names it in an error. What is none is refused, not patched up: what
 * is written on into another header would no longer be the same, nor of the same length.
 *
 * @throws {CulvertError} `bad_proxy_header`
 */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw badProxyHeader(`${what} is not UTF-8`);
  }
}

/**
 * Text of a PROXY header in printable ASCII; `what` names it in an error.
 *
 * @throws {CulvertError} `bad_proxy_header`
 */
export function decodeAscii(bytes: Uint8Array, what: string): string {
  if (bytes.some((byte) => byte < 0x20 || byte > 0x7e)) {
    throw badProxyHeader(`${what} is not printable ASCII`);
  }
  return UTF8.decode(bytes);
}
