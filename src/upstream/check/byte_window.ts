import { Buffer } from "node:buffer";
import type { Connection } from "../../net/connection.ts";

const FIRST_BYTES = 2048;

/** Received bytes that have not been consumed, up to a limit. Its memory grows as needed. */
export class ByteWindow {
  readonly #maxBytes: number;
  #buffer: Uint8Array;
  #start = 0;
  #end = 0;

  /** `maxBytes` is the limit. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#buffer = new Uint8Array(Math.min(FIRST_BYTES, maxBytes));
  }

  /** A view, valid until bytes are read or appended. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(this.#start, this.#end);
  }

  /** Whether there is no room for more. */
  get full(): boolean {
    return this.#end - this.#start === this.#maxBytes;
  }

  /** The index of `wanted`, searched from `from` on; -1: it does not occur. */
  indexOf(wanted: Uint8Array, from = 0): number {
    const length = this.#end - this.#start;
    const bytes = Buffer.from(this.#buffer.buffer as ArrayBuffer, this.#start, length);
    return bytes.indexOf(wanted, from);
  }

  /** Removes the first `count` bytes. */
  consume(count: number): void {
    this.#start += count;
    if (this.#start === this.#end) this.#start = this.#end = 0;
  }

  /** Appends as much of `bytes` as fits. */
  append(bytes: Uint8Array): void {
    while (bytes.length > 0 && !this.full) {
      const room = this.#room();
      const count = Math.min(room.length, bytes.length);
      room.set(bytes.subarray(0, count));
      this.#end += count;
      bytes = bytes.subarray(count);
    }
  }

  /** Reads more bytes, if it is not full. `false`: the stream has ended. */
  async readFrom(connection: Connection): Promise<boolean> {
    const count = await connection.read(this.#room());
    this.#end += count ?? 0;
    return count !== null;
  }

  #room(): Uint8Array {
    if (this.#end === this.#buffer.length) {
      const { bytes } = this;
      const grow = bytes.length > this.#buffer.length / 2;
      const larger = Math.min(this.#buffer.length * 2, this.#maxBytes);
      const next = grow && larger > this.#buffer.length ? new Uint8Array(larger) : this.#buffer;
      if (next === this.#buffer) next.copyWithin(0, this.#start, this.#end);
      else next.set(bytes);
      this.#buffer = next;
      this.#start = 0;
      this.#end = bytes.length;
    }
    return this.#buffer.subarray(this.#end);
  }
}
