import { Buffer } from "node:buffer";

/** From this length on, a call into the runtime is cheaper than building the string here. */
const SHORT_BYTES = 24;

/**
 * The bytes from `start` to before `end` as a string of one character for each byte, ISO 8859-1. (The `latin1` of
 * `TextDecoder` is another encoding, windows-1252.)
 */
export function latin1(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  if (end - start > SHORT_BYTES) {
    return Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset + start, end - start).toString("latin1");
  }
  let text = "";
  let at = start;
  for (; at + 4 <= end; at += 4) {
    text += String.fromCharCode(bytes[at]!, bytes[at + 1]!, bytes[at + 2]!, bytes[at + 3]!);
  }
  for (; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}
