import { DerNode, Tag, unreadable } from "./der.ts";
import { type DistributionPoint, distributionPointsOf } from "./distribution_points.ts";
import { type AlternativeName, generalNameOf } from "./general_name.ts";
import { type NameConstraints, nameConstraintsOf } from "./name_constraints.ts";
import { KEY_USAGES, type KeyUsage, NETSCAPE_USAGES, type NetscapeUsage, Oid } from "./oids.ts";
import {
  inhibitAnyPolicyOf,
  policiesOf,
  type PolicyConstraints,
  policyConstraintsOf,
  type PolicyMapping,
  policyMappingsOf,
} from "./policy_extensions.ts";

/** What a certificate says in its extensions; each is absent where the certificate does not say. */
export interface CertificateContent {
  readonly basicConstraints: { readonly isCa: boolean; readonly pathLen: number | undefined } | undefined;
  readonly keyUsage: readonly KeyUsage[] | undefined;
  /** Object identifiers. */
  readonly extendedKeyUsage: readonly string[] | undefined;
  /** What the key is for, in the older form of Netscape. */
  readonly netscapeUsage: readonly NetscapeUsage[] | undefined;
  readonly alternativeNames: readonly AlternativeName[];
  /** Where CRLs that cover it are published. */
  readonly distributionPoints: readonly DistributionPoint[];
  /** Of a CA: the names for which it may vouch. */
  readonly nameConstraints: NameConstraints | undefined;
  /** The policies under which it was issued, by their object identifiers. */
  readonly policies: ReadonlySet<string> | undefined;
  readonly policyMappings: readonly PolicyMapping[];
  readonly policyConstraints: PolicyConstraints | undefined;
  readonly inhibitAnyPolicy: number | undefined;
  /** Critical extensions that are not understood, which forbid to use it: RFC 5280 section 4.2. */
  readonly unsupported: readonly string[];
}

/** Which keys a certificate speaks of, as hexadecimal digits; absent where it does not say. */
export interface KeyIds {
  readonly subjectKeyId: string | undefined;
  readonly authorityKeyId: string | undefined;
}

/** The extensions of a certificate by their object identifiers, what is in them not read yet. */
export type Extensions = ReadonlyMap<string, Extension>;

interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/**
 * Those that are understood; whatever else is critical makes a certificate useless. Key identifiers are only hints: RFC
 * 5280 does not allow them to be critical.
 */
const UNDERSTOOD: ReadonlySet<string> = new Set([
  Oid.keyUsage,
  Oid.subjectAltName,
  Oid.basicConstraints,
  Oid.extendedKeyUsage,
  Oid.nameConstraints,
  Oid.certificatePolicies,
  Oid.policyMappings,
  Oid.policyConstraints,
  Oid.inhibitAnyPolicy,
  Oid.crlDistributionPoints,
  Oid.netscapeCertType,
  // It is about OCSP responses, which are not requested here.
  Oid.ocspNoCheck,
]);

const KEY_ID_TAG = 0x80;
/** What else may stand beside it: the name of the issuer's issuer, and the issuer's serial number. */
const KEY_ID_TAGS: ReadonlySet<number> = new Set([KEY_ID_TAG, 0xa1, 0x82]);
/** More than any path is long. */
const MAX_LENGTH_OCTETS = 4;

/**
 * Finds the extensions in their list, RFC 5280 section 4.2.
 *
 * @throws {CulvertError} `bad_certificate` when one is there twice.
 */
export function extensionsOf(list: DerNode): Extensions {
  const byOid = new Map<string, Extension>();
  for (const node of list.children(Tag.sequence)) {
    const parts = node.children(Tag.sequence, 3);
    const [type, critical] = parts;
    if (parts.length < 2) throw unreadable("an extension is empty");
    const oid = type!.oid();
    if (byOid.has(oid)) throw unreadable(`it has extension ${oid} twice`);
    byOid.set(oid, {
      critical: parts.length === 3 && flagOf(critical!),
      value: parts.at(-1)!.content(Tag.octetString),
    });
  }
  return byOid;
}

/**
 * Reads what is in the extensions.
 *
 * @throws {CulvertError} `bad_certificate` when one that matters here can't be read.
 */
export function contentOf(extensions: Extensions): CertificateContent {
  return {
    basicConstraints: find(extensions, Oid.basicConstraints, constraintsOf),
    keyUsage: find(extensions, Oid.keyUsage, (node) => namedBits(node, KEY_USAGES)),
    extendedKeyUsage: find(
      extensions,
      Oid.extendedKeyUsage,
      (node) => node.children(Tag.sequence).map((purpose) => purpose.oid()),
    ),
    netscapeUsage: find(extensions, Oid.netscapeCertType, (node) => namedBits(node, NETSCAPE_USAGES)),
    alternativeNames: find(
      extensions,
      Oid.subjectAltName,
      (node) => node.children(Tag.sequence).map(generalNameOf),
    ) ?? [],
    distributionPoints: find(extensions, Oid.crlDistributionPoints, distributionPointsOf) ?? [],
    nameConstraints: find(extensions, Oid.nameConstraints, nameConstraintsOf),
    policies: find(extensions, Oid.certificatePolicies, policiesOf),
    policyMappings: find(extensions, Oid.policyMappings, policyMappingsOf) ?? [],
    policyConstraints: find(extensions, Oid.policyConstraints, policyConstraintsOf),
    inhibitAnyPolicy: find(extensions, Oid.inhibitAnyPolicy, inhibitAnyPolicyOf),
    unsupported: [...extensions].filter(([oid, { critical }]) => critical && !UNDERSTOOD.has(oid)).map((
      [oid],
    ) => oid),
  };
}

/**
 * Reads the identifiers of the subject's and the issuer's keys alone.
 *
 * @throws {CulvertError} `bad_certificate` when one can't be read.
 */
export function keyIdsOf(extensions: Extensions): KeyIds {
  return {
    subjectKeyId: find(
      extensions,
      Oid.subjectKeyIdentifier,
      (node) => node.content(Tag.octetString).toHex(),
    ),
    authorityKeyId: find(extensions, Oid.authorityKeyIdentifier, (node) => {
      const parts = node.children(Tag.sequence, 3);
      if (!parts.every(({ tag }) => KEY_ID_TAGS.has(tag))) throw unreadable("it has an unexpected part");
      return parts.find(({ tag }) => tag === KEY_ID_TAG)?.content(KEY_ID_TAG).toHex();
    }),
  };
}

/** The value of an extension, if it is there. */
function find<T>(extensions: Extensions, oid: string, read: (node: DerNode) => T): T | undefined {
  const extension = extensions.get(oid);
  if (extension === undefined) return undefined;
  try {
    return read(DerNode.whole(extension.value));
  } catch {
    throw unreadable(`its extension ${oid} is malformed`);
  }
}

function constraintsOf(node: DerNode): CertificateContent["basicConstraints"] {
  const parts = node.children(Tag.sequence, 2);
  const isCa = parts[0]?.tag === Tag.boolean && flagOf(parts.shift()!);
  const [length, ...more] = parts;
  if (more.length > 0) throw unreadable("it has an unexpected part");
  if (length === undefined) return { isCa, pathLen: undefined };
  const octets = length.content(Tag.integer);
  // One with the highest bit is negative.
  const isInRange = octets.length > 0 && octets.length <= MAX_LENGTH_OCTETS && octets[0]! < 0x80;
  if (!isInRange) throw unreadable("its length of paths is out of range");
  return { isCa, pathLen: octets.reduce((sum, octet) => sum * 256 + octet, 0) };
}

/** The octet in front says how many bits at the end do not count; those are zero in DER. */
function namedBits<Name>(node: DerNode, names: readonly Name[]): Name[] {
  const [unused, ...octets] = node.content(Tag.bitString);
  if (unused === undefined || unused > 7) throw unreadable("its bits are malformed");
  return names.filter((_, place) => ((octets[place >> 3] ?? 0) & (0x80 >> (place & 7))) !== 0);
}

function flagOf(node: DerNode): boolean {
  const octets = node.content(Tag.boolean);
  if (octets.length !== 1) throw unreadable("a boolean is malformed");
  return octets[0] !== 0;
}
