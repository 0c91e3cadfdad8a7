import { CulvertError } from "../../core/errors.ts";

/** The bits of a tag that hold its number; all ones announce a number in the octets that follow. */
const NUMBER_BITS = 0x1f;
/** Lengths of more octets than this do not fit into an array. */
const MAX_LENGTH_OCTETS = 4;

/**
 * Reads tags and lengths of DER (ITU-T X.690 sections 8.1 and 10.1) one after the other, without making an object for
 * each element: a CRL can have a million. The fields describe the element that was read last; places count from the
 * start of the bytes.
 */
export class DerCursor {
  readonly bytes: Uint8Array;
  /** The first octet of the element: class, form and number in one. */
  tag = 0;
  start = 0;
  contentStart = 0;
  end = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /**
   * Reads the element that begins at `start` and ends at `limit` or before.
   *
   * @throws {CulvertError} `bad_certificate` when it goes beyond `limit`, or its length is not encoded as DER demands.
   */
  read(start: number, limit: number): void {
    const { bytes } = this;
    if (start + 2 > limit) throw broken();
    const tag = bytes[start]!;
    if ((tag & NUMBER_BITS) === NUMBER_BITS) throw broken();
    let length = bytes[start + 1]!;
    let at = start + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > MAX_LENGTH_OCTETS || at + octets > limit || bytes[at] === 0) {
        throw broken();
      }
      length = 0;
      for (const end = at + octets; at < end; at++) length = length * 256 + bytes[at]!;
      if (length < 0x80) throw broken();
    }
    if (at + length > limit) throw broken();
    this.tag = tag;
    this.start = start;
    this.contentStart = at;
    this.end = at + length;
  }

  /** Throws as {@linkcode read} does, unless the element has this tag. */
  mustBe(tag: number): void {
    if (this.tag !== tag) throw broken();
  }
}

function broken(): CulvertError {
  return new CulvertError("bad_certificate", "Cannot read DER: an element is broken or cut off");
}
