import { abortConnection, type Connection } from "./connection.ts";

/**
 * Reads from a connection that is not in use yet (a client whose backend is being dialled, an idle backend
 * connection), so that its end is noticed at once. What arrives meanwhile is kept, up to the buffer's size, for
 * the final user of the connection: hand it to the tunnel along with the connection.
 */
export class ReadAhead {
  /** The buffer that it reads into, which remains the caller's. */
  readonly buffer: Uint8Array;
  /** How much of `buffer` has been filled, from its start. */
  filled = 0;
  /** The stream has ended, or `error` has come up. */
  ended = false;
  /** What the connection broke with, if it did. */
  error: unknown;
  /** Settles (never rejects) with the read that is under way; `undefined` while there is none. */
  pending: Promise<void> | undefined;
  /** What it reads from: not to be read elsewhere before `pending` has settled. */
  readonly connection: Connection;
  #onChange: (() => void) | undefined;

  /**
   * Starts reading, until the buffer is full. `onChange` is called after every read that settles, until
   * {@linkcode detach}.
   */
  constructor(
    connection: Connection,
    options: { buffer: Uint8Array; onChange: () => void },
  ) {
    this.connection = connection;
    this.buffer = options.buffer;
    this.#onChange = options.onChange;
    this.pending = this.#read();
  }

  /** Starts no further read and makes no further call. The read under way goes on: await `pending`. */
  detach(): void {
    this.#onChange = undefined;
  }

  async #read(): Promise<void> {
    try {
      const target = this.filled === 0 ? this.buffer : this.buffer.subarray(this.filled);
      const count = await this.connection.read(target);
      if (count === null) this.ended = true;
      else this.filled += count;
    } catch (error) {
      this.ended = true;
      // An end without a close_notify, as the runtime's TLS calls it, is an end.
      if (!(error instanceof Deno.errors.UnexpectedEof)) this.error = error;
    }
    this.pending = undefined;
    if (this.#onChange === undefined) return;
    const wantsMore = !this.ended && this.filled < this.buffer.length && this.#onChange !== undefined;
    if (wantsMore) this.pending = this.#read();
    this.#onChange();
  }
}

/** The connection of a {@linkcode ReadAhead}, to be used as if nothing had been read from it yet. */
export class ReadAheadConnection implements Connection {
  readonly #ahead: ReadAhead;
  #taken = 0;

  /** Detaches `ahead`, which must not be used otherwise from here on. */
  constructor(ahead: ReadAhead) {
    this.#ahead = ahead;
    ahead.detach();
  }

  /** Whether all that was read ahead has been passed on, so that the bare connection may be used. */
  get passedOn(): boolean {
    const ahead = this.#ahead;
    return ahead.pending === undefined && !ahead.ended && this.#taken === ahead.filled;
  }

  /** The connection underneath. */
  get bare(): Connection {
    return this.#ahead.connection;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const ahead = this.#ahead;
    for (;;) {
      if (this.#taken < ahead.filled) {
        const count = Math.min(buffer.length, ahead.filled - this.#taken);
        buffer.set(ahead.buffer.subarray(this.#taken, this.#taken + count));
        this.#taken += count;
        return count;
      }
      if (ahead.pending !== undefined) await ahead.pending;
      else if (ahead.error !== undefined) throw ahead.error;
      else if (ahead.ended) return null;
      else return await ahead.connection.read(buffer);
    }
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#ahead.connection.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#ahead.connection.closeWrite();
  }

  close(): void {
    this.#ahead.connection.close();
  }

  abort(): void {
    abortConnection(this.#ahead.connection);
  }
}
