import type { FieldTable } from "./field_table.ts";
import type { ByteRange } from "./name_table.ts";
import { CR, LF } from "./octets.ts";

/** How much room {@linkcode frameChunk} needs in front of the data: eight digits and CRLF. */
export const CHUNK_HEAD_BYTES = 10;
/** How much room {@linkcode frameChunk} needs behind the data: CRLF. */
export const CHUNK_END_BYTES = 2;

const DIGITS = new TextEncoder().encode("0123456789abcdef");
const ZERO = 0x30;

/**
 * Makes a chunk of the data between `start` and `end`, which is not empty and has less than 4 GiB, where it stands: its
 * size is written in front of it, and CRLF behind it.
 *
 * @returns where the chunk begins. It ends {@linkcode CHUNK_END_BYTES} behind `end`.
 */
export function frameChunk(bytes: Uint8Array, { start, end }: ByteRange): number {
  bytes[end] = bytes[start - 2] = CR;
  bytes[end + 1] = bytes[start - 1] = LF;
  let at = start - 2;
  for (let size = end - start; size > 0; size >>>= 4) bytes[--at] = DIGITS[size & 15]!;
  return at;
}

/** How many bytes {@linkcode writeLastChunk} writes at most. */
export function maxLastChunkBytes(trailers?: FieldTable): number {
  return 5 + (trailers?.maxCopyBytes ?? 0);
}

/**
 * Writes the last chunk with the trailer fields that are passed on, to `target` from `at` on.
 *
 * @returns the position behind the last byte written.
 */
export function writeLastChunk(
  target: Uint8Array,
  { at, trailers }: { at: number; trailers?: FieldTable | undefined },
): number {
  target[at++] = ZERO;
  target[at++] = CR;
  target[at++] = LF;
  if (trailers !== undefined) at = trailers.copyKept(target, at);
  target[at++] = CR;
  target[at++] = LF;
  return at;
}
