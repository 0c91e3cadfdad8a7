import { CulvertError } from "../../core/errors.ts";
import { DerCursor } from "./der_cursor.ts";

/** The first octet of an element: class, form and number in one. ITU-T X.690 section 8.1. */
export const Tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  enumerated: 0x0a,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

/** Far above every identifier in use: the time to format one grows with the square of its length. */
const MAX_OID_OCTETS = 64;

/** Twice the length of the longest numbers in use, the moduli of RSA keys. */
const MAX_INTEGER_OCTETS = 2048;

/**
 * An element of DER (ITU-T X.690), a view on the bytes that were given. Elements below it are read when
 * {@linkcode DerNode.children} is called, and not before. Every method throws a {@linkcode CulvertError} of the code
 * `bad_certificate` where the element has another tag or form than the caller asks for.
 */
export class DerNode {
  /** The first octet: see {@linkcode Tag}. */
  readonly tag: number;
  readonly #input: Uint8Array;
  readonly #start: number;
  readonly #contentStart: number;
  readonly #end: number;

  private constructor({ bytes, tag, start, contentStart, end }: DerCursor) {
    this.tag = tag;
    this.#input = bytes;
    this.#start = start;
    this.#contentStart = contentStart;
    this.#end = end;
  }

  /** The element that takes up all of `bytes`. */
  static whole(bytes: Uint8Array): DerNode {
    const cursor = new DerCursor(bytes);
    cursor.read(0, bytes.length);
    if (cursor.end !== bytes.length) throw unreadable("unexpected bytes after the last element");
    return new DerNode(cursor);
  }

  /** The element with its tag and length. Shares memory with the input. */
  get bytes(): Uint8Array {
    return this.#input.subarray(this.#start, this.#end);
  }

  /** The content of an element of this tag. Shares memory with the input. */
  content(tag: number): Uint8Array {
    this.#expect(tag);
    return this.#input.subarray(this.#contentStart, this.#end);
  }

  /** The elements in an element of this tag; more than `most` are an error. */
  children(tag: number, most = Infinity): DerNode[] {
    this.#expect(tag);
    const nodes: DerNode[] = [];
    const cursor = new DerCursor(this.#input);
    for (let at = this.#contentStart; at < this.#end; at = cursor.end) {
      if (nodes.length === most) throw unreadable("an element has too many parts");
      cursor.read(at, this.#end);
      nodes.push(new DerNode(cursor));
    }
    return nodes;
  }

  /** The value of an INTEGER that is not negative; more than 2,048 octets are an error. */
  integer(): bigint {
    const octets = this.content(Tag.integer);
    const isRedundant = octets.length > 1 && octets[0] === 0 && octets[1]! < 0x80;
    if (octets.length === 0 || octets.length > MAX_INTEGER_OCTETS || octets[0]! >= 0x80 || isRedundant) {
      throw unreadable("a number is malformed, negative or too long");
    }
    return BigInt(`0x${octets.toHex()}`);
  }

  /** The value of an INTEGER above zero. */
  positive(): bigint {
    const number = this.integer();
    if (number === 0n) throw unreadable("a number is zero");
    return number;
  }

  /** The value of an OBJECT IDENTIFIER, its numbers separated by dots. */
  oid(): string {
    const octets = this.content(Tag.oid);
    const isComplete = octets.length > 0 && octets.length <= MAX_OID_OCTETS && octets.at(-1)! < 0x80;
    if (!isComplete) throw unreadable("an object identifier is malformed");
    const numbers: bigint[] = [];
    let isFirst = true;
    let number = 0n;
    for (const octet of octets) {
      // Leading zeros would give one identifier several encodings.
      if (isFirst && octet === 0x80) throw unreadable("an object identifier is malformed");
      isFirst = octet < 0x80;
      number = number << 7n | BigInt(octet & 0x7f);
      if (!isFirst) continue;
      numbers.push(number);
      number = 0n;
    }
    // The first two numbers are encoded as one: X.690 section 8.19.4.
    const [pair, ...others] = numbers;
    const root = pair! < 80n ? pair! / 40n : 2n;
    return [root, pair! - root * 40n, ...others].join(".");
  }

  #expect(tag: number): void {
    if (this.tag !== tag) throw unreadable("an element has an unexpected tag");
  }
}

/** The error for a certificate or a CRL that cannot be read. */
export function unreadable(why: string, what = "certificate"): CulvertError {
  return new CulvertError("bad_certificate", `Cannot read a ${what}: ${why}`);
}
