import * as asn1js from "asn1js";
import { CulvertError } from "../../core/errors.ts";

import { unreadable } from "./fields.ts";

/** The first octet of the elements that are looked for: class, form and number in one. ITU-T X.690 section 8.1. */
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

/**
 * No object identifier in use comes near to it, and the time to write one down grows with the square of its
 * length.
 */
const MAX_OID_LENGTH = 64;

/** Twice what the longest numbers in use (the moduli of RSA) have. */
const MAX_INTEGER_LENGTH = 2048;

/**
 * An element of a structure whose form is known. Unlike the library's objects it costs next to nothing, and what
 * nobody asks for is not read. Every method throws a {@linkcode CulvertError} of the code `bad_certificate` where
 * something else is there than was asked for.
 */
export class DerNode {
  readonly #walker: DerWalker;
  readonly #element: DerElement;

  private constructor(walker: DerWalker, element: DerElement) {
    this.#walker = walker;
    this.#element = element;
  }

  /** The one element that these bytes are. */
  static whole(bytes: Uint8Array): DerNode {
    const walker = new DerWalker(bytes);
    const element = walker.elementAt(0, bytes.length);
    if (element.end !== bytes.length) {
      throw unreadable("something follows an element that should be the last");
    }
    return new DerNode(walker, element);
  }

  /** Its first octet: see {@linkcode Tag}. */
  get tag(): number {
    return this.bytes[0]!;
  }

  /** All of it, tag and length too. Shares memory with the whole. */
  get bytes(): Uint8Array {
    return this.#walker.bytesOf(this.#element);
  }

  /** What is in an element of this tag. Shares memory with the whole. */
  content(tag: number): Uint8Array {
    this.#expect(tag);
    return this.#walker.contentOf(this.#element);
  }

  /** The elements that are in an element of this tag; more than `most` are an error. */
  children(tag: number, most = Infinity): DerNode[] {
    this.#expect(tag);
    const nodes: DerNode[] = [];
    for (const element of this.#walker.children(this.#element)) {
      if (nodes.length === most) throw unreadable("an element has too many parts");
      nodes.push(new DerNode(this.#walker, element));
    }
    return nodes;
  }

  /** The whole number, not negative, that it is; more than 2,048 octets are an error. */
  whole(): bigint {
    const octets = this.content(Tag.integer);
    const isRedundant = octets.length > 1 && octets[0] === 0 && octets[1]! < 0x80;
    if (octets.length === 0 || octets.length > MAX_INTEGER_LENGTH || octets[0]! >= 0x80 || isRedundant) {
      throw unreadable("a number is broken, negative or too long");
    }
    return BigInt(`0x${octets.toHex()}`);
  }

  /** The same for one that is not zero either. */
  positive(): bigint {
    const number = this.whole();
    if (number === 0n) throw unreadable("a number is zero");
    return number;
  }

  /** The object identifier that it is, its numbers with dots between them. */
  oid(): string {
    const octets = this.content(Tag.oid);
    const isWhole = octets.length > 0 && octets.length <= MAX_OID_LENGTH && octets.at(-1)! < 0x80;
    if (!isWhole) throw unreadable("an object identifier is broken");
    const numbers: bigint[] = [];
    let isFirst = true;
    let number = 0n;
    for (const octet of octets) {
      // Zeros in front: there would be several forms of the same.
      if (isFirst && octet === 0x80) throw unreadable("an object identifier is broken");
      isFirst = octet < 0x80;
      number = number << 7n | BigInt(octet & 0x7f);
      if (!isFirst) continue;
      numbers.push(number);
      number = 0n;
    }
    // The first two numbers are in one: X.690 section 8.19.4.
    const [pair, ...others] = numbers;
    const root = pair! < 80n ? pair! / 40n : 2n;
    return [root, pair! - root * 40n, ...others].join(".");
  }

  #expect(tag: number): void {
    if (this.tag !== tag) throw unreadable("it is not made as certificates are");
  }
}

/** One element: where it begins, what is in it, and where it ends, as places in the whole. */
export interface DerElement {
  readonly tagNumber: number;
  /** Whether the tag is one of ASN.1's own, not of the context's. */
  readonly isUniversal: boolean;
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

/**
 * Steps from element to element without making objects of what is in them. The library takes seconds and half
 * a gigabyte to make a tree of a CRL with 100,000 entries, and stops at 10,000 elements by itself; the tags
 * and lengths alone, read by the same library, take a tenth of a second.
 */
export class DerWalker {
  readonly #bytes: Uint8Array;
  readonly #block = new asn1js.BaseBlock();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /**
   * The element that begins at `start`.
   *
   * @throws {CulvertError} `bad_certificate` when it goes beyond `end`, or its length is not given as in DER.
   */
  elementAt(start: number, end: number): DerElement {
    const { idBlock, lenBlock } = this.#block;
    const afterId = idBlock.fromBER(this.#bytes, start, end - start);
    if (afterId === -1) throw broken();
    const contentStart = lenBlock.fromBER(this.#bytes, afterId, end - afterId);
    // It warns of lengths that are longer than need be, which DER does not allow.
    const isDer = contentStart !== -1 && !lenBlock.isIndefiniteForm && lenBlock.warnings.length === 0;
    if (!isDer) throw broken();
    const elementEnd = contentStart + lenBlock.length;
    if (elementEnd > end) throw broken();
    const { tagNumber, tagClass } = idBlock;
    return { tagNumber, isUniversal: tagClass === 1, start, contentStart, end: elementEnd };
  }

  /** The elements within `parent`, one after the other. Throws as {@linkcode elementAt} does. */
  *children(parent: DerElement): Generator<DerElement> {
    for (let at = parent.contentStart; at < parent.end;) {
      const element = this.elementAt(at, parent.end);
      yield element;
      at = element.end;
    }
  }

  /** The bytes of an element, its tag and length with them. Shares memory with the whole. */
  bytesOf(element: DerElement): Uint8Array {
    return this.#bytes.subarray(element.start, element.end);
  }

  /** The bytes within an element. Shares memory with the whole. */
  contentOf(element: DerElement): Uint8Array {
    return this.#bytes.subarray(element.contentStart, element.end);
  }
}

function broken(): CulvertError {
  return new CulvertError("bad_certificate", "Cannot read DER: an element is broken or cut off");
}
