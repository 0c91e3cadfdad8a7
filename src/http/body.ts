import type { BodyKind } from "./body_framing.ts";
import { ChunkedBody, type ChunkedBodyOptions } from "./chunked_body.ts";
import type { FieldTable } from "./field_table.ts";
import { bodyTooLarge } from "./http_error.ts";
import type { InputBuffer } from "./input_buffer.ts";

/** Options of a {@linkcode BodyReader}. */
export type BodyReaderOptions = ChunkedBodyOptions;

/** What the head says of the body: a head itself will do. */
export interface BodyFraming {
  /** How the end of the body is marked. */
  readonly bodyKind: BodyKind;
  /** The length, if it is known. */
  readonly contentLength: number;
}

/**
 * Finds the end of the bodies of messages, one after the other, and counts their bytes without holding any. After each
 * {@linkcode BodyReader.read}, the bytes of the input between `passStart` and `passEnd` can be passed on.
 */
export class BodyReader {
  readonly #options: BodyReaderOptions;
  readonly #maxBytes: number;
  #chunked: ChunkedBody | undefined;
  #kind: BodyKind = "none";
  /** Bytes that are still to come, of a body whose length is known. */
  #left = 0;
  #received = 0;
  #ended = false;
  #passStart = 0;
  #passEnd = 0;

  /** Reads nothing yet. The bounds of a head are those of trailer fields. */
  constructor(options: BodyReaderOptions) {
    this.#options = options;
    this.#maxBytes = options.bodySize || Infinity;
  }

  /**
   * Expects the body of a message with this head. With `decode`, chunks are taken apart, and what can be passed on is
   * the data alone; else their framing stays as it is.
   *
   * @throws {HttpError} 413 for a length over the bound.
   */
  begin({ bodyKind, contentLength }: BodyFraming, { decode = false }: { decode?: boolean } = {}): void {
    this.#kind = bodyKind;
    this.#left = bodyKind === "length" ? contentLength : 0;
    this.#received = 0;
    this.#ended = false;
    this.#passStart = this.#passEnd = 0;
    if (bodyKind === "chunked") (this.#chunked ??= new ChunkedBody(this.#options)).begin(decode);
    if (this.#left > this.#maxBytes) throw bodyTooLarge(this.#maxBytes);
  }

  /** Where what can be passed on begins. */
  get passStart(): number {
    return this.#kind === "chunked" ? this.#chunked!.passStart : this.#passStart;
  }

  /** Behind what can be passed on. With `decode`, it holds when `read` has thrown, too. */
  get passEnd(): number {
    return this.#kind === "chunked" ? this.#chunked!.passEnd : this.#passEnd;
  }

  /** How many bytes of data have come, without the framing of chunks; of a chunk, its size counts as soon as it is read. */
  get received(): number {
    return this.#kind === "chunked" ? this.#chunked!.received : this.#received;
  }

  /** Whether the body is complete. */
  get done(): boolean {
    if (this.#kind === "chunked") return this.#chunked!.done;
    return this.#kind === "until-close" ? this.#ended : this.#left === 0;
  }

  /** Whether the last chunk has to be written behind what was passed on; see `writeLastChunk`. */
  get needsEnd(): boolean {
    return this.#kind === "chunked" && this.#chunked!.needsEnd;
  }

  /** The trailer fields, when the body is complete; those that must not be passed on are marked. */
  get trailers(): FieldTable | undefined {
    return this.#kind === "chunked" ? this.#chunked!.trailers : undefined;
  }

  /**
   * Reads on, and takes from `input` what belongs to the body. What can be passed on is to be used before `input` is
   * given more room.
   *
   * @returns whether the body is complete. What is left in `input` belongs to the next message then.
   * @throws {HttpError} for chunks or trailer fields outside the grammar, and when a bound is reached.
   */
  read(input: InputBuffer): boolean {
    if (this.#kind === "chunked") return this.#chunked!.read(input);
    const count = this.#kind === "until-close" ? input.length : Math.min(this.#left, input.length);
    this.#passStart = input.start;
    this.#passEnd = input.start += count;
    this.#received += count;
    if (this.#kind === "length") this.#left -= count;
    return this.done;
  }

  /**
   * The connection has ended.
   *
   * @returns whether the body is complete with that; false for one that is cut short.
   */
  end(): boolean {
    this.#ended = true;
    return this.done;
  }
}
