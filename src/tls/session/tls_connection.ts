import { eventLoopTurn } from "../../core/event_loop.ts";
import { Buffer } from "node:buffer";
import { setImmediate } from "node:timers";
import type { TLSSocket } from "node:tls";
import { closeQuietly, type Connection } from "../../net/connection.ts";
import type { CipherEvents, CipherStream } from "./cipher_stream.ts";
import { toHandshakeError } from "./handshake_errors.ts";
import { release } from "./release.ts";

/** What the engine encrypts in one call; of more it would keep a copy of the rest, again and again. */
const MAX_WRITE = 3 * 16_384;

interface PendingRead {
  readonly buffer: Uint8Array;
  resolve(count: number | null): void;
  reject(error: unknown): void;
}

interface PendingWrite {
  readonly count: number;
  /** The engine has let go of all of it. */
  accepted: boolean;
  resolve(count: number): void;
  reject(error: unknown): void;
}

/**
 * A TLS session of `node:tls` as a {@linkcode Connection}: reads and writes clear text.
 *
 * - The peer's close_notify, and FIN without one, both end reading; writing goes on.
 * - `closeWrite` sends close_notify and then ends the writing half of the connection below.
 * - `close` gives the resource back at once. Unless something is in its way, close_notify goes out before.
 * - `abort` does so too, and sends no close_notify: the peer sees that the stream was cut short.
 * - What the peer does not read waits with it: a write is over when the connection below has taken all of it.
 * - What we do not read is not fetched: at most what one read from below has brought is kept.
 *
 * It owns the connection below and closes it.
 */
export class TlsConnection implements Connection, CipherEvents {
  readonly #socket: TLSSocket;
  readonly #cipher: CipherStream;
  readonly #below: Connection;
  /** Clear text that has not been read yet, the oldest first. */
  readonly #chunks: Uint8Array[] = [];
  /** How much of the oldest of them has been read. */
  #taken = 0;
  #read: PendingRead | undefined;
  #write: PendingWrite | undefined;
  /** Called when nothing more is on its way to the connection below, or nothing more can be. */
  #onDrained: (() => void) | undefined;
  #ended = false;
  #writeEnded = false;
  #closed = false;
  #readError: unknown;
  #writeError: unknown;

  /** Takes over a session whose handshake is done. */
  constructor(socket: TLSSocket, options: { cipher: CipherStream; below: Connection }) {
    this.#socket = socket;
    this.#cipher = options.cipher;
    this.#below = options.below;
    this.#cipher.events = this;
    this.#cipher.stopReading();
    // Flowing from the first moment, and never paused: the engine's sockets lose their end when they are.
    // A record's worth of clear text. What one read from below has brought may be many.
    socket.on("data", (chunk: Uint8Array) => {
      if (this.#closed) return;
      this.#chunks.push(chunk);
      if (!this.#cipher.feeding) this.onData();
    });
    socket.on("end", () => this.onEnd());
    socket.on("error", (error: Error) => this.#onEngineError(toHandshakeError(error)));
  }

  read(buffer: Uint8Array): Promise<number | null> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#chunks.length > 0) return Promise.resolve(this.#take(buffer));
    if (this.#readError !== undefined) return Promise.reject(this.#readError);
    if (this.#ended) return Promise.resolve(null);
    return new Promise((resolve, reject) => {
      this.#read = { buffer, resolve, reject };
      this.#cipher.startReading();
    });
  }

  write(bytes: Uint8Array): Promise<number> {
    if (this.#closed) return Promise.reject(closedError());
    if (this.#writeError !== undefined) return Promise.reject(this.#writeError);
    if (this.#writeEnded) {
      return Promise.reject(new Deno.errors.BrokenPipe("The writing half has been closed"));
    }
    const count = Math.min(bytes.length, MAX_WRITE);
    return new Promise((resolve, reject) => {
      const pending: PendingWrite = { count, accepted: false, resolve, reject };
      this.#write = pending;
      this.#socket.write(Buffer.from(bytes.buffer as ArrayBuffer, bytes.byteOffset, count), (error) => {
        if (error) this.onWriteError(error);
        pending.accepted = true;
        this.onWritten();
      });
    });
  }

  async closeWrite(): Promise<void> {
    if (this.#closed) throw closedError();
    if (this.#writeError !== undefined) throw this.#writeError;
    if (this.#writeEnded) return;
    this.#writeEnded = true;
    const ended = Promise.withResolvers<void>();
    this.#socket.end(() => ended.resolve());
    await ended.promise;
    // What the engine says reaches the stream below a turn later.
    await eventLoopTurn();
    if (this.#cipher.writing && !this.#closed && this.#writeError === undefined) {
      await new Promise<void>((resolve) => this.#onDrained = resolve);
    }
    if (this.#closed) throw closedError();
    if (this.#writeError !== undefined) throw this.#writeError;
    await this.#below.closeWrite();
  }

  close(): void {
    if (this.#closed) throw closedError();
    const polite = !this.#writeEnded && this.#writeError === undefined && this.#readError === undefined &&
      this.#write === undefined && !this.#cipher.writing;
    if (!polite) return this.abort();
    this.#shut();
    this.#socket.end();
    // By then close_notify has been handed to the connection below. It is not waited for.
    setImmediate(() => this.#destroy());
  }

  abort(): void {
    if (this.#closed) throw closedError();
    this.#shut();
    this.#destroy();
  }

  /** The connection below has ended, or close_notify has come. */
  onEnd(): void {
    this.#cipher.stopReading();
    if (this.#readError !== undefined) return; // What an engine ends with that has failed is no end of the stream.
    this.#ended = true;
    const read = this.#read;
    this.#read = undefined;
    read?.resolve(null);
  }

  onReadError(error: unknown): void {
    this.#readError ??= error;
    const read = this.#read;
    this.#read = undefined;
    read?.reject(this.#readError);
  }

  onWriteError(error: unknown): void {
    this.#writeError ??= error;
    this.#onDrained?.();
    const write = this.#write;
    this.#write = undefined;
    write?.reject(this.#writeError);
  }

  /** Both must be true: the engine may let go while an older piece is still on its way. */
  onWritten(): void {
    if (!this.#cipher.writing) this.#onDrained?.();
    const write = this.#write;
    if (write === undefined || !write.accepted || this.#cipher.writing) return;
    this.#write = undefined;
    write.resolve(write.count);
  }

  /**
   * The engine has failed, and writes its alert to the peer in this turn. Callers would close the connection before
   * that, so their promises reject in the next turn.
   */
  #onEngineError(error: unknown): void {
    this.#readError ??= error;
    this.#writeError ??= error;
    this.#cipher.stopReading();
    setImmediate(() => this.#fail(error));
  }

  /** The engine has decrypted all bytes of one read: a pending read gets as many as fit. */
  onData(): void {
    const read = this.#read;
    if (read === undefined || this.#chunks.length === 0) return;
    this.#read = undefined;
    this.#cipher.stopReading();
    read.resolve(this.#take(read.buffer));
  }

  /** Moves the oldest clear text into `buffer`, as much as there is room for. */
  #take(buffer: Uint8Array): number {
    let filled = 0;
    while (filled < buffer.length && this.#chunks.length > 0) {
      const chunk = this.#chunks[0]!;
      const begin = this.#taken;
      const end = Math.min(chunk.length, begin + buffer.length - filled);
      const whole = end - begin === chunk.length;
      buffer.set(whole ? chunk : chunk.subarray(begin, end), filled);
      filled += end - begin;
      this.#taken = end;
      if (end === chunk.length) {
        this.#chunks.shift();
        this.#taken = 0;
        release(chunk);
      }
    }
    return filled;
  }

  /** Nothing can be asked of it any more. */
  #shut(): void {
    this.#closed = true;
    this.#chunks.length = 0;
    this.#fail(closedError());
  }

  #fail(error: unknown): void {
    this.onReadError(error);
    this.onWriteError(error);
  }

  #destroy(): void {
    this.#cipher.seal();
    this.#socket.destroy();
    this.#cipher.destroy();
    closeQuietly(this.#below);
  }
}

function closedError(): Error {
  return new Deno.errors.BadResource("The TLS connection has been closed");
}
