import { latin1 } from "../core/latin1.ts";
import { fieldId, KNOWN_NAMES, type KnownName } from "./known_fields.ts";
import { copyBytes, CR, isBlank, LF, LOWER, SP } from "./octets.ts";

/** What is kept of a field: offsets from the start of the head, the number of its name, and marks. */
const STRIDE = 6;
const NAME_START = 0;
const NAME_END = 1;
const VALUE_START = 2;
const VALUE_END = 3;
const ID = 4;
const MARKS = 5;

/** The field is not passed on. */
const DROPPED = 1;
/** Other white space than one space before the value. It is passed on with one. */
const UNUSUAL_SPACE = 2;

const FIRST_FIELDS = 16;
const NO_BYTES = new Uint8Array();

/**
 * The fields of a head or of a trailer section, as offsets into the bytes that they were read from. One object serves
 * any number of messages, one after the other, and allocates nothing for a field.
 *
 * What it tells is valid until the bytes are moved or overwritten. The parser fills it; who forwards the message marks
 * what is not to be passed on, and copies the rest.
 */
export class FieldTable {
  /** How many fields there are. */
  count = 0;
  /** What positions count in. */
  bytes: Uint8Array = NO_BYTES;
  /** Where the head begins in `bytes`. */
  base = 0;
  #rows = new Int32Array(FIRST_FIELDS * STRIDE);
  /** Where the line of the last field ends, from the start of the head. */
  #end = 0;
  /** By number of a known name: one more than the index of its first field, or 0. */
  readonly #firstOf = new Uint16Array(KNOWN_NAMES.length);

  /** Where the line of a field begins in `bytes`, with its name. */
  lineStart(index: number): number {
    return this.base + this.#rows[index * STRIDE + NAME_START]!;
  }

  /** Behind the line of a field and its CRLF. */
  lineEnd(index: number): number {
    return this.base + (index + 1 < this.count ? this.#rows[(index + 1) * STRIDE + NAME_START]! : this.#end);
  }

  /** Behind the name of a field, at its colon. */
  nameEnd(index: number): number {
    return this.base + this.#rows[index * STRIDE + NAME_END]!;
  }

  /** Where the value of a field begins in `bytes`, without the white space around it. */
  valueStart(index: number): number {
    return this.base + this.#rows[index * STRIDE + VALUE_START]!;
  }

  /** Behind the value of a field, without the white space around it. */
  valueEnd(index: number): number {
    return this.base + this.#rows[index * STRIDE + VALUE_END]!;
  }

  /**
   * The number of the field's name in {@linkcode KNOWN_NAMES}, 0 if it is not there; negative if it would be there
   * with hyphens for underscores.
   */
  id(index: number): number {
    return this.#rows[index * STRIDE + ID]!;
  }

  /** Whether the field is not passed on. */
  isDropped(index: number): boolean {
    return (this.#rows[index * STRIDE + MARKS]! & DROPPED) !== 0;
  }

  /** The field is not passed on. */
  drop(index: number): void {
    this.#rows[index * STRIDE + MARKS]! |= DROPPED;
  }

  /** None of the fields of this known name is passed on. */
  dropAll(id: number): void {
    for (let i = this.indexOf(id); i !== -1; i = this.indexOf(id, i + 1)) this.drop(i);
  }

  /** The first field of this known name, from the index `from` on; -1 if there is none. */
  indexOf(id: number, from = 0): number {
    const first = this.#firstOf[id]! - 1;
    if (first === -1 || first >= from) return first;
    for (let i = from; i < this.count; i++) if (this.id(i) === id) return i;
    return -1;
  }

  /** Whether there is more than one field of this known name. */
  isRepeated(id: number): boolean {
    const first = this.indexOf(id);
    return first !== -1 && this.indexOf(id, first + 1) !== -1;
  }

  /** The name of a field, in lower case. */
  name(index: number): string {
    const id = this.id(index);
    if (id > 0) return KNOWN_NAMES[id]!;
    return latin1(this.bytes, this.lineStart(index), this.nameEnd(index)).toLowerCase();
  }

  /** The value of a field, without the white space around it. Each character stands for a byte. */
  value(index: number): string {
    return latin1(this.bytes, this.valueStart(index), this.valueEnd(index));
  }

  /** The values of all fields of this name, joined by `, ` (RFC 9110 section 5.3); undefined without any. */
  joined(name: KnownName): string | undefined {
    const id = fieldId(name);
    let text: string | undefined;
    for (let i = this.indexOf(id); i !== -1; i = this.indexOf(id, i + 1)) {
      text = text === undefined ? this.value(i) : `${text}, ${this.value(i)}`;
    }
    return text;
  }

  /** Whether the value of a field is this, without regard to case. `lower` is ASCII in lower case. */
  valueIs(index: number, lower: string): boolean {
    const start = this.valueStart(index);
    if (this.valueEnd(index) - start !== lower.length) return false;
    for (let i = 0; i < lower.length; i++) {
      if (LOWER[this.bytes[start + i]!] !== lower.charCodeAt(i)) return false;
    }
    return true;
  }

  /** How many bytes {@linkcode FieldTable.copyKept} writes at most. */
  get maxCopyBytes(): number {
    if (this.count === 0) return 0;
    // A line without white space before its value gets a space.
    return this.lineEnd(this.count - 1) - this.lineStart(0) + this.count;
  }

  /**
   * Copies the lines of all fields that are passed on to `target` from `at` on, runs of them at once. Only white space
   * around a value is made one space in front of it.
   *
   * @returns the position behind the last byte written.
   */
  copyKept(target: Uint8Array, at: number): number {
    const { bytes, count } = this;
    for (let i = 0; i < count;) {
      const marks = this.#rows[i * STRIDE + MARKS]!;
      let next = i + 1;
      if (marks === 0) {
        while (next < count && this.#rows[next * STRIDE + MARKS] === 0) next++;
        at = copyBytes(bytes, { start: this.lineStart(i), end: this.lineEnd(next - 1), target, at });
      } else if ((marks & DROPPED) === 0) at = this.#copyTidied(i, { target, at });
      i = next;
    }
    return at;
  }

  /** For the parser: forgets the last message. */
  clear(): void {
    this.count = 0;
    this.#firstOf.fill(0);
  }

  /** For the parser: a field begins, `at` bytes behind the start of the head. */
  startField(at: number): void {
    const row = this.count * STRIDE;
    if (row === this.#rows.length) {
      const larger = new Int32Array(2 * row);
      larger.set(this.#rows);
      this.#rows = larger;
    }
    this.#rows[row + NAME_START] = at;
  }

  /** For the parser: where the name of the field under way begins, from the start of the head. */
  get openName(): number {
    return this.#rows[this.count * STRIDE + NAME_START]!;
  }

  /** For the parser: its name ends, `at` bytes behind the start of the head. */
  endName(at: number, id: number): void {
    this.#rows[this.count * STRIDE + NAME_END] = at;
    this.#rows[this.count * STRIDE + ID] = id;
  }

  /** For the parser: its value begins, `at` bytes behind the start of the head. */
  startValue(at: number): void {
    this.#rows[this.count * STRIDE + VALUE_START] = at;
  }

  /** For the parser: its line ends with the CRLF that begins `at` bytes behind the start of the head. */
  endField(at: number): void {
    const row = this.count * STRIDE;
    const start = this.#rows[row + VALUE_START]!;
    let end = at;
    while (end > start && isBlank(this.bytes[this.base + end - 1])) end--;
    const usual = end === at && start === this.#rows[row + NAME_END]! + 2 &&
      this.bytes[this.base + start - 1] === SP;
    this.#rows[row + VALUE_END] = end;
    this.#rows[row + MARKS] = usual ? 0 : UNUSUAL_SPACE;
    this.#end = at + 2;
    this.count++;
    const id = this.#rows[row + ID]!;
    if (id > 0 && this.#firstOf[id] === 0) this.#firstOf[id] = this.count;
  }

  #copyTidied(index: number, { target, at }: { target: Uint8Array; at: number }): number {
    const { bytes } = this;
    at = copyBytes(bytes, { start: this.lineStart(index), end: this.nameEnd(index) + 1, target, at });
    target[at++] = SP;
    at = copyBytes(bytes, { start: this.valueStart(index), end: this.valueEnd(index), target, at });
    target[at++] = CR;
    target[at++] = LF;
    return at;
  }
}
