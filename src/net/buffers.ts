/** Options of {@linkcode BufferPool}. */
export interface BufferPoolOptions {
  /** What a read that may wait for long is given. @default {1024} */
  readonly smallBytes?: number;
  /** What a read is given that may wait, but between bursts. @default {16_384} */
  readonly mediumBytes?: number;
  /** What a read is given while data flows. @default {262_144} */
  readonly largeBytes?: number;
  /** Medium buffers in use at once; beyond it small ones have to do. @default {1024} (16 MiB) */
  readonly maxMedium?: number;
  /** Large buffers in use at once; beyond it medium ones have to do. @default {256} (64 MiB) */
  readonly maxLarge?: number;
}

/** Buffers of one size: a bounded number in use, and a free list of some that came back. */
class SizeClass {
  readonly sizeBytes: number;
  readonly #max: number;
  readonly #keep: number;
  readonly #free: Uint8Array[] = [];
  inUse = 0;

  constructor(sizeBytes: number, options: { max: number; keep: number }) {
    this.sizeBytes = sizeBytes;
    this.#max = options.max;
    this.#keep = options.keep;
  }

  /** A buffer, or `undefined` at the bound. */
  take(): Uint8Array | undefined {
    if (this.inUse >= this.#max) return undefined;
    this.inUse++;
    return this.#free.pop() ?? new Uint8Array(this.sizeBytes);
  }

  give(buffer: Uint8Array): void {
    this.inUse--;
    if (this.#free.length < this.#keep) this.#free.push(buffer);
  }
}

/**
 * The read buffers of all connections, of three sizes. A read holds its buffer for as long as it waits, so one
 * that may wait for ever holds a small one; one that finds more than that is followed by larger ones, up to
 * `largeBytes` while data flows. Free lists keep what comes back: nothing large is allocated (and zeroed) while
 * traffic flows. What peers that do not read can pin is bounded by `maxMedium` and `maxLarge`.
 */
export class BufferPool {
  readonly #small: SizeClass;
  readonly #medium: SizeClass;
  readonly #large: SizeClass;

  /**
   * Allocates nothing yet.
   *
   * @throws {RangeError} unless the three sizes differ and grow.
   */
  constructor(options: BufferPoolOptions = {}) {
    const { smallBytes = 1024, mediumBytes = 16 * 1024, largeBytes = 256 * 1024 } = options;
    if (!(smallBytes < mediumBytes && mediumBytes < largeBytes)) {
      throw new RangeError("Cannot make a buffer pool: small, medium and large must differ in this order");
    }
    this.#small = new SizeClass(smallBytes, { max: Infinity, keep: 4096 });
    this.#medium = new SizeClass(mediumBytes, { max: options.maxMedium ?? 1024, keep: 64 });
    this.#large = new SizeClass(largeBytes, { max: options.maxLarge ?? 256, keep: 64 });
  }

  /** Buffers that are out now, by size. */
  get inUse(): { readonly small: number; readonly medium: number; readonly large: number } {
    return { small: this.#small.inUse, medium: this.#medium.inUse, large: this.#large.inUse };
  }

  /** A small buffer, for a first read. What it holds is undefined. */
  take(): Uint8Array {
    return this.#small.take()!;
  }

  /** A medium buffer, for a read that may wait while data flows; `undefined` when `maxMedium` are in use. */
  takeMedium(): Uint8Array | undefined {
    return this.#medium.take();
  }

  /**
   * The buffer for the read that follows one of `count` bytes into `buffer`, which it may be again, or be given
   * back in exchange. The rule: a full buffer calls for a large one, as there is likely to be more. When the burst
   * is over, the next read waits with a medium one, as the next burst may be alike; and with a small one once a
   * burst was small.
   */
  exchange(buffer: Uint8Array, count: number): Uint8Array {
    const sizeBytes = buffer.length;
    if (count === sizeBytes) {
      return sizeBytes === this.#large.sizeBytes ? buffer : this.#swap(buffer, this.#large);
    }
    if (sizeBytes === this.#small.sizeBytes) return buffer;
    if (sizeBytes === this.#large.sizeBytes) return this.#swap(buffer, this.#medium);
    return count > this.#small.sizeBytes ? buffer : this.#swap(buffer, this.#small);
  }

  /** Gives back a buffer that was taken here. Nothing may read into it or write from it any more. */
  give(buffer: Uint8Array): void {
    this.#classOf(buffer).give(buffer);
  }

  #swap(buffer: Uint8Array, wanted: SizeClass): Uint8Array {
    this.give(buffer);
    return wanted.take() ?? this.#medium.take() ?? this.#small.take()!;
  }

  #classOf({ length }: Uint8Array): SizeClass {
    if (length === this.#small.sizeBytes) return this.#small;
    return length === this.#medium.sizeBytes ? this.#medium : this.#large;
  }
}
