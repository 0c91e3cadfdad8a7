import { LastView } from "../core/last_view.ts";
import type { FieldTable } from "./field_table.ts";
import { copyBytes, CR, LF, SP, VALUE } from "./octets.ts";

const QUESTION = 0x3f;
const COLON = 0x3a;
const FIRST_BYTES = 1024;

/**
 * A head that is about to be sent, in one array that grows: ranges of the bytes that were received, text, and fields.
 * One writer serves any number of heads, one after the other.
 */
export class HeadWriter {
  /** The head is in its first {@linkcode HeadWriter.length} bytes. Another array after it has grown. */
  bytes: Uint8Array = new Uint8Array(FIRST_BYTES);
  /** How many bytes have been written. */
  length = 0;
  readonly #view = new LastView();

  /** What was written. Valid until more is written. */
  get written(): Uint8Array {
    return this.#view.take(this.bytes, 0, this.length);
  }

  /** Forgets what was written. */
  begin(): void {
    this.length = 0;
  }

  /** Appends bytes as they stand. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }

  /** Appends the bytes from `start` to before `end`. */
  range(bytes: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.length = copyBytes(bytes, { start, end, target: this.bytes, at: this.length });
  }

  /** Appends text, one byte for each character. What could not stand in a line becomes a question mark. */
  text(text: string): void {
    this.#reserve(text.length);
    let at = this.length;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      this.bytes[at++] = VALUE[code] === 1 ? code : QUESTION;
    }
    this.length = at;
  }

  /** Appends a field. */
  field(name: string, value: string): void {
    this.text(name);
    this.#reserve(2);
    this.bytes[this.length++] = COLON;
    this.bytes[this.length++] = SP;
    this.text(value);
    this.endLine();
  }

  /** Appends the fields that are passed on. */
  kept(fields: FieldTable): void {
    this.#reserve(fields.maxCopyBytes);
    this.length = fields.copyKept(this.bytes, this.length);
  }

  /** Ends a line; twice, the head. */
  endLine(): void {
    this.#reserve(2);
    this.bytes[this.length++] = CR;
    this.bytes[this.length++] = LF;
  }

  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.max(needed, 2 * this.bytes.length));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
