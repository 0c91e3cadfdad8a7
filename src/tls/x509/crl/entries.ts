import { randomBytes } from "node:crypto";
import type { Steps } from "../../../core/slices.ts";
import { DerCursor } from "../der_cursor.ts";
import { Tag, unreadable } from "../der.ts";
import { type Octets, significantStart } from "../serial_number.ts";

/** So many entries are read between two places where the work may pause. */
const ENTRIES_PER_STEP = 1000;
/** Places of the hash table for each entry: with a third of them free, a search ends after two on average. */
const PLACES_PER_ENTRY = 1.5;

/** The last octets of the extensions that are understood in an entry: reasonCode and invalidityDate. */
const KNOWN_EXTENSIONS: readonly number[] = [21, 24];
const CERTIFICATE_ISSUER = 29;
/** The first octets of all of them: 2.5.29. */
const CE_ARC: readonly number[] = [0x55, 0x1d];

/** A subject that has certificates issued must not be able to predict the hash of a serial number. */
const SEED = randomBytes(4).readInt32LE();

/**
 * The entries of a CRL (RFC 5280 section 5.1.2.6): their DER, and a hash table of where each begins. An entry costs
 * its DER and six bytes. Immutable.
 */
export class CrlEntries {
  /** How many there are. */
  readonly size: number;
  readonly #cursor: DerCursor;
  /** Where an entry begins, plus one; 0: the place is free. Collisions go to the next place. */
  readonly #table: Uint32Array;

  private constructor(content: Uint8Array, size: number) {
    this.size = size;
    this.#cursor = new DerCursor(content);
    this.#table = new Uint32Array(Math.ceil(size * PLACES_PER_ENTRY) + 1);
  }

  /**
   * Reads what is in the list of entries.
   *
   * @throws {CulvertError} `bad_certificate` when an entry can't be read, or says something that is not understood.
   */
  static *read(content: Uint8Array): Steps<CrlEntries> {
    const entries = new CrlEntries(content, yield* countEntries(content));
    yield* entries.#fill();
    return entries;
  }

  /** The DER of the entry of a serial number, given as the content of an INTEGER. O(1). */
  find(serial: Uint8Array): Uint8Array | undefined {
    const wanted = significant({ bytes: serial, start: 0, end: serial.length });
    const entry = this.#table[this.#placeOf(wanted)]!;
    if (entry === 0) return undefined;
    const { bytes } = this.#cursor;
    this.#cursor.read(entry - 1, bytes.length);
    return bytes.subarray(entry - 1, this.#cursor.end);
  }

  *#fill(): Steps<void> {
    const { bytes } = this.#cursor;
    const cursor = new DerCursor(bytes);
    for (let at = 0, count = 0; at < bytes.length; count++) {
      if (count % ENTRIES_PER_STEP === 0) yield;
      cursor.read(at, bytes.length);
      const { end } = cursor;
      cursor.read(cursor.contentStart, end);
      const place = this.#placeOf(significant({ bytes, start: cursor.contentStart, end: cursor.end }));
      // Of two entries of one number the first counts: neither can take back that it was revoked.
      if (this.#table[place] === 0) this.#table[place] = at + 1;
      at = end;
    }
  }

  /** The place of the entry of this serial number, or the free one where it would be. */
  #placeOf(serial: Octets): number {
    const table = this.#table;
    let place = hashOf(serial) % table.length;
    while (table[place] !== 0 && !this.#isAt(table[place]! - 1, serial)) {
      place = place + 1 === table.length ? 0 : place + 1;
    }
    return place;
  }

  /** Whether the entry that begins at `entry` has this serial number. */
  #isAt(entry: number, { bytes, start, end }: Octets): boolean {
    const cursor = this.#cursor;
    const own = cursor.bytes;
    cursor.read(entry, own.length);
    cursor.read(cursor.contentStart, cursor.end);
    const ownStart = significantStart({ bytes: own, start: cursor.contentStart, end: cursor.end });
    if (cursor.end - ownStart !== end - start) return false;
    for (let i = 0; i < end - start; i++) if (own[ownStart + i] !== bytes[start + i]) return false;
    return true;
  }
}

function significant(serial: Octets): Octets {
  return { ...serial, start: significantStart(serial) };
}

/** FNV-1a with a seed, and the last step of MurmurHash3, so that the remainder depends on all bits. */
function hashOf({ bytes, start, end }: Octets): number {
  let hash = SEED;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** Checks the form of every entry. */
function* countEntries(content: Uint8Array): Steps<number> {
  const cursor = new DerCursor(content);
  let count = 0;
  for (let at = 0; at < content.length; count++) {
    if (count % ENTRIES_PER_STEP === 0) yield;
    cursor.read(at, content.length);
    cursor.mustBe(Tag.sequence);
    at = cursor.end;
    checkEntry(cursor);
  }
  return count;
}

function checkEntry(cursor: DerCursor): void {
  const { end } = cursor;
  cursor.read(cursor.contentStart, end);
  cursor.mustBe(Tag.integer);
  if (cursor.end === cursor.contentStart) throw unreadable("an entry has no serial number", "CRL");
  if (cursor.end === end) throw unreadable("an entry has no date", "CRL");
  cursor.read(cursor.end, end);
  if (cursor.tag !== Tag.utcTime && cursor.tag !== Tag.generalizedTime) {
    throw unreadable("an entry has no date", "CRL");
  }
  if (cursor.end < end) checkExtensions(cursor, end);
}

/** RFC 5280 section 5.3: a list with a critical entry extension that is not understood must not be relied on. */
function checkExtensions(cursor: DerCursor, limit: number): void {
  cursor.read(cursor.end, limit);
  cursor.mustBe(Tag.sequence);
  if (cursor.end !== limit) throw unreadable("an entry has an unexpected field", "CRL");
  for (let at = cursor.contentStart; at < limit;) {
    cursor.read(at, limit);
    cursor.mustBe(Tag.sequence);
    at = cursor.end;
    checkExtension(cursor);
  }
}

function checkExtension(cursor: DerCursor): void {
  const { bytes, end } = cursor;
  cursor.read(cursor.contentStart, end);
  cursor.mustBe(Tag.oid);
  const last = lastOfArc({ bytes, start: cursor.contentStart, end: cursor.end });
  if (last === CERTIFICATE_ISSUER) {
    throw unreadable("it names certificates of other issuers (indirect CRL), which is not supported", "CRL");
  }
  cursor.read(cursor.end, end);
  const isCritical = cursor.tag === Tag.boolean && bytes[cursor.contentStart] !== 0;
  if (isCritical && !KNOWN_EXTENSIONS.includes(last)) {
    throw unreadable("an extension of an entry is critical and not known", "CRL");
  }
}

/** The last number of an identifier below 2.5.29; -1 for any other. */
function lastOfArc({ bytes, start, end }: Octets): number {
  const isInArc = end - start === 3 && bytes[start] === CE_ARC[0] && bytes[start + 1] === CE_ARC[1];
  return isInArc ? bytes[start + 2]! : -1;
}
