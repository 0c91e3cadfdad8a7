import { hash } from "node:crypto";
import { formatIp, ipOfWords } from "../../net/ip.ts";
import { type Certificate } from "./certificate.ts";
import { parseCertificate, parseFrame } from "./read_certificates.ts";
import type { AlternativeName } from "./general_name.ts";
import { type KeyUsage, Oid } from "./oids.ts";

/** The names and properties of a peer's certificate. They say nothing about whether it can be trusted. */
export interface PeerIdentity {
  /**
   * The subject for people to read, RFC 4514, with everything escaped that could deceive. Never to be split.
   */
  readonly subject: string;
  /** Every common name of the subject, in its order. */
  readonly commonNames: readonly string[];
  /** Every organizational unit of the subject, in its order. */
  readonly organizationalUnits: readonly string[];
  /** In lower case. One that begins with `*.` is a wildcard of the certificate's own. */
  readonly dnsNames: readonly string[];
  /** As they stand in the certificate. One of `spiffe:` is a SPIFFE ID, and the only URI there is. */
  readonly uris: readonly string[];
  /** In the form of RFC 5952; an IPv4-mapped address as IPv4. */
  readonly ips: readonly string[];
  /** Addresses of electronic mail, as they stand in the certificate. */
  readonly emails: readonly string[];
  /** Upper-case hexadecimal digits. */
  readonly serialNumber: string;
  /** SHA-256 of the public key's DER (SubjectPublicKeyInfo) in base64, as in RFC 7469. */
  readonly spkiSha256: string;
  /** From when on the certificate holds. */
  readonly notBefore: Date;
  /** Until when the certificate holds. */
  readonly notAfter: Date;
  /** Absent when the certificate does not bound it. */
  readonly keyUsage: readonly KeyUsage[] | undefined;
  /** Object identifiers. Absent when the certificate does not bound it. */
  readonly extendedKeyUsage: readonly string[] | undefined;
}

/**
 * Identities by certificate; these are cached themselves, and what is made of one lives as long as it does.
 */
const identities = new WeakMap<Certificate, PeerIdentity>();

/**
 * A name of the form of RFC 1123 section 2.1, with `_` as in use, and perhaps a wildcard as its first label.
 */
const DNS_NAME =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const MAX_DNS_LENGTH = 253;
/**
 * https://github.com/spiffe/spiffe/blob/main/standards/SPIFFE-ID.md, section 2: a name in lower case and perhaps a
 * path, without ports, users, queries, escapes, or segments that are empty.
 */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/[A-Za-z0-9._-]+)*$/;
const MAX_SPIFFE_LENGTH = 2048;
const DOT_SEGMENT = /\/\.\.?(?:\/|$)/;
/** What an ASCII name may be made of: no control characters, NUL the worst of them. */
const PRINTABLE = /^[\x20-\x7e]+$/;

/**
 * Reads the identity of the subject from a certificate. Names come from the DER: a comma, a quote or `URI:` in a name
 * is part of it. A name that can't be one of its kind is left out, so that no rule can match it: one with a
 * NUL, a DNS name with a space, an address of three octets, a URI of `spiffe:` that is no SPIFFE ID or not the only
 * URI.
 *
 * @throws {CulvertError} `bad_certificate` when it is no certificate.
 */
export function readIdentity(der: Uint8Array): PeerIdentity {
  return identityOf(parseCertificate(der));
}

/**
 * The name of a peer with a trusted certificate, for the log: its subject, or, where that has no common name, which may be the
 * same for many, the first of its URIs, DNS names and addresses, such as `URI:spiffe://example.org/web`.
 *
 * @internal
 */
export function nameOf({ subject, commonNames, uris, dnsNames, ips, serialNumber }: PeerIdentity): string {
  if (commonNames.length > 0) return subject;
  if (uris.length > 0) return `URI:${uris[0]}`;
  if (dnsNames.length > 0) return `DNS:${dnsNames[0]}`;
  if (ips.length > 0) return `IP:${ips[0]}`;
  return subject === "" ? `serial:${serialNumber}` : subject;
}

/**
 * The subject for people to read, as in {@linkcode PeerIdentity}. Nothing else is read.
 *
 * @throws {CulvertError} `bad_certificate` when it is no certificate.
 */
export function readSubject(der: Uint8Array): string {
  return parseFrame(der).subjectName;
}

/** {@linkcode readIdentity} for a certificate that has been read already. */
export function identityOf(certificate: Certificate): PeerIdentity {
  let identity = identities.get(certificate);
  if (identity === undefined) {
    identity = build(certificate);
    identities.set(certificate, identity);
  }
  return identity;
}

function build(certificate: Certificate): PeerIdentity {
  const { attributes, alternativeNames: names } = certificate;
  const ofType = (type: string) =>
    attributes.filter((attribute) => attribute.type === type && isText(attribute.value)).map(({ value }) =>
      value
    );
  return {
    subject: certificate.subjectName,
    commonNames: ofType(Oid.commonName),
    organizationalUnits: ofType(Oid.organizationalUnit),
    dnsNames: textsOf(names, "dns").map((name) => name.toLowerCase()).filter(isDnsName),
    uris: urisOf(textsOf(names, "uri")),
    ips: names.flatMap((name) => name.kind === "ip" ? ipOf(name.bytes) : []),
    emails: textsOf(names, "email").filter((name) => PRINTABLE.test(name)),
    serialNumber: certificate.serial,
    spkiSha256: hash("sha256", certificate.spki, "base64"),
    notBefore: new Date(certificate.notBeforeMs),
    notAfter: new Date(certificate.notAfterMs),
    keyUsage: certificate.keyUsage,
    extendedKeyUsage: certificate.extendedKeyUsage,
  };
}

/** Whether this is the name of a host, in lower case, as a certificate or a rule may give it. */
export function isDnsName(name: string): boolean {
  return name.length <= MAX_DNS_LENGTH && DNS_NAME.test(name);
}

/** Whether this is a SPIFFE ID: no other URI of `spiffe:` is in {@linkcode PeerIdentity.uris}. */
export function isSpiffeId(uri: string): boolean {
  return uri.length <= MAX_SPIFFE_LENGTH && SPIFFE_ID.test(uri) && !DOT_SEGMENT.test(uri);
}

/** Free text may be anything but what other programs would read only half of. */
function isText(value: string): boolean {
  return value !== "" && !value.includes("\0");
}

function textsOf(names: readonly AlternativeName[], kind: "dns" | "uri" | "email"): string[] {
  return names.flatMap((name) => name.kind === kind ? [name.value] : []);
}

/** A certificate with several URIs is no SPIFFE ID's: X509-SVID section 2 of the same standards. */
function urisOf(all: readonly string[]): string[] {
  return all.filter((name) => {
    if (!/^spiffe:/i.test(name)) return PRINTABLE.test(name);
    return all.length === 1 && isSpiffeId(name);
  });
}

function ipOf(bytes: Uint8Array): string[] {
  if (bytes.length !== 4 && bytes.length !== 16) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const words = Array.from({ length: bytes.length / 4 }, (_, index) => view.getUint32(index * 4));
  return [formatIp(ipOfWords(words))];
}
