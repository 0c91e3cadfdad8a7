import { type BodyFraming, BodyReader, type BodyReaderOptions } from "./body.ts";
import type { InputBuffer } from "./input_buffer.ts";
import { listFields, type ParserEvents } from "./parser_events.ts";

/** For the parsers: reads bodies, and tells of them by events. */
export class MessageBody {
  readonly #reader: BodyReader;
  readonly #events: ParserEvents<never>;

  /** Reads nothing yet. */
  constructor(events: ParserEvents<never>, options: BodyReaderOptions) {
    this.#events = events;
    this.#reader = new BodyReader(options);
  }

  /** Expects the body of a message with this head. */
  begin(head: BodyFraming): void {
    this.#reader.begin(head, { decode: true });
  }

  /** Reads on, and returns whether the body is complete. */
  read(input: InputBuffer): boolean {
    const reader = this.#reader;
    let done = false;
    try {
      done = reader.read(input);
    } finally {
      // In other pieces, data in front of a fault would have been told before it.
      if (reader.passEnd > reader.passStart) {
        this.#events.onData?.(input.bytes.slice(reader.passStart, reader.passEnd));
      }
    }
    if (done) this.#tellEnd();
    return done;
  }

  /** The connection has ended. Returns whether the body is complete with that. */
  end(): boolean {
    const done = this.#reader.end();
    if (done) this.#tellEnd();
    return done;
  }

  #tellEnd(): void {
    this.#events.onEnd?.(listFields(this.#reader.trailers, { kept: true }));
  }
}

/** How much is looked at at a time: it bounds what a parser holds. */
const PIECE_BYTES = 16 * 1024;

/** The bytes in pieces. */
export function* piecesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) yield bytes.subarray(at, at + PIECE_BYTES);
}
