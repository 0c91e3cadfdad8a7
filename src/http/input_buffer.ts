/**
 * The bytes that have been read from a peer and not been used yet: those of `bytes` from `start` to before `end`.
 * Parsers read here; who reads from the connection appends.
 */
export class InputBuffer {
  /** Where the bytes are. May be exchanged for a larger or smaller array; what it holds moves along. */
  bytes: Uint8Array<ArrayBuffer>;
  /** The first byte that has not been used. */
  start = 0;
  /** Behind the last byte that has been read. */
  end = 0;

  /** `bytes` is empty room, or holds `length` bytes already. It belongs to the buffer from now on. */
  constructor(bytes: Uint8Array<ArrayBuffer>, length = 0) {
    this.bytes = bytes;
    this.end = length;
  }

  /** How many bytes wait to be used. */
  get length(): number {
    return this.end - this.start;
  }

  /** Forgets everything. */
  clear(): void {
    this.start = this.end = 0;
  }

  /**
   * Free room of at least `minBytes` behind the last byte; what is there is moved to the front, or to a larger array,
   * where it must. Add to `end` what was written into it.
   */
  room(minBytes = 1): Uint8Array<ArrayBuffer> {
    if (this.start === this.end) this.clear();
    if (this.bytes.length - this.end < minBytes) this.#makeRoom(minBytes);
    return this.end === 0 ? this.bytes : this.bytes.subarray(this.end);
  }

  /** Appends a copy of the bytes. */
  append(bytes: Uint8Array): void {
    this.room(bytes.length).set(bytes);
    this.end += bytes.length;
  }

  #makeRoom(minBytes: number): void {
    const { bytes, start, end, length } = this;
    const needed = length + minBytes;
    if (needed > bytes.length) {
      // To double it keeps the work in proportion to what has come, however small the pieces are.
      this.bytes = new Uint8Array(Math.max(needed, 2 * bytes.length));
      this.bytes.set(bytes.subarray(start, end));
    } else bytes.copyWithin(0, start, end);
    this.start = 0;
    this.end = length;
  }
}
