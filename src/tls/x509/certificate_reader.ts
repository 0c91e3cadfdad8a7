import { Buffer } from "node:buffer";
import { createPublicKey, type KeyObject } from "node:crypto";
import { CulvertError } from "../../core/errors.ts";
import { algorithmIdentifierOf } from "./algorithm_identifier.ts";
import type { Certificate, SignedPart } from "./certificate.ts";
import {
  type CertificateContent,
  contentOf,
  type Extensions,
  extensionsOf,
  type KeyIds,
  keyIdsOf,
} from "./certificate_content.ts";
import { nameKey } from "./comparable_name.ts";
import { DerNode, Tag, unreadable } from "./der.ts";
import { type Attribute, attributesOf, formatName } from "./distinguished_name.ts";
import { timeOfNode } from "./der_time.ts";
import type { AlternativeName } from "./general_name.ts";
import type { KeyUsage } from "./oids.ts";
import { type PublicKeyInfo, readPublicKey } from "./public_key.ts";
import { formatSerial } from "./serial_number.ts";

/** Where each part of a certificate is: RFC 5280 section 4.1. */
interface Frame {
  readonly tbs: DerNode;
  readonly algorithm: DerNode;
  readonly signature: DerNode;
  readonly version: 1 | 2 | 3;
  readonly serial: DerNode;
  readonly issuer: DerNode;
  readonly validity: DerNode;
  readonly subject: DerNode;
  readonly spki: DerNode;
  readonly extensions: DerNode | undefined;
}

/** The tags that mean what the context says: RFC 5280 section 4.1.2. */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;
/** issuerUniqueID and subjectUniqueID, which are not used. */
const UNIQUE_IDS: readonly number[] = [0x81, 0x82];
const MAX_FIELDS = 10;
/** The longest that is known here (RSASSA-PSS) has 67 bytes. */
const MAX_ALGORITHM_BYTES = 128;

/**
 * Reads a certificate lazily: each part is parsed when it is first asked for, as an unauthenticated peer may send
 * certificates of thousands of elements.
 */
export class CertificateReader implements Certificate {
  readonly der: Uint8Array<ArrayBuffer>;
  readonly fingerprint: string;
  readonly version: 1 | 2 | 3;
  readonly serial: string;
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly #frame: Frame;
  #issuer: string | undefined;
  #subject: string | undefined;
  #signed: SignedPart | undefined;
  #subjectName: string | undefined;
  #attributes: readonly Attribute[] | undefined;
  #validity: { readonly notBeforeMs: number; readonly notAfterMs: number } | undefined;
  #extensions: Extensions | undefined;
  #keyIds: KeyIds | undefined;
  #content: CertificateContent | undefined;
  #keyInfo: PublicKeyInfo | undefined;
  #publicKey: { readonly key: KeyObject | undefined } | undefined;

  /**
   * Takes the bytes over.
   *
   * @throws {CulvertError} `bad_certificate` when they are no certificate.
   */
  constructor(der: Uint8Array<ArrayBuffer>, fingerprint: string) {
    this.der = der;
    this.fingerprint = fingerprint;
    this.#frame = reading(() => frameOf(der));
    const { version, serial, spki } = this.#frame;
    this.version = version;
    this.serial = reading(() => formatSerial(serial.content(Tag.integer)));
    this.spki = new Uint8Array(spki.bytes);
  }

  get issuer(): string {
    return this.#issuer ??= nameKey(this.#frame.issuer.bytes);
  }

  get subject(): string {
    return this.#subject ??= nameKey(this.subjectDer);
  }

  get subjectDer(): Uint8Array {
    return this.#frame.subject.bytes;
  }

  get signed(): SignedPart {
    return this.#signed ??= reading(() => signedOf(this.#frame));
  }

  get subjectName(): string {
    return this.#subjectName ??= reading(() => formatName(this.subjectDer));
  }

  get attributes(): readonly Attribute[] {
    return this.#attributes ??= reading(() => attributesOf(this.subjectDer));
  }

  get notBeforeMs(): number {
    return this.#dates().notBeforeMs;
  }

  get notAfterMs(): number {
    return this.#dates().notAfterMs;
  }

  get subjectKeyId(): string | undefined {
    return this.#ids().subjectKeyId;
  }

  get authorityKeyId(): string | undefined {
    return this.#ids().authorityKeyId;
  }

  get basicConstraints(): CertificateContent["basicConstraints"] {
    return this.#says().basicConstraints;
  }

  get keyUsage(): readonly KeyUsage[] | undefined {
    return this.#says().keyUsage;
  }

  get extendedKeyUsage(): readonly string[] | undefined {
    return this.#says().extendedKeyUsage;
  }

  get netscapeUsage(): CertificateContent["netscapeUsage"] {
    return this.#says().netscapeUsage;
  }

  get alternativeNames(): readonly AlternativeName[] {
    return this.#says().alternativeNames;
  }

  get distributionPoints(): CertificateContent["distributionPoints"] {
    return this.#says().distributionPoints;
  }

  get nameConstraints(): CertificateContent["nameConstraints"] {
    return this.#says().nameConstraints;
  }

  get policies(): CertificateContent["policies"] {
    return this.#says().policies;
  }

  get policyMappings(): CertificateContent["policyMappings"] {
    return this.#says().policyMappings;
  }

  get policyConstraints(): CertificateContent["policyConstraints"] {
    return this.#says().policyConstraints;
  }

  get inhibitAnyPolicy(): CertificateContent["inhibitAnyPolicy"] {
    return this.#says().inhibitAnyPolicy;
  }

  get unsupported(): readonly string[] {
    return this.#says().unsupported;
  }

  get keyInfo(): PublicKeyInfo {
    return this.#keyInfo ??= reading(() => readPublicKey(this.spki));
  }

  publicKey(): KeyObject | undefined {
    if (this.#publicKey !== undefined) return this.#publicKey.key;
    let key: KeyObject | undefined;
    try {
      key = createPublicKey({ key: Buffer.from(this.spki), format: "der", type: "spki" });
    } catch {
      // Of a kind that the runtime does not know.
    }
    this.#publicKey = { key };
    return key;
  }

  readWhole(): void {
    this.#dates();
    this.#ids();
    this.#says();
    void this.signed;
    void this.keyInfo;
    void this.attributes;
  }

  #dates(): { readonly notBeforeMs: number; readonly notAfterMs: number } {
    return this.#validity ??= reading(() => {
      const [notBefore, notAfter] = this.#frame.validity.children(Tag.sequence, 2);
      return { notBeforeMs: momentOf(notBefore), notAfterMs: momentOf(notAfter) };
    });
  }

  #listed(): Extensions {
    return this.#extensions ??= reading(() => {
      const [list] = this.#frame.extensions?.children(EXTENSIONS, 1) ?? [];
      return list === undefined ? new Map() : extensionsOf(list);
    });
  }

  #ids(): KeyIds {
    return this.#keyIds ??= reading(() => keyIdsOf(this.#listed()));
  }

  #says(): CertificateContent {
    return this.#content ??= reading(() => contentOf(this.#listed()));
  }
}

function frameOf(der: Uint8Array): Frame {
  const parts = DerNode.whole(der).children(Tag.sequence, 3);
  if (parts.length !== 3) throw unreadable("it does not have three parts");
  const [tbs, algorithm, signature] = parts;
  return { tbs: tbs!, algorithm: algorithm!, signature: signature!, ...fieldsOf(tbs!, algorithm!) };
}

/** The fields of a TBSCertificate in their order, of which some need not be there. */
function fieldsOf(tbs: DerNode, outer: DerNode): Omit<Frame, "tbs" | "algorithm" | "signature"> {
  const left = tbs.children(Tag.sequence, MAX_FIELDS);
  const version = left[0]?.tag === VERSION ? versionOf(left.shift()!) : 1;
  const [serial, algorithm, issuer, validity, subject, spki] = left.splice(0, 6);
  if (spki === undefined) throw unreadable("a field is missing");
  for (const node of [algorithm!, issuer!, validity!, subject!, spki]) {
    if (node.tag !== Tag.sequence) throw unreadable("a field is not what it should be");
  }
  // What is not signed must be the same as what is: one certificate must not have many forms.
  if (algorithm!.bytes.toHex() !== outer.bytes.toHex()) throw unreadable("it names two signature algorithms");
  for (const tag of UNIQUE_IDS) if (left[0]?.tag === tag) left.shift();
  const extensions = left[0]?.tag === EXTENSIONS ? left.shift() : undefined;
  if (left.length > 0) throw unreadable("it has an unexpected field");
  if (extensions !== undefined && version !== 3) throw unreadable("only version 3 has extensions");
  return {
    version,
    serial: serial!,
    issuer: issuer!,
    validity: validity!,
    subject: subject!,
    spki,
    extensions,
  };
}

function versionOf(wrapper: DerNode): 1 | 2 | 3 {
  const [number] = wrapper.children(VERSION, 1);
  const [value, ...more] = number?.content(Tag.integer) ?? [];
  if (more.length > 0 || (value !== 0 && value !== 1 && value !== 2)) {
    throw unreadable("its version is not known");
  }
  return value === 0 ? 1 : value === 1 ? 2 : 3;
}

function signedOf({ tbs, algorithm, signature }: Frame): SignedPart {
  if (algorithm.bytes.length > MAX_ALGORITHM_BYTES) throw unreadable("its signature algorithm is too long");
  const [unused] = signature.content(Tag.bitString);
  if (unused !== 0) throw unreadable("its signature is not a whole number of octets");
  return {
    bytes: tbs.bytes,
    algorithm: algorithmIdentifierOf(algorithm),
    signature: signature.content(Tag.bitString).subarray(1),
  };
}

function momentOf(node: DerNode | undefined): number {
  if (node === undefined) throw unreadable("a time is missing");
  return timeOfNode(node);
}

/** Errors of the runtime (RangeError, SyntaxError) become errors of the code `bad_certificate`. */
function reading<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof CulvertError && cause.message.startsWith("Cannot read a certificate")) throw cause;
    const message = "Cannot read a certificate: not a certificate in DER";
    throw new CulvertError("bad_certificate", message, { cause });
  }
}
