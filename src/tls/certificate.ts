import { createHash, type KeyObject, X509Certificate } from "node:crypto";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { CulvertError } from "../core/errors.ts";
import { BoundedCache } from "./bounded_cache.ts";
import { type CertificateContent, contentOf } from "./certificate_content.ts";
import { DerWalker } from "./der_walker.ts";
import { type Attribute, attributesOf, nameKey } from "./distinguished_name.ts";
import { readPem } from "./pem.ts";
import { serialOf, timeOf, unreadable } from "./fields.ts";

/**
 * A certificate that has been read. Immutable, and the same object for the same DER while it is in the cache.
 */
export interface Certificate extends CertificateContent {
  readonly der: Uint8Array<ArrayBuffer>;
  /** SHA-256 of the DER, as hexadecimal digits. */
  readonly fingerprint: string;
  /** What the issuer has signed, and how. */
  readonly signed: SignedPart;
  /** Upper-case hexadecimal digits, without zeros in front. */
  readonly serial: string;
  /** The DER of the issuer's and the subject's name as hexadecimal digits: names are equal if these are. */
  readonly issuer: string;
  readonly subject: string;
  /** The attributes of the subject in their order; those that are no text are left out. */
  readonly attributes: readonly Attribute[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The public key's DER, as it stands in the certificate. */
  readonly spki: Uint8Array<ArrayBuffer>;
  /** The public key, or `undefined` if it is of a kind that the runtime does not know. */
  publicKey(): KeyObject | undefined;
}

/** What a signature covers, and the signature. */
export interface SignedPart {
  /** What is covered, as DER. */
  readonly bytes: Uint8Array;
  /** @internal */
  readonly algorithm: pkijs.AlgorithmIdentifier;
  /** The signature itself. */
  readonly signature: Uint8Array;
}

/** How many certificates are remembered: parsing one anew takes a millisecond. */
const CACHE_SIZE = 4096;
/** The second is an old name for the same: RFC 7468 section 5.1. */
const CERTIFICATE_LABELS: ReadonlySet<string> = new Set(["CERTIFICATE", "X509 CERTIFICATE"]);
const cache = new BoundedCache<Certificate>(CACHE_SIZE);

/**
 * Reads a certificate, RFC 5280 section 4.1. What has been read lately is not read again.
 *
 * @throws {CulvertError} `bad_certificate` when it is no certificate, says something twice, or what it says
 * can't be understood.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const fingerprint = createHash("sha256").update(der).digest("hex");
  let certificate = cache.get(fingerprint);
  if (certificate === undefined) {
    // A copy: what the caller does with its own later must not reach what is remembered.
    certificate = read(new Uint8Array(der), fingerprint);
    cache.set(fingerprint, certificate);
  }
  return certificate;
}

/**
 * Reads every certificate of a PEM text, in its order. Blocks of other kinds are left aside.
 *
 * @throws {CulvertError} `bad_certificate` as {@linkcode parseCertificate} and {@linkcode readPem} do.
 */
export function readCertificates(pem: string): Certificate[] {
  const blocks = readPem(pem).filter(({ label }) => CERTIFICATE_LABELS.has(label));
  return blocks.map(({ der }) => parseCertificate(der));
}

/** The libraries' errors say little, and are not ours. */
function read(der: Uint8Array<ArrayBuffer>, fingerprint: string): Certificate {
  try {
    checkForm(der);
    // A second reader, the runtime's: a certificate counts only if both can make something of it.
    const strict = new X509Certificate(der);
    return convert(der, fingerprint, strict);
  } catch (cause) {
    if (cause instanceof CulvertError && cause.message.startsWith("Cannot read a certificate")) throw cause;
    const message = "Cannot read a certificate: not a certificate in DER";
    throw new CulvertError("bad_certificate", message, { cause });
  }
}

/**
 * What is not signed (the frame, and the name of the algorithm, which must be the signed one) has to be DER:
 * the library reads BER too, and one certificate must not have many forms.
 */
function checkForm(der: Uint8Array): void {
  const walker = new DerWalker(der);
  const whole = walker.elementAt(0, der.length);
  if (whole.end !== der.length) throw unreadable("something follows it");
  const parts = [...walker.children(whole)];
  if (parts.length !== 3) throw unreadable("it does not have three parts");
  walker.children(parts[1]!).forEach(() => {});
}

function convert(der: Uint8Array<ArrayBuffer>, fingerprint: string, strict: X509Certificate): Certificate {
  const { result } = asn1js.fromBER(der, { copyInput: false });
  const parsed = new pkijs.Certificate({ schema: result });
  if (!parsed.signature.isEqual(parsed.signatureAlgorithm)) {
    throw unreadable("it names two signature algorithms");
  }
  if (parsed.signatureValue.valueBlock.unusedBits !== 0) throw unreadable("its signature is no whole octets");
  const signed = {
    bytes: parsed.tbsView,
    algorithm: parsed.signatureAlgorithm,
    signature: parsed.signatureValue.valueBlock.valueHexView,
  };
  return {
    ...{ der, fingerprint, signed },
    serial: serialOf(parsed.serialNumber),
    issuer: nameKey(parsed.issuer),
    subject: nameKey(parsed.subject),
    attributes: attributesOf(parsed.subject),
    notBeforeMs: timeOf(parsed.notBefore),
    notAfterMs: timeOf(parsed.notAfter),
    spki: spkiOf(result),
    publicKey: keyReader(strict),
    ...contentOf(parsed.extensions ?? []),
  };
}

/** The DER of the public key: it follows the subject, sixth in a version 1 certificate, else seventh. */
function spkiOf(certificate: asn1js.AsnType): Uint8Array<ArrayBuffer> {
  const [tbs] = (certificate as asn1js.Sequence).valueBlock.value;
  const fields = (tbs as asn1js.Sequence).valueBlock.value;
  const hasVersion = fields[0]?.idBlock.tagClass === 3;
  return new Uint8Array(fields[hasVersion ? 6 : 5]!.valueBeforeDecodeView);
}

/** Reads the key when it is first asked for. */
function keyReader(certificate: X509Certificate): () => KeyObject | undefined {
  let key: KeyObject | undefined;
  let asked = false;
  return () => {
    if (asked) return key;
    asked = true;
    try {
      key = certificate.publicKey;
    } catch {
      // Of a kind that nobody here can use: no signature of it will be good.
    }
    return key;
  };
}
