import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { type Connection, writeAll } from "../net/connection.ts";
import type { StreamOutput } from "./live/live_feed.ts";
import type { RequestReader } from "./request_reader.ts";

/** What a {@linkcode StreamResponse} works with. */
export interface StreamResponseParts {
  readonly connection: Connection;
  readonly reader: RequestReader;
  readonly wheel: TimerWheel;
  /** For a client to receive what is sent, in milliseconds. */
  readonly sendMs: number;
}

/**
 * The body of a response that ends with its connection, such as server-sent events. Ends when the client leaves, does not
 * read within `sendMs`, or {@linkcode StreamResponse.end} is called. What the client sends meanwhile is ignored.
 */
export class StreamResponse implements StreamOutput {
  readonly #parts: StreamResponseParts;
  readonly #ended = new AbortController();

  constructor(parts: StreamResponseParts) {
    this.#parts = parts;
  }

  /** As of {@linkcode StreamOutput}. */
  get signal(): AbortSignal {
    return this.#ended.signal;
  }

  /** Has `serve` write the body. Resolves when it is done; the caller closes the connection then. */
  async run(serve: (out: StreamOutput) => Promise<void>): Promise<void> {
    const left = this.#parts.reader.discard(Infinity);
    left.then(() => this.end(), () => this.end());
    await serve(this);
    this.end();
  }

  /** Ends it now. */
  end(): void {
    this.#ended.abort();
  }

  /** As of {@linkcode StreamOutput}. One at a time. */
  async send(bytes: Uint8Array): Promise<void> {
    const { connection, wheel, sendMs } = this.#parts;
    const timer = new WheelTimer(() => {
      this.end();
      return 0;
    });
    wheel.start(timer, sendMs);
    try {
      await writeAll(connection, bytes);
    } finally {
      wheel.stop(timer);
    }
  }
}
