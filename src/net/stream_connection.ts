import type { Connection } from "./connection.ts";

/** A pair of web streams of bytes, such as a `WebSocketStream`'s, a worker's or another library's. */
export interface StreamPair {
  /** What the peer says. */
  readonly readable: ReadableStream<Uint8Array>;
  /** What is said to the peer. */
  readonly writable: WritableStream<Uint8Array>;
}

/**
 * Makes a {@linkcode Connection} of a pair of web streams, with backpressure both ways: nothing is pulled before
 * it is asked for, and a write resolves when the sink has taken it.
 *
 * The connection owns both streams: `closeWrite` closes the writable; `close` closes it too, or aborts it while a
 * write (or a close) is under way, and cancels the readable.
 *
 * @throws {TypeError} if one of the streams is locked.
 *
 * @example
 * ```ts
 * import { connectionFromStreams } from "@culvert/culvert";
 *
 * const there = new TransformStream<Uint8Array, Uint8Array>();
 * const back = new TransformStream<Uint8Array, Uint8Array>();
 * const near = connectionFromStreams({ readable: back.readable, writable: there.writable });
 * const far = connectionFromStreams({ readable: there.readable, writable: back.writable });
 *
 * const sent = near.write(new TextEncoder().encode("hello"));
 * const buffer = new Uint8Array(16);
 * const count = await far.read(buffer);
 * await sent;
 * console.log(new TextDecoder().decode(buffer.subarray(0, count ?? 0))); // hello
 *
 * near.close();
 * far.close();
 * ```
 */
export function connectionFromStreams(pair: StreamPair): Connection {
  return new StreamConnection(pair);
}

class StreamConnection implements Connection {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  #rest: Uint8Array | undefined;
  /** Fails the write, or the end, that is under way; absent while there is none. */
  #failWrite: ((reason: Error) => void) | undefined;
  #closed = false;

  constructor(pair: StreamPair) {
    this.#reader = pair.readable.getReader();
    this.#writer = pair.writable.getWriter();
    // The same errors come out of read and write; these two are not awaited.
    this.#reader.closed.catch(() => {});
    this.#writer.closed.catch(() => {});
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    while (this.#rest === undefined || this.#rest.length === 0) {
      const { done, value } = await this.#reader.read();
      if (this.#closed) throw new Deno.errors.BadResource("The connection has been closed");
      if (done) return null;
      this.#rest = value;
    }
    const count = Math.min(buffer.length, this.#rest.length);
    buffer.set(this.#rest.subarray(0, count));
    this.#rest = this.#rest.subarray(count);
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    // The sink may keep what it is given, while the caller goes on to use its buffer.
    await this.#waitForSink(this.#writer.write(bytes.slice()));
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    return this.#waitForSink(this.#writer.close());
  }

  close(): void {
    if (this.#closed) throw new Deno.errors.BadResource("The connection has been closed");
    this.#closed = true;
    const reason = new Deno.errors.BadResource("The connection has been closed");
    this.#reader.cancel(reason).catch(() => {});
    // As on a socket: what has been written is delivered, and a write that waits for a stalled peer fails.
    const ended = this.#failWrite === undefined ? this.#writer.close() : this.#writer.abort(reason);
    ended.catch(() => {});
    // An abort by itself waits for the sink, which may be the one that is stuck.
    this.#failWrite?.(reason);
  }

  /** Until the sink has done it, or `close` is called. */
  async #waitForSink(done: Promise<void>): Promise<void> {
    const broken = Promise.withResolvers<never>();
    this.#failWrite = broken.reject;
    try {
      await Promise.race([done, broken.promise]);
    } finally {
      this.#failWrite = undefined;
    }
  }
}
