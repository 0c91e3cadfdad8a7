import type { Steps } from "../../../core/slices.ts";
import { CulvertError } from "../../../core/errors.ts";
import { algorithmIdentifierOf } from "../algorithm_identifier.ts";
import { extensionsOf } from "../certificate_content.ts";
import type { Crl, CrlEntry, UnusableCrl } from "./crl.ts";
import { CrlEntries } from "./entries.ts";
import { nameKey } from "../comparable_name.ts";
import { DerNode, Tag, unreadable } from "../der.ts";
import { timeOfNode } from "../der_time.ts";
import { scopeOf } from "../distribution_points.ts";
import { attributesOf, formatAttributes } from "../distinguished_name.ts";
import { Oid, REVOCATION_REASONS } from "../oids.ts";
import { serialOctets } from "../serial_number.ts";
import { schemeOf } from "../signature/signature_scheme.ts";

/** The fields of a CRL: RFC 5280 section 5.1. */
interface Frame {
  readonly tbs: DerNode;
  readonly outerAlgorithm: DerNode;
  readonly signature: DerNode;
  readonly version: DerNode | undefined;
  readonly algorithm: DerNode;
  readonly issuer: DerNode;
  readonly thisUpdate: DerNode;
  readonly nextUpdate: DerNode | undefined;
  readonly revoked: DerNode | undefined;
  readonly extensions: DerNode | undefined;
}

/** Whose CRL it is. */
interface Issuer {
  readonly issuer: string;
  readonly issuerName: string;
}

/** The tag of the extensions, which means what the context says. */
const EXTENSIONS = 0xa0;
const MAX_FIELDS = 7;
const VERSION_2 = 1;
const MAX_NUMBER_OCTETS = 32;

const KNOWN_EXTENSIONS: ReadonlySet<string> = new Set([
  Oid.crlNumber,
  Oid.authorityKeyIdentifier,
  Oid.issuingDistributionPoint,
]);
/** These change what a list says, and are refused even where they are not marked as critical, as they must be. */
const REFUSED_EXTENSIONS: ReadonlyMap<string, string> = new Map([
  [Oid.deltaCrlIndicator, "it is a delta CRL, which is not supported"],
  [Oid.certificateIssuer, "it names certificates of other issuers, which is not supported"],
]);

/** Reads one CRL in DER. Of one that can't be used it tells the issuer, where that can be read. */
export function* readCrl(der: Uint8Array): Steps<Crl | UnusableCrl> {
  let known: Issuer | undefined;
  try {
    const frame = frameOf(der);
    known = {
      issuer: nameKey(frame.issuer.bytes),
      issuerName: formatAttributes(attributesOf(frame.issuer.bytes)),
    };
    return yield* convert(frame, known);
  } catch (error) {
    const start = "Cannot read a CRL: ";
    const isOwn = error instanceof CulvertError && error.message.startsWith(start);
    return { ...known, why: isOwn ? error.message.slice(start.length) : "not a CRL in DER" };
  }
}

function* convert(frame: Frame, { issuer, issuerName }: Issuer): Steps<Crl> {
  const issuerDer = frame.issuer.bytes;
  const extensions = readExtensions(frame);
  const scope = extensions.get(Oid.issuingDistributionPoint);
  const number = extensions.get(Oid.crlNumber);
  const signed = signedOf(frame);
  const entries = yield* CrlEntries.read(frame.revoked?.content(Tag.sequence) ?? new Uint8Array());
  return {
    issuer,
    issuerName,
    issuerDer,
    signed,
    thisUpdateMs: timeOfNode(frame.thisUpdate, "CRL"),
    nextUpdateMs: frame.nextUpdate && timeOfNode(frame.nextUpdate, "CRL"),
    number: number && numberIn(number.value),
    scope: scope && scopeOf(scope.value, issuerDer),
    size: entries.size,
    find: (serial) => {
      const entry = entries.find(serialOctets(serial));
      return entry && entryOf(entry);
    },
  };
}

function frameOf(der: Uint8Array): Frame {
  const [tbs, outerAlgorithm, signature, ...more] = DerNode.whole(der).children(Tag.sequence, 3);
  if (signature === undefined || more.length > 0) throw unreadable("not a CRL in DER", "CRL");
  const left = tbs!.children(Tag.sequence, MAX_FIELDS);
  const version = left[0]?.tag === Tag.integer ? left.shift() : undefined;
  const [algorithm, issuer, thisUpdate] = left.splice(0, 3);
  if (algorithm?.tag !== Tag.sequence || issuer?.tag !== Tag.sequence || !isTime(thisUpdate)) {
    throw unreadable("not a CRL in DER", "CRL");
  }
  const nextUpdate = isTime(left[0]) ? left.shift() : undefined;
  const revoked = left[0]?.tag === Tag.sequence ? left.shift() : undefined;
  const extensions = left[0]?.tag === EXTENSIONS ? left.shift() : undefined;
  if (left.length > 0) throw unreadable("it has an unexpected field", "CRL");
  const fields = { version, algorithm, issuer, thisUpdate: thisUpdate!, nextUpdate, revoked, extensions };
  return { tbs: tbs!, outerAlgorithm: outerAlgorithm!, signature, ...fields };
}

function readExtensions({ version, extensions }: Frame): ReturnType<typeof extensionsOf> {
  const [octet, ...more] = version?.content(Tag.integer) ?? [VERSION_2];
  if (octet !== VERSION_2 || more.length > 0) throw unreadable("its version is not known", "CRL");
  if (extensions === undefined) return new Map();
  if (version === undefined) throw unreadable("only version 2 has extensions", "CRL");
  const [list, ...others] = extensions.children(EXTENSIONS, 2);
  if (list === undefined || others.length > 0) throw unreadable("its extensions are malformed", "CRL");
  const all = extensionsOf(list);
  for (const [oid, { critical }] of all) {
    const refused = REFUSED_EXTENSIONS.get(oid);
    if (refused !== undefined) throw unreadable(refused, "CRL");
    // RFC 5280 section 5.2: a CRL with a critical extension that is not understood must not be relied on.
    if (critical && !KNOWN_EXTENSIONS.has(oid)) {
      throw unreadable(`its extension ${oid} is critical and not known`, "CRL");
    }
  }
  return all;
}

function signedOf({ tbs, algorithm, outerAlgorithm, signature }: Frame): Crl["signed"] {
  if (algorithm.bytes.toHex() !== outerAlgorithm.bytes.toHex()) {
    throw unreadable("it names two signature algorithms", "CRL");
  }
  const identifier = algorithmIdentifierOf(algorithm);
  const scheme = schemeOf(identifier);
  if (typeof scheme === "string") {
    throw unreadable(`its signature algorithm is not supported (${scheme})`, "CRL");
  }
  // The first octet says how many bits at the end do not count; a signature is made of whole octets.
  return { bytes: tbs.bytes, algorithm: identifier, signature: signature.content(Tag.bitString).subarray(1) };
}

function numberIn(value: Uint8Array): bigint {
  const octets = DerNode.whole(value).content(Tag.integer);
  if (octets.length === 0 || octets.length > MAX_NUMBER_OCTETS) {
    throw unreadable("its number is malformed", "CRL");
  }
  // An INTEGER is signed (ITU-T X.690 section 8.3), though RFC 5280 wants no negative CRL number.
  return BigInt.asIntN(octets.length * 8, BigInt(`0x${octets.toHex()}`));
}

/** What an entry says. An entry with a malformed date or reason revokes all the same. */
function entryOf(der: Uint8Array): CrlEntry {
  const [, date, extensions] = DerNode.whole(der).children(Tag.sequence, 3);
  const at = orDefault(() => timeOfNode(date!), 0);
  const code = orDefault(() => extensions === undefined ? 0 : reasonIn(extensions), 0);
  return { at: new Date(at), reason: REVOCATION_REASONS[code] || REVOCATION_REASONS[0] };
}

function reasonIn(extensions: DerNode): number {
  const reason = extensionsOf(extensions).get(Oid.crlReason);
  return reason === undefined ? 0 : DerNode.whole(reason.value).content(Tag.enumerated)[0] ?? 0;
}

function orDefault<T>(read: () => T, other: T): T {
  try {
    return read();
  } catch {
    return other;
  }
}

function isTime(node: DerNode | undefined): boolean {
  return node?.tag === Tag.utcTime || node?.tag === Tag.generalizedTime;
}
