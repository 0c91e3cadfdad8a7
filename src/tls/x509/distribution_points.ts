import { concat } from "@std/bytes/concat";
import { DerNode, Tag, unreadable } from "./der.ts";
import { nameKey } from "./comparable_name.ts";

/** All reasons for which a certificate can be revoked, as the bits of ReasonFlags: RFC 5280 section 4.2.1.13. */
export const ALL_REASONS = 0x7f80;

/** Where the CRLs of a certificate are published: one entry of its cRLDistributionPoints, RFC 5280 section 4.2.1.13. */
export interface DistributionPoint {
  /** The names of the place; absent: only the issuer of the CRL is named. */
  readonly name: PointName | undefined;
  /** The reasons that its CRLs cover, as bits. */
  readonly reasons: number;
  /** Whether its CRLs have another issuer than the certificate (indirect CRLs). */
  readonly isIndirect: boolean;
}

/** Which certificates a CRL covers: its issuingDistributionPoint, RFC 5280 section 5.2.5. */
export interface CrlScope {
  /** The names of the place where it is published, in the form of {@linkcode pointNames}; absent: any place. */
  readonly names: ReadonlySet<string> | undefined;
  /** Which kinds of certificates it covers: of users, of CAs, attribute certificates, or all. */
  readonly covers: "all" | "users" | "cas" | "attributes";
  /** The reasons that it covers, as bits. */
  readonly reasons: number;
  /** The same text stands for the same scope. */
  readonly key: string;
}

/** The names of a place: in full, or as what is to be added to the name of the issuer. */
type PointName =
  | { readonly full: readonly string[] }
  | { readonly relative: Uint8Array };

/** The tags that mean what the context says. */
const DISTRIBUTION_POINT = 0xa0;
const FULL_NAME = 0xa0;
const RELATIVE_NAME = 0xa1;
const DIRECTORY_NAME = 0xa4;
const POINT = { reasons: 0x81, crlIssuer: 0xa2 } as const;
const SCOPE = { users: 0x81, cas: 0x82, reasons: 0x83, indirect: 0x84, attributes: 0x85 } as const;
const MAX_FIELDS = 6;

/**
 * Reads the value of cRLDistributionPoints.
 *
 * @throws {CulvertError} `bad_certificate` when it can't be read.
 */
export function distributionPointsOf(list: DerNode): DistributionPoint[] {
  return list.children(Tag.sequence).map((point) => {
    const fields = fieldsOf(point, [DISTRIBUTION_POINT, ...Object.values(POINT)]);
    const name = fields.get(DISTRIBUTION_POINT);
    const reasons = fields.get(POINT.reasons);
    return {
      name: name && pointName(name),
      reasons: reasons === undefined ? ALL_REASONS : reasonsIn(reasons.content(POINT.reasons)),
      isIndirect: fields.has(POINT.crlIssuer),
    };
  });
}

/**
 * Reads the value of issuingDistributionPoint; `issuer` is the DER of the name of the CRL's issuer.
 *
 * @throws {CulvertError} `bad_certificate` when it can't be read, contradicts itself, or is that of an indirect CRL.
 */
export function scopeOf(value: Uint8Array, issuer: Uint8Array): CrlScope {
  const fields = fieldsOf(DerNode.whole(value), [DISTRIBUTION_POINT, ...Object.values(SCOPE)]);
  const isSet = (tag: number) => fields.get(tag)?.content(tag).some((octet) => octet !== 0) === true;
  if (isSet(SCOPE.indirect)) {
    throw unreadable(
      "it is an indirect CRL, with certificates of other issuers, which is not supported",
      "CRL",
    );
  }
  const kinds = (["users", "cas", "attributes"] as const).filter((kind) => isSet(SCOPE[kind]));
  if (kinds.length > 1) throw unreadable("its issuingDistributionPoint contradicts itself", "CRL");
  const name = fields.get(DISTRIBUTION_POINT);
  const reasons = fields.get(SCOPE.reasons);
  return {
    names: name && new Set(pointNames(pointName(name), issuer)),
    covers: kinds[0] ?? "all",
    reasons: reasons === undefined ? ALL_REASONS : reasonsIn(reasons.content(SCOPE.reasons)),
    key: value.toHex(),
  };
}

/** The names of a place in the form in which they are compared; `issuer` is the DER of the name of the CRL's issuer. */
export function pointNames(name: PointName, issuer: Uint8Array): readonly string[] {
  if ("full" in name) return name.full;
  return [directoryKey(joinName(issuer, name.relative))];
}

function pointName(wrapper: DerNode): PointName {
  const [choice, ...more] = wrapper.children(DISTRIBUTION_POINT, 2);
  if (choice === undefined || more.length > 0) {
    throw unreadable("the name of a distribution point is malformed");
  }
  if (choice.tag === RELATIVE_NAME) return { relative: choice.content(RELATIVE_NAME) };
  return { full: choice.children(FULL_NAME).map(generalNameKey) };
}

/** Names of directories are compared as such; all others octet by octet. */
function generalNameKey(name: DerNode): string {
  if (name.tag !== DIRECTORY_NAME) return name.bytes.toHex();
  const [inner, ...more] = name.children(DIRECTORY_NAME, 2);
  if (inner === undefined || more.length > 0) throw unreadable("a directory name is malformed");
  return directoryKey(inner.bytes);
}

function directoryKey(name: Uint8Array): string {
  return `directory ${nameKey(name)}`;
}

/** Adds a RelativeDistinguishedName, given as what is in it, to a Name. */
function joinName(name: Uint8Array, relative: Uint8Array): Uint8Array {
  const steps = DerNode.whole(name).content(Tag.sequence);
  return element(Tag.sequence, [steps, element(Tag.set, [relative])]);
}

function element(tag: number, parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const octets = length.toString(16);
  const size = Uint8Array.fromHex(octets.padStart(octets.length + octets.length % 2, "0"));
  const head = length < 0x80 ? [tag, length] : [tag, 0x80 | size.length, ...size];
  return concat([Uint8Array.from(head), ...parts]);
}

/** The fields of a sequence by their tags, each there once at the most. */
function fieldsOf(node: DerNode, tags: readonly number[]): Map<number, DerNode> {
  const fields = node.children(Tag.sequence, MAX_FIELDS);
  const byTag = new Map(fields.map((field) => [field.tag, field]));
  if (byTag.size !== fields.length || !fields.every(({ tag }) => tags.includes(tag))) {
    throw unreadable("a distribution point has an unexpected field");
  }
  return byTag;
}

/** The octet in front says how many bits at the end do not count. */
function reasonsIn([, first = 0, second = 0]: Uint8Array): number {
  return (first << 8 | second) & ALL_REASONS;
}
