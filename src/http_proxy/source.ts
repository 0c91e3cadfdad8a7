import { LastView } from "../core/last_view.ts";
import type { BufferPool } from "../net/buffers.ts";
import { closeQuietly, type Connection } from "../net/connection.ts";
import { InputBuffer } from "../http/input_buffer.ts";

/** A larger head than this waits for its end in memory of its own. */
const GROWTH = 2;

/**
 * What is read from one connection: the bytes that wait in {@linkcode Source.input} to be used, and the read under way.
 *
 * A read may start before its data is needed: on an idle connection it notices the end, and the next caller gets the data
 * that it returns. So no read is made only to check whether the peer is there.
 * The memory is the pool's: small while the connection is idle, large while data flows.
 */
export class Source {
  /** The bytes that have been read and not used yet. */
  readonly input: InputBuffer;
  /** Nothing more will come: the peer has ended its side, or `error` says what broke. */
  ended = false;
  /** What the connection broke with; absent after an orderly end. */
  error: unknown;
  /** How many bytes have been read. */
  bytesRead = 0;
  /** Settles, and never rejects, with the read that is under way; `undefined` while there is none. */
  pending: Promise<boolean> | undefined;
  /** Called after each read, before the callers that wait for it continue. */
  onRead: (() => void) | undefined;
  /** What it reads from. */
  readonly connection: Connection;
  readonly #buffers: BufferPool;
  /** The memory is the pool's. */
  #pooled = true;
  readonly #headroom: number;
  readonly #roomView = new LastView();
  readonly #readView = new LastView();
  #lastCount = 0;
  #closed = false;

  /**
   * Owns `connection`, which {@linkcode Source.close} closes. Reads nothing yet. So much of the memory as `headroom`
   * says is left free in front of what is read, in bytes, for a head that becomes longer.
   */
  constructor(connection: Connection, { buffers, headroom = 0 }: { buffers: BufferPool; headroom?: number }) {
    this.connection = connection;
    this.#buffers = buffers;
    this.#headroom = headroom;
    this.input = new InputBuffer(buffers.take() as Uint8Array<ArrayBuffer>);
  }

  /**
   * Reads once, or waits for the read that is under way. Resolves to whether there are more bytes than before; if not,
   * the source has ended.
   */
  fill(): Promise<boolean> {
    return this.pending ??= this.connection.read(this.#room()).then(this.#onCount, this.#onEnd);
  }

  /** The bytes of the input from `start` to before `end`, to be written. */
  view(start: number, end: number): Uint8Array {
    return this.#readView.take(this.input.bytes, start, end);
  }

  /** Closes the connection. The memory goes back when nothing is read into it any more. */
  close(): void {
    if (this.#closed) return;
    this.release();
    closeQuietly(this.connection);
  }

  /** Gives the memory back as soon as nothing is read into it; the connection stays open. */
  release(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.onRead = undefined;
    if (this.pending === undefined) this.#giveBack();
  }

  readonly #onCount = (count: number | null): boolean => {
    if (count === null) return this.#onEnd();
    this.input.end += count;
    this.bytesRead += count;
    this.#lastCount = count + this.#headroom;
    this.#settle();
    return true;
  };

  readonly #onEnd = (error?: unknown): boolean => {
    this.ended = true;
    // An end without a close_notify, as the runtime's TLS calls it, is no orderly one for a message without a length.
    this.error = error;
    this.#settle();
    return false;
  };

  #settle(): void {
    this.pending = undefined;
    if (this.#closed) this.#giveBack();
    else this.onRead?.();
  }

  /** Where the next read goes. */
  #room(): Uint8Array {
    const { input } = this;
    if (input.length === 0) {
      const headroom = this.#headroom;
      input.clear();
      if (this.#pooled) this.#hold(this.#buffers.exchange(input.bytes, this.#lastCount));
      else this.#take(this.#buffers.take());
      if (headroom === 0) return input.bytes;
      input.start = input.end = headroom;
      return this.#roomView.take(input.bytes, headroom, input.bytes.length);
    }
    if (input.end === input.bytes.length && input.start <= this.#headroom) this.#grow();
    return input.room();
  }

  /** A head is longer than the buffer. */
  #grow(): void {
    const { bytes } = this.input;
    const medium = this.#pooled ? this.#buffers.takeMedium() : undefined;
    if (medium !== undefined && medium.length > bytes.length) return this.#take(medium);
    if (medium !== undefined) this.#buffers.give(medium);
    const own = new Uint8Array(GROWTH * bytes.length);
    own.set(bytes);
    if (this.#pooled) this.#buffers.give(bytes);
    this.#pooled = false;
    this.#hold(own);
  }

  #take(buffer: Uint8Array): void {
    const { bytes, end } = this.input;
    if (end > 0) buffer.set(bytes.subarray(0, end));
    if (this.#pooled) this.#buffers.give(bytes);
    this.#pooled = true;
    this.#hold(buffer);
  }

  #hold(buffer: Uint8Array): void {
    if (buffer === this.input.bytes) return;
    this.#roomView.clear();
    this.#readView.clear();
    this.input.bytes = buffer as Uint8Array<ArrayBuffer>;
  }

  #giveBack(): void {
    if (this.#pooled) this.#buffers.give(this.input.bytes);
    this.#pooled = false;
    this.#hold(NO_BYTES);
    this.input.clear();
  }
}

const NO_BYTES = new Uint8Array();
