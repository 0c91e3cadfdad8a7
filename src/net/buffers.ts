/** Options of {@linkcode BufferPool}. */
export interface BufferPoolOptions {
  /** What a read that may wait for long is given. @default {4096} */
  readonly smallBytes?: number;
  /** What a read is given while data flows. @default {262_144} */
  readonly largeBytes?: number;
  /** Large buffers in use at once; beyond it a flow makes do with a medium one. @default {256} (64 MiB) */
  readonly maxLarge?: number;
}

/** A flow beyond the bound on large buffers reads this much at a time. */
const MEDIUM_BYTES = 16 * 1024;
const KEEP_SMALL = 4096;
const KEEP_LARGE = 16;

/**
 * Free lists of read buffers of three sizes. Every tunnel takes its buffers from one pool and gives them back;
 * so nothing large is allocated (and zeroed) while traffic flows, an idle connection holds a small buffer only,
 * and peers that do not read can't pin more than `maxLarge` large ones.
 */
export class BufferPool {
  readonly smallBytes: number;
  readonly largeBytes: number;
  readonly #maxLarge: number;
  readonly #small: Uint8Array[] = [];
  readonly #medium: Uint8Array[] = [];
  readonly #large: Uint8Array[] = [];
  #largeInUse = 0;

  constructor(options: BufferPoolOptions = {}) {
    this.smallBytes = options.smallBytes ?? 4096;
    this.largeBytes = options.largeBytes ?? 256 * 1024;
    this.#maxLarge = options.maxLarge ?? 256;
  }

  /** Large buffers that are out now. */
  get largeInUse(): number {
    return this.#largeInUse;
  }

  /** A buffer for a read that may wait for long. What it holds is undefined. */
  takeSmall(): Uint8Array {
    return this.#small.pop() ?? new Uint8Array(this.smallBytes);
  }

  /** A buffer for a read that is likely to fill it. What it holds is undefined. */
  takeLarge(): Uint8Array {
    if (this.#largeInUse >= this.#maxLarge) return this.#medium.pop() ?? new Uint8Array(MEDIUM_BYTES);
    this.#largeInUse++;
    return this.#large.pop() ?? new Uint8Array(this.largeBytes);
  }

  /** Gives back a buffer that was taken here. Nothing may read into it or write from it any more. */
  give(buffer: Uint8Array): void {
    if (buffer.length === this.smallBytes) {
      if (this.#small.length < KEEP_SMALL) this.#small.push(buffer);
    } else if (buffer.length === this.largeBytes) {
      this.#largeInUse--;
      if (this.#large.length < KEEP_LARGE) this.#large.push(buffer);
    } else if (this.#medium.length < KEEP_LARGE) {
      this.#medium.push(buffer);
    }
  }
}
