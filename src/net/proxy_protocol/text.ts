import { badProxyHeader } from "./header.ts";

/** A byte order mark is a character like others here. */
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Text of a PROXY header in UTF-8; `what` names it in an error. It is not repaired where it is none: what is written
 * on into another header would no longer be the same, nor of the same length.
 *
 * @throws {CulvertError} `bad_proxy_header`
 */
export function decodeUtf8(bytes: Uint8Array, what: string): string {
  const text = tryUtf8(bytes);
  if (text === undefined) throw badProxyHeader(`${what} is not UTF-8`);
  return text;
}

/** Text in UTF-8; `undefined` where it is none. */
export function tryUtf8(bytes: Uint8Array): string | undefined {
  try {
    return UTF8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** Text in printable ASCII; `undefined` where it is none. */
export function tryAscii(bytes: Uint8Array): string | undefined {
  return bytes.some((byte) => byte < 0x20 || byte > 0x7e) ? undefined : UTF8.decode(bytes);
}
