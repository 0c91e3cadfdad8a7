import { eventLoopTurn } from "../../core/event_loop.ts";
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import { CulvertError } from "../../core/errors.ts";
import type { BufferPool } from "../../net/buffers.ts";
import type { Connection } from "../../net/connection.ts";
import { release } from "./release.ts";

/** What a {@linkcode CipherStream} tells of the connection below it. */
export interface CipherEvents {
  /** The peer has sent FIN. All that came before has been through the engine. */
  onEnd(): void;
  /** Nothing more can be read. */
  onReadError(error: unknown): void;
  /** Nothing more can be written; what the peer has still to say can be read nevertheless. */
  onWriteError(error: unknown): void;
  /** All that the engine has produced has been written. */
  onWritten(): void;
  /** The engine has been through all that one read has brought. */
  onData?(): void;
}

/** Options of {@linkcode CipherStream}. */
export interface CipherStreamOptions {
  /** Lends the read buffer. */
  readonly buffers: BufferPool;
  /** What was read from the connection before. Kept, without a copy, until it has been used. */
  readonly ahead?: Uint8Array | undefined;
  readonly events: CipherEvents;
  /** Watches what the engine is given. */
  readonly guard?: EngineGuard | undefined;
}

/** Watches what an engine is given, for as long as it is in a handshake. */
export interface EngineGuard {
  /** Called before the engine gets these bytes. Throws for what it must not get. */
  before(bytes: Uint8Array): void;
  /** Called when the engine has processed them. */
  after(): void;
}

type WriteDone = (error?: Error | null) => void;

/**
 * The Node stream that a TLS engine of `node:tls` works on, over any {@linkcode Connection}. What
 * goes through it is enciphered.
 *
 * The engine takes whatever it is given and has no way to say stop: it would fill the memory for a peer that
 * sends faster than the other side reads. So nothing is read before it is asked for ({@linkcode startReading}), and a write of
 * the engine's is over only when the connection has taken all of it. (`readStop` works since
 * https://github.com/denoland/deno/pull/33524, over sockets of the engine's own only.) Nor does the engine
 * learn of the connection's end or failure, which it loses while it has data: the user of this stream is
 * told instead, after everything that came before has been through the engine.
 *
 * The connection is not owned: its owner closes it.
 */
export class CipherStream extends Duplex {
  readonly #below: Connection;
  readonly #buffers: BufferPool;
  #ahead: Uint8Array | undefined;
  #buffer: Uint8Array | undefined;
  #attached = false;
  #mayRead = false;
  #reading = false;
  #feeding = false;
  #readable = true;
  #writing = false;
  #writable = true;
  #sealed = false;
  /** What the engine has said after it gave up. */
  #alert: Uint8Array | undefined;
  /** Told of the connection's end and failures. */
  events: CipherEvents;
  /** Watches what the engine is given. To be taken away when the handshake is done. */
  guard: EngineGuard | undefined;
  /** Told how many bytes have come each time that the engine has taken some. */
  onData: ((count: number) => void) | undefined;

  /** Reads nothing yet. */
  constructor(below: Connection, options: CipherStreamOptions) {
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#below = below;
    this.#buffers = options.buffers;
    this.#ahead = options.ahead?.length === 0 ? undefined : options.ahead;
    this.events = options.events;
    this.guard = options.guard;
  }

  /** The engine is being given what has come, and gives clear text meanwhile. */
  get feeding(): boolean {
    return this.#feeding;
  }

  /** A write is under way, or can't end any more. */
  get writing(): boolean {
    return this.#writing;
  }

  /** Lets the engine have what comes in, until {@linkcode stopReading}. */
  startReading(): void {
    this.#mayRead = true;
    if (!this.#reading && this.#readable && !this.#sealed) void this.#pull();
  }

  /** The read under way is the last one for now. */
  stopReading(): void {
    this.#mayRead = false;
  }

  /**
   * From here on, no data of the engine is sent and no data is received. The engine writes after a
   * handshake, session tickets above all, which a rejected peer must not get.
   */
  seal(): void {
    this.#sealed = true;
    if (!this.#reading) this.#giveBack();
  }

  /**
   * Sends what the engine has said after it gave up (its alert), if it did. Does not wait for a peer that
   * stalls.
   */
  sendAlert(): void {
    const bytes = this.#alert;
    this.#alert = undefined;
    if (bytes !== undefined && !this.#sealed) void this.#send(bytes, () => {});
  }

  /**
   * What the engine says. Overridden, as the base class would drop the alert that comes after the engine has
   * destroyed the stream. The engine makes one call at a time, each after the last one's `done`.
   */
  override write(chunk: unknown, encoding?: BufferEncoding | WriteDone, done?: WriteDone): boolean {
    const bytes = chunk as Uint8Array;
    const whenDone = typeof encoding === "function" ? encoding : done;
    if (this.#sealed || !this.#writable) return false;
    if (this.destroyed) this.#alert = bytes;
    else void this.#send(bytes, whenDone ?? (() => {}));
    return true;
  }

  /** Nothing to do: `want` is what reads. */
  override _read(): void {}

  override _final(done: WriteDone): void {
    done();
  }

  async #pull(): Promise<void> {
    this.#reading = true;
    try {
      if (!this.#attached) await this.#attach();
      while (this.#mayRead && !this.#sealed) {
        const buffer = this.#buffer ??= this.#buffers.take();
        const count = await this.#below.read(buffer);
        if (this.#sealed) break;
        if (count === null) {
          this.#readable = false;
          this.events.onEnd();
          break;
        }
        this.#feed(buffer.subarray(0, count));
        this.#buffer = this.#buffers.exchange(buffer, count);
      }
    } catch (error) {
      this.#readable = false;
      if (!this.#sealed) this.events.onReadError(error);
    }
    this.#reading = false;
    if (this.#sealed || !this.#readable) this.#giveBack();
  }

  /** The engine takes nothing in the turn in which it is given the stream. */
  async #attach(): Promise<void> {
    await eventLoopTurn();
    this.#attached = true;
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead !== undefined && !this.#sealed) this.#feed(ahead);
  }

  /** The engine takes the bytes while this runs, so that the buffer can be used again. */
  #feed(bytes: Uint8Array): void {
    if (this.destroyed) return;
    const { guard, onData } = this; // A callback that is set meanwhile is for the bytes after these.
    guard?.before(bytes);
    this.#feeding = true;
    this.push(Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length));
    this.#feeding = false;
    guard?.after();
    if (this.readableLength > 0) {
      throw new CulvertError(
        "tls_engine",
        "Cannot go on with TLS: the engine has not taken what was received",
      );
    }
    onData?.(bytes.length);
    this.events.onData?.();
  }

  #giveBack(): void {
    if (this.#buffer !== undefined) this.#buffers.give(this.#buffer);
    this.#buffer = undefined;
  }

  async #send(bytes: Uint8Array, done: WriteDone): Promise<void> {
    this.#writing = true;
    try {
      let sent = await this.#below.write(bytes);
      while (sent < bytes.length) sent += await this.#below.write(bytes.subarray(sent));
    } catch (error) {
      // `done` is never called: the engine must not end the half that can still be read.
      this.#writable = false;
      if (!this.#sealed) this.events.onWriteError(error);
      return;
    }
    this.#writing = false;
    done(); // May bring the next piece at once.
    release(bytes);
    if (!this.#writing && !this.#sealed) this.events.onWritten();
  }
}
