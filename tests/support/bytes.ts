import { createHash } from "node:crypto";
import type { Connection } from "../../src/net/connection.ts";

/** Bytes that look random and are the same for the same seed (xorshift32). */
export function seededBytes(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed | 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state & 0xff;
  }
  return bytes;
}

/** SHA-256 as hexadecimal digits. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Writes everything. */
export async function writeAll(connection: Connection, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await connection.write(bytes.subarray(sent));
}

/** Reads to the end and resolves to the length and the hash of what came. */
export async function hashAll(connection: Connection): Promise<{ length: number; sha256: string }> {
  const hash = createHash("sha256");
  const buffer = new Uint8Array(65536);
  let length = 0;
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return { length, sha256: hash.digest("hex") };
    hash.update(buffer.subarray(0, count));
    length += count;
  }
}

/** Reads to the end as text. */
export async function readText(connection: Connection): Promise<string> {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65536);
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return text + decoder.decode();
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}
