import * as pkijs from "pkijs";
import { CulvertError } from "../core/errors.ts";
import type { SignedPart } from "./certificate.ts";
import { nameKey } from "./comparable_name.ts";
import { type DerElement, DerWalker } from "./der_walker.ts";
import { attributesOf, formatAttributes } from "./distinguished_name.ts";
import { formatSerial, timeOf, unreadable } from "./fields.ts";
import { Oid, REVOCATION_REASONS } from "./oids.ts";
import { readPem } from "./pem.ts";

/** A list of what one issuer has revoked. Its signature has not been checked yet. Immutable. */
export interface Crl {
  /** The issuer's name in the form in which names are compared: {@linkcode nameKey}. */
  readonly issuer: string;
  /** The issuer's name for people to read. */
  readonly issuerName: string;
  /** What is signed, and the signature. */
  readonly signed: SignedPart;
  /** From when on it holds, in milliseconds. */
  readonly thisUpdateMs: number;
  /** From then on it says nothing any more. */
  readonly nextUpdateMs: number;
  /** How many it names. */
  readonly size: number;
  /** What it says of a serial number (as {@linkcode PeerIdentity} has it), or `undefined`. O(1). */
  find(serial: string): CrlEntry | undefined;
}

/** What a CRL says of a certificate that was revoked. */
export interface CrlEntry {
  /** When it was revoked. */
  readonly at: Date;
  /** Such as `keyCompromise`; `unspecified` where nothing is said. */
  readonly reason: string;
}

const CRL_LABELS: ReadonlySet<string> = new Set(["X509 CRL", "CRL"]);
const PEM_START = "-----BEGIN ";
/**
 * How many kinds of extensions of entries are remembered while one CRL is read: there are few, repeated
 * often.
 */
const MAX_KNOWN_EXTENSIONS = 1000;

const INTEGER = 2;
const BIT_STRING = 3;
const SEQUENCE = 16;
const UTC_TIME = 23;
const GENERALIZED_TIME = 24;

const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([Oid.crlNumber, Oid.authorityKeyIdentifier]);
/**
 * These change what a list covers, and are refused even where they are not marked as critical, as they must
 * be.
 */
const NARROWING_EXTENSIONS: ReadonlyMap<string, string> = new Map([
  ["2.5.29.27", "it is a delta CRL, which is not supported"],
  [
    "2.5.29.28",
    "it covers a part of what its issuer has issued (issuingDistributionPoint), which is not supported",
  ],
  ["2.5.29.29", "it names certificates of other issuers, which is not supported"],
]);
const KNOWN_ENTRY_EXTENSIONS: ReadonlySet<string> = new Set([Oid.crlReason, Oid.invalidityDate]);

/**
 * Reads CRLs, RFC 5280 section 5: a PEM text with one or several, or the DER of one.
 *
 * @throws {CulvertError} `bad_certificate` when there is none, one can't be read or does not say when the
 * next one is due, or says what is not understood here: delta CRLs, indirect CRLs, those of a distribution
 * point, and critical extensions that are not known.
 */
export function parseCrls(content: string | Uint8Array): Crl[] {
  const text = typeof content === "string" ? content : asPem(content);
  if (text === undefined) return [readCrl(new Uint8Array(content as Uint8Array))];
  const blocks = readPem(text).filter(({ label }) => CRL_LABELS.has(label));
  if (blocks.length === 0) throw unreadable("there is none", "CRL");
  return blocks.map(({ der }) => readCrl(der));
}

/** The text, if these are the bytes of one with PEM in it. */
function asPem(bytes: Uint8Array): string | undefined {
  // A CRL in DER begins with a byte that no text does.
  if (bytes[0] === 0x30 && (bytes[1] ?? 0) >= 0x80) return undefined;
  const text = new TextDecoder().decode(bytes);
  return text.includes(PEM_START) ? text : undefined;
}

function readCrl(der: Uint8Array<ArrayBuffer>): Crl {
  try {
    return convert(der);
  } catch (cause) {
    if (cause instanceof CulvertError && cause.message.startsWith("Cannot read a CRL")) throw cause;
    throw new CulvertError("bad_certificate", "Cannot read a CRL: not a CRL in DER", { cause });
  }
}

function convert(der: Uint8Array<ArrayBuffer>): Crl {
  const walker = new DerWalker(der);
  const whole = walker.elementAt(0, der.length);
  if (whole.end !== der.length) throw unreadable("something follows it", "CRL");
  const [tbs, algorithm, signature] = [...walker.children(whole)];
  expectTags([[whole, SEQUENCE], [tbs, SEQUENCE], [algorithm, SEQUENCE], [signature, BIT_STRING]]);
  const fields = fieldsOf(walker, tbs!);
  const outer = walker.bytesOf(algorithm!);
  if (outer.toHex() !== walker.bytesOf(fields.algorithm).toHex()) {
    throw unreadable("it names two signature algorithms", "CRL");
  }
  const issuer = walker.bytesOf(fields.issuer);
  checkExtensions(extensionsIn(walker, fields.extensions), KNOWN_EXTENSIONS);
  const places = fields.revoked === undefined ? new Map<string, number>() : placesOf(walker, fields.revoked);
  return {
    issuer: nameKey(issuer),
    issuerName: formatAttributes(attributesOf(issuer)),
    signed: {
      bytes: walker.bytesOf(tbs!),
      algorithm: pkijs.AlgorithmIdentifier.fromBER(copy(outer)),
      // The first octet says how many bits at the end do not count; a signature is made of whole octets.
      signature: walker.contentOf(signature!).subarray(1),
    },
    thisUpdateMs: timeIn(walker, fields.thisUpdate),
    nextUpdateMs: timeIn(walker, fields.nextUpdate),
    size: places.size,
    find(serial) {
      const place = places.get(serial);
      return place === undefined ? undefined : entryAt(walker, walker.elementAt(place, der.length));
    },
  };
}

/** The fields of a TBSCertList in their order, of which some need not be there. */
function fieldsOf(walker: DerWalker, tbs: DerElement) {
  const left = [...walker.children(tbs)];
  if (left[0]?.tagNumber === INTEGER) left.shift();
  const [algorithm, issuer, thisUpdate] = left.splice(0, 3);
  expectTags([[algorithm, SEQUENCE], [issuer, SEQUENCE]]);
  const nextUpdate = isTime(left[0]) ? left.shift() : undefined;
  // RFC 5280 section 5.1.2.5. One without would never expire, however old a copy of it somebody put in our
  // way.
  if (!isTime(thisUpdate) || nextUpdate === undefined) {
    throw unreadable("it does not say when the next one is due", "CRL");
  }
  const revoked = left[0]?.isUniversal === true && left[0].tagNumber === SEQUENCE ? left.shift() : undefined;
  const extensions = left[0]?.isUniversal === false && left[0].tagNumber === 0 ? left.shift() : undefined;
  if (left.length > 0) throw unreadable("it has a field too many", "CRL");
  return { algorithm: algorithm!, issuer: issuer!, thisUpdate: thisUpdate!, nextUpdate, revoked, extensions };
}

/** Where the entry of each serial number begins. */
function placesOf(walker: DerWalker, revoked: DerElement): Map<string, number> {
  const places = new Map<string, number>();
  const known = new Set<string>();
  for (const entry of walker.children(revoked)) {
    const [serial, date, extensions] = [...walker.children(entry)];
    expectTags([[entry, SEQUENCE], [serial, INTEGER]]);
    if (!isTime(date)) throw unreadable("an entry has no date", "CRL");
    if (extensions !== undefined) checkEntryExtensions(walker.bytesOf(extensions), known);
    places.set(formatSerial(walker.contentOf(serial!)), entry.start);
  }
  return places;
}

function checkEntryExtensions(bytes: Uint8Array, known: Set<string>): void {
  const key = bytes.toHex();
  if (known.has(key)) return;
  checkExtensions(pkijs.Extensions.fromBER(copy(bytes)).extensions, KNOWN_ENTRY_EXTENSIONS);
  if (known.size < MAX_KNOWN_EXTENSIONS) known.add(key);
}

/** RFC 5280 section 5.2: a list with a critical extension that is not understood must not be relied on. */
function checkExtensions(extensions: readonly pkijs.Extension[], known: ReadonlySet<string>): void {
  for (const { extnID, critical } of extensions) {
    const narrowing = NARROWING_EXTENSIONS.get(extnID);
    if (narrowing !== undefined) throw unreadable(narrowing, "CRL");
    if (critical && !known.has(extnID)) {
      throw unreadable(`its extension ${extnID} is critical and not known`, "CRL");
    }
  }
}

function extensionsIn(walker: DerWalker, wrapper: DerElement | undefined): readonly pkijs.Extension[] {
  if (wrapper === undefined) return [];
  return pkijs.Extensions.fromBER(copy(walker.contentOf(wrapper))).extensions;
}

/** What an entry says. One that can't be read revokes all the same. */
function entryAt(walker: DerWalker, element: DerElement): CrlEntry {
  try {
    const entry = pkijs.RevokedCertificate.fromBER(copy(walker.bytesOf(element)));
    const reason = entry.crlEntryExtensions?.extensions.find(({ extnID }) => extnID === Oid.crlReason);
    const value = reason?.parsedValue as { valueBlock?: { valueDec?: number } } | undefined;
    const code = value?.valueBlock?.valueDec ?? 0;
    return { at: entry.revocationDate.value, reason: REVOCATION_REASONS[code] || REVOCATION_REASONS[0] };
  } catch {
    return { at: new Date(0), reason: REVOCATION_REASONS[0] };
  }
}

function timeIn(walker: DerWalker, element: DerElement): number {
  return timeOf(pkijs.Time.fromBER(copy(walker.bytesOf(element))));
}

function isTime(element: DerElement | undefined): boolean {
  const tag = element?.isUniversal === true ? element.tagNumber : undefined;
  return tag === UTC_TIME || tag === GENERALIZED_TIME;
}

function expectTags(expected: readonly (readonly [DerElement | undefined, number])[]): void {
  for (const [element, tag] of expected) {
    if (element?.isUniversal !== true || element.tagNumber !== tag) throw unreadable("not a CRL", "CRL");
  }
}

/** The library keeps what it is given; the piece alone costs less than the whole. */
function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
