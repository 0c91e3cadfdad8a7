import { concat } from "@std/bytes/concat";
import { BadAnswerError } from "./error.ts";

const LINE_FEED = 10;

/**
 * The lines of a UTF-8 stream, without line ends and empty lines. The bytes behind the last line feed are a line, too.
 * Ending the iteration early cancels the stream.
 *
 * @throws {BadAnswerError} if a line is longer than `maxBytes` or not UTF-8.
 */
export async function* readLines(
  stream: ReadableStream<Uint8Array>,
  maxBytes: number,
): AsyncGenerator<string, void, undefined> {
  const line = new Pieces(maxBytes);
  for await (const chunk of stream) {
    let from = 0;
    for (let end = chunk.indexOf(LINE_FEED); end >= 0; end = chunk.indexOf(LINE_FEED, from)) {
      line.add(chunk.subarray(from, end));
      from = end + 1;
      const text = line.take();
      if (text !== "") yield text;
    }
    line.add(chunk.subarray(from));
  }
  const text = line.take();
  if (text !== "") yield text;
}

/**
 * A whole UTF-8 stream as text.
 *
 * @throws {BadAnswerError} if it is longer than `maxBytes` or not UTF-8.
 */
export async function readText(stream: ReadableStream<Uint8Array>, maxBytes: number): Promise<string> {
  const text = new Pieces(maxBytes);
  for await (const chunk of stream) text.add(chunk);
  return text.take();
}

/** Collects chunks, and joins them once. */
class Pieces {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  add(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#length += piece.length;
    if (this.#length > this.#maxBytes) {
      throw new BadAnswerError(`the answer has more than ${this.#maxBytes} bytes in one piece`);
    }
    this.#pieces.push(piece);
  }

  /** The bytes as text; it is empty afterwards. */
  take(): string {
    const whole = this.#pieces.length === 1 ? this.#pieces[0]! : concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(whole);
    } catch {
      throw new BadAnswerError("the answer is not UTF-8");
    }
  }
}
