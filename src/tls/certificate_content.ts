import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { DerWalker } from "./der_walker.ts";
import { unreadable } from "./fields.ts";
import { KEY_USAGES, type KeyUsage, Oid } from "./oids.ts";

/** What a certificate says in its extensions; each is absent where the certificate does not say. */
export interface CertificateContent {
  readonly basicConstraints: { readonly isCa: boolean; readonly pathLen: number | undefined } | undefined;
  readonly keyUsage: readonly KeyUsage[] | undefined;
  /** Object identifiers. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** Hexadecimal digits. */
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
  readonly alternativeNames: readonly AlternativeName[];
  /** The critical extensions that are not understood here: RFC 5280 section 4.2 forbids to pass over them. */
  readonly unknownCritical: readonly string[];
}

/** A name under which the subject is known besides, as it stands there: RFC 5280 section 4.2.1.6. */
export type AlternativeName =
  | { readonly kind: "dns" | "uri" | "email"; readonly value: string }
  | { readonly kind: "ip"; readonly bytes: Uint8Array };

type Parsed = Pick<pkijs.Extension, "parsedValue" | "critical" | "extnValue">;

/** Those whose content is read here; whatever else is critical makes a certificate useless. */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  Oid.keyUsage,
  Oid.subjectAltName,
  Oid.basicConstraints,
  Oid.extendedKeyUsage,
  Oid.subjectKeyIdentifier,
  Oid.authorityKeyIdentifier,
]);

const TEXT_KINDS: ReadonlyMap<number, "dns" | "uri" | "email"> = new Map([
  [1, "email"],
  [2, "dns"],
  [6, "uri"],
]);
const IP_TYPE = 7;

/**
 * Reads the extensions of a certificate, RFC 5280 section 4.2.
 *
 * @throws {CulvertError} `bad_certificate` when one is there twice, or one that matters here can't be read.
 */
export function contentOf(extensions: readonly pkijs.Extension[]): CertificateContent {
  const byOid = new Map<string, Parsed>();
  for (const extension of extensions) {
    if (byOid.has(extension.extnID)) throw unreadable(`it has extension ${extension.extnID} twice`);
    byOid.set(extension.extnID, extension);
  }
  // Constraints on names narrow what a CA may vouch for, whether or not they are marked as critical, as they
  // must be.
  const unknownCritical = [...byOid].filter(([oid, { critical }]) =>
    oid === Oid.nameConstraints || (critical && !UNDERSTOOD.has(oid))
  );
  const keyUsage = find(byOid, Oid.keyUsage, asn1js.BitString);
  const names = find(byOid, Oid.subjectAltName, pkijs.AltName);
  const ski = find(byOid, Oid.subjectKeyIdentifier, asn1js.OctetString);
  const aki = find(byOid, Oid.authorityKeyIdentifier, pkijs.AuthorityKeyIdentifier)?.keyIdentifier;
  return {
    basicConstraints: constraintsOf(find(byOid, Oid.basicConstraints, pkijs.BasicConstraints)),
    keyUsage: keyUsage && KEY_USAGES.filter((_, place) => bitAt(keyUsage, place)),
    extendedKeyUsage: find(byOid, Oid.extendedKeyUsage, pkijs.ExtKeyUsage)?.keyPurposes,
    subjectKeyId: ski?.valueBlock.valueHexView.toHex(),
    authorityKeyId: aki?.valueBlock.valueHexView.toHex(),
    alternativeNames: (names?.altNames ?? []).flatMap(alternativeName),
    unknownCritical: unknownCritical.map(([oid]) => oid),
  };
}

/** The value of an extension, which must be what its type says. */
function find<T>(
  byOid: ReadonlyMap<string, Parsed>,
  oid: string,
  type: new (...args: never[]) => T,
): T | undefined {
  const extension = byOid.get(oid);
  if (extension === undefined) return undefined;
  const { parsedValue: value, extnValue } = extension;
  const bytes = extnValue.valueBlock.valueHexView;
  if (new DerWalker(bytes).elementAt(0, bytes.length).end !== bytes.length) {
    throw unreadable(`something follows its extension ${oid}`);
  }
  // The library reports what it could not read by a note in an otherwise empty value.
  const failed = !(value instanceof type) || (value as { parsingError?: string }).parsingError !== undefined;
  if (failed) throw unreadable(`its extension ${oid} is broken`);
  return value;
}

function constraintsOf(value: pkijs.BasicConstraints | undefined): CertificateContent["basicConstraints"] {
  if (value === undefined) return undefined;
  const { cA: isCa, pathLenConstraint: pathLen } = value;
  if (pathLen === undefined) return { isCa, pathLen };
  // What does not fit into a small whole number is given as the whole number's octets.
  if (typeof pathLen !== "number" || pathLen < 0) throw unreadable("its length of paths is out of range");
  return { isCa, pathLen };
}

function bitAt(bits: asn1js.BitString, place: number): boolean {
  const byte = bits.valueBlock.valueHexView[place >> 3] ?? 0;
  return (byte & (0x80 >> (place & 7))) !== 0;
}

function alternativeName(name: pkijs.GeneralName): AlternativeName[] {
  const { type, value } = name;
  const kind = TEXT_KINDS.get(type);
  if (kind !== undefined) return [{ kind, value: value as string }];
  if (type !== IP_TYPE) return [];
  return [{ kind: "ip", bytes: (value as asn1js.OctetString).valueBlock.valueHexView }];
}
