import { createHash } from "node:crypto";
import { seededBytes } from "./bytes.ts";

const BLOCK_BYTES = 256 * 1024;
const STAMP_EVERY = 4096;

/**
 * `total` bytes in blocks of up to 256 KiB, no two of which are the same: a block that is lost, repeated or out of
 * place changes the hash. Each block is overwritten by the next one.
 */
export function* stampedBlocks(total: number, seed: number): Generator<Uint8Array<ArrayBuffer>> {
  const block = new Uint8Array(seededBytes(BLOCK_BYTES, seed));
  const view = new DataView(block.buffer);
  let stamp = 0;
  for (let left = total; left > 0; left -= BLOCK_BYTES) {
    for (let at = 0; at < BLOCK_BYTES; at += STAMP_EVERY) view.setUint32(at, stamp++);
    yield left < BLOCK_BYTES ? block.subarray(0, left) : block;
  }
}

/** Writes a file of {@linkcode stampedBlocks} and resolves to its SHA-256. */
export async function writeStamped(path: string, total: number): Promise<string> {
  using file = await Deno.create(path);
  const hash = createHash("sha256");
  for (const block of stampedBlocks(total, 7)) {
    hash.update(block);
    for (let sent = 0; sent < block.length;) sent += await file.write(block.subarray(sent));
  }
  return hash.digest("hex");
}
