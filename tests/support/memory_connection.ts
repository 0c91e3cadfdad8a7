import type { Connection } from "../../src/net/connection.ts";

/** One direction in memory: at most `capacity` bytes wait in it, and a writer beyond that waits too. */
class Pipe {
  readonly #capacity: number;
  #chunks: Uint8Array[] = [];
  #queued = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void)[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    for (;;) {
      const chunk = this.#chunks[0];
      if (chunk !== undefined) {
        const count = Math.min(chunk.length, buffer.length);
        buffer.set(chunk.subarray(0, count));
        if (count === chunk.length) this.#chunks.shift();
        else this.#chunks[0] = chunk.subarray(count);
        this.#queued -= count;
        this.#changed();
        return count;
      }
      if (this.#error !== undefined) throw this.#error;
      if (this.#ended) return null;
      await this.#change();
    }
  }

  async write(bytes: Uint8Array): Promise<number> {
    while (this.#queued >= this.#capacity && this.#error === undefined && !this.#ended) await this.#change();
    if (this.#error !== undefined) throw this.#error;
    if (this.#ended) throw new Deno.errors.BrokenPipe("the pipe has ended");
    const count = Math.min(bytes.length, this.#capacity - this.#queued);
    this.#chunks.push(bytes.slice(0, count));
    this.#queued += count;
    this.#changed();
    return count;
  }

  end(): void {
    this.#ended = true;
    this.#changed();
  }

  /** What was written before can still be read, as on a socket. */
  fail(error: Error): void {
    this.#error ??= error;
    this.#changed();
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }
}

/** One end of a connection in memory. Behaves as a socket does, with a small buffer each way. */
export class MemoryConnection implements Connection {
  readonly #incoming: Pipe;
  readonly #outgoing: Pipe;
  /** Whether this end has been closed. */
  closed = false;
  /** How many bytes this end has been asked to take, for tests of backpressure. */
  accepted = 0;

  constructor(incoming: Pipe, outgoing: Pipe) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    return this.closed ? Promise.reject(closedError()) : this.#incoming.read(buffer);
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.closed) throw closedError();
    const count = await this.#outgoing.write(bytes);
    this.accepted += count;
    return count;
  }

  closeWrite(): Promise<void> {
    if (this.closed) return Promise.reject(closedError());
    this.#outgoing.end();
    return Promise.resolve();
  }

  close(): void {
    if (this.closed) throw closedError();
    this.closed = true;
    this.#outgoing.end();
    this.#incoming.fail(closedError());
  }

  /** Breaks the connection: the peer reads what is on its way, and then an error. */
  reset(): void {
    const error = new Deno.errors.ConnectionReset("reset by the test");
    this.closed = true;
    this.#outgoing.fail(error);
    this.#incoming.fail(error);
  }

  /** Writes all of `data`. */
  async send(data: string | Uint8Array): Promise<void> {
    const bytes = typeof data === "string" ? new TextEncoder().encode(data) : data;
    for (let sent = 0; sent < bytes.length;) sent += await this.write(bytes.subarray(sent));
  }

  /** Reads one piece as text; `null` at the end. */
  async receive(): Promise<string | null> {
    const buffer = new Uint8Array(65536);
    const count = await this.read(buffer);
    return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
  }
}

/** Two ends that are connected. `capacity`: bytes that may wait in each direction. */
export function memoryPair(options: { capacity?: number } = {}): [MemoryConnection, MemoryConnection] {
  const { capacity = 16 * 1024 } = options;
  const there = new Pipe(capacity);
  const back = new Pipe(capacity);
  return [new MemoryConnection(back, there), new MemoryConnection(there, back)];
}

function closedError(): Error {
  return new Deno.errors.BadResource("the connection is closed");
}
