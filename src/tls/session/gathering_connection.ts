import type { BufferPool } from "../../net/buffers.ts";
import { abortConnection, type Connection } from "../../net/connection.ts";

/** What one record holds at most (RFC 8446, section 5.1). After a full one there is likely to be another. */
const RECORD_BYTES = 16 * 1024;

/** What one read gathers at most. More saves nothing, and delays the first bytes. */
const ENOUGH_BYTES = 12 * RECORD_BYTES;

/**
 * In how many turns of the microtask queue a read settles that finds something; one that must wait for the network
 * never does. The runtime needs two.
 */
const TURNS = 4;

/**
 * A connection of the runtime's TLS whose reads bring all that has come, within a bound. The runtime's own bring one
 * record at most, and a stream that is passed on in such small pieces costs half as much processor time again.
 *
 * After a full record one more read is started, into a buffer of its own. What that finds at once is added; if it
 * must wait, the caller gets what there is, and the next read takes up what comes.
 */
export class GatheringConnection implements Connection {
  readonly #below: Connection;
  readonly #buffers: BufferPool;
  /** Settles, and never rejects, when the early read does; absent: there is none, or all of it has been taken. */
  #early: Promise<void> | undefined;
  /** What the early read is given; lent by `buffers` as long as there is one. */
  #buffer: Uint8Array | undefined;
  /** What it has brought: so many bytes, or the end of the stream; `undefined` as long as it waits. */
  #count: number | null | undefined;
  /** How many of them have been passed on. */
  #taken = 0;
  #error: unknown;
  #closed = false;
  readonly #onCount = (count: number | null) => {
    this.#count = count;
    if (this.#closed) this.#giveBack();
  };
  readonly #onError = (error: unknown) => {
    this.#error = error;
    this.#onCount(null);
  };

  /** Owns `below` from here on. `buffers` lends what the early read needs; without it nothing is gathered. */
  constructor(below: Connection, buffers: BufferPool) {
    this.#below = below;
    this.#buffers = buffers;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#early === undefined && buffer.length <= RECORD_BYTES) return this.#below.read(buffer);
    return this.#gather(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#below.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#below.closeWrite();
  }

  close(): void {
    this.#end();
    this.#below.close();
  }

  abort(): void {
    this.#end();
    abortConnection(this.#below);
  }

  async #gather(buffer: Uint8Array): Promise<number | null> {
    let last = this.#early === undefined ? await this.#below.read(buffer) : await this.#takeEarly(buffer);
    if (last === null) return null;
    let filled = last;
    const enough = Math.min(buffer.length - RECORD_BYTES, ENOUGH_BYTES - RECORD_BYTES);
    while (last === RECORD_BYTES && filled <= enough && await this.#findsMore()) {
      last = this.#take(buffer.subarray(filled));
      filled += last;
    }
    return filled;
  }

  /** Starts an early read. Resolves to whether it has brought bytes at once; if not, it is kept for the next read. */
  async #findsMore(): Promise<boolean> {
    this.#buffer = this.#buffers.takeMedium();
    if (this.#buffer === undefined) return false;
    this.#count = undefined;
    this.#taken = 0;
    this.#early = this.#below.read(this.#buffer).then(this.#onCount, this.#onError);
    for (let turn = 0; turn < TURNS && this.#count === undefined; turn++) await undefined;
    return typeof this.#count === "number" && !this.#closed;
  }

  /** Waits for the early read, as if it were the caller's own. */
  async #takeEarly(buffer: Uint8Array): Promise<number | null> {
    await this.#early;
    if (typeof this.#count === "number" && !this.#closed) return this.#take(buffer);
    this.#giveBack();
    if (this.#error !== undefined) throw this.#error;
    return this.#closed ? this.#below.read(buffer) : null;
  }

  /** Passes on what the early read has brought, or as much of it as there is room for. */
  #take(buffer: Uint8Array): number {
    const count = Math.min(buffer.length, this.#count! - this.#taken);
    buffer.set(this.#buffer!.subarray(this.#taken, this.#taken + count));
    this.#taken += count;
    if (this.#taken === this.#count) this.#giveBack();
    return count;
  }

  #giveBack(): void {
    this.#early = undefined;
    if (this.#buffer !== undefined) this.#buffers.give(this.#buffer);
    this.#buffer = undefined;
  }

  /** An early read that waits is ended by the end of the connection below, and gives its buffer back then. */
  #end(): void {
    this.#closed = true;
    if (this.#count !== undefined) this.#giveBack();
  }
}
