/**
 * Reads numbers in network order and lengths-and-contents out of bytes, one after the other, and never beyond
 * their end: what is not there is an error. Copies nothing.
 */
export class ByteCursor {
  readonly #bytes: Uint8Array;
  readonly #fail: (reason: string) => Error;
  #offset: number;

  /** Starts at `offset`. `fail` makes the error that is thrown when something is cut short. */
  constructor(bytes: Uint8Array, options: { fail: (reason: string) => Error; offset?: number }) {
    this.#bytes = bytes;
    this.#fail = options.fail;
    this.#offset = options.offset ?? 0;
  }

  /** Where the next byte is, counted from the start of the bytes. */
  get offset(): number {
    return this.#offset;
  }

  /** How many bytes are left. */
  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  /** A whole number of so many bytes (1 to 4). `what` names it in an error. */
  uint(size: 1 | 2 | 3 | 4, what: string): number {
    const start = this.#advance(size, what);
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + this.#bytes[start + i]!;
    return value;
  }

  /** So many bytes, as a view. */
  take(size: number, what: string): Uint8Array {
    const start = this.#advance(size, what);
    return this.#bytes.subarray(start, start + size);
  }

  /** A length of `lengthSize` bytes and as many bytes as it says, as a view. */
  vector(lengthSize: 1 | 2 | 3, what: string): Uint8Array {
    return this.take(this.uint(lengthSize, `the length of ${what}`), what);
  }

  /** As {@linkcode ByteCursor.vector}, to be read on. */
  nested(lengthSize: 1 | 2 | 3, what: string): ByteCursor {
    return new ByteCursor(this.vector(lengthSize, what), { fail: this.#fail });
  }

  /** Throws unless all has been read. */
  end(what: string): void {
    if (this.left > 0) throw this.#fail(`${this.left} bytes too many in ${what}`);
  }

  #advance(size: number, what: string): number {
    const start = this.#offset;
    if (size > this.#bytes.length - start) {
      throw this.#fail(`${what} is cut short: ${size} bytes announced, ${this.left} there`);
    }
    this.#offset = start + size;
    return start;
  }
}
