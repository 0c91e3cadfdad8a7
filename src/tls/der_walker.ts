import * as asn1js from "asn1js";
import { CulvertError } from "../core/errors.ts";

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
