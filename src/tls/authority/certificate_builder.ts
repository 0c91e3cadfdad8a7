import { hash, type KeyObject, sign } from "node:crypto";
import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { KEY_USAGES, type KeyUsage, Oid } from "../x509/oids.ts";
import { generalNames, type NameLists } from "./name_builder.ts";

const EMPTY_SEQUENCE_SIZE = 2;

/** The issuer that signs. */
export interface Signer {
  readonly privateKey: KeyObject;
  /** Its subject, as DER. */
  readonly subject: Uint8Array<ArrayBuffer>;
  /** Its public key, as DER. */
  readonly spki: Uint8Array<ArrayBuffer>;
}

/** An extension that is put in as it stands. */
export interface RawExtension {
  /** Its object identifier. */
  readonly oid: string;
  /** Whether a verifier that does not know the extension must reject the certificate. */
  readonly critical: boolean;
  /** What is in it, as DER. */
  readonly value: Uint8Array<ArrayBuffer>;
}

/** The content of a certificate to be built. */
export interface CertificateTemplate {
  /** The subject, as DER. */
  readonly subject: Uint8Array<ArrayBuffer>;
  /** The public key, as DER. */
  readonly spki: Uint8Array<ArrayBuffer>;
  /** Upper-case hexadecimal digits. */
  readonly serial: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly isCa: boolean;
  readonly pathLen: number | undefined;
  /** Absent from the certificate when empty. */
  readonly keyUsage: readonly KeyUsage[];
  /** Object identifiers. Absent from the certificate when empty. */
  readonly extendedKeyUsage: readonly string[];
  readonly names: NameLists;
  readonly extensions: readonly RawExtension[];
}

/** Makes a version 3 certificate, RFC 5280 section 4.1, and signs it. Returns its DER. */
export function buildCertificate(content: CertificateTemplate, signer: Signer): Uint8Array<ArrayBuffer> {
  const algorithm = signatureAlgorithm(signer.privateKey);
  const certificate = new pkijs.Certificate({
    version: 2,
    serialNumber: integer(content.serial),
    signature: algorithm,
    issuer: pkijs.RelativeDistinguishedNames.fromBER(signer.subject),
    notBefore: time(content.notBefore),
    notAfter: time(content.notAfter),
    subject: pkijs.RelativeDistinguishedNames.fromBER(content.subject),
    subjectPublicKeyInfo: pkijs.PublicKeyInfo.fromBER(content.spki),
    extensions: extensionsOf(content, signer),
  });
  return signed(certificate.encodeTBS(), signer.privateKey);
}

/** Puts what is to be signed, the algorithm and the signature together: RFC 5280 sections 4.1 and 5.1. */
export function signed(tbs: asn1js.Sequence, privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  const hash = privateKey.asymmetricKeyType === "ed25519" ? null : curveHash(privateKey);
  const signature = sign(hash, new Uint8Array(tbs.toBER()), privateKey);
  const value = [
    tbs,
    signatureAlgorithm(privateKey).toSchema(),
    new asn1js.BitString({ valueHex: new Uint8Array(signature).buffer }),
  ];
  return new Uint8Array(new asn1js.Sequence({ value }).toBER());
}

/** The name of the algorithm that a key of this kind signs with. */
export function signatureAlgorithm(privateKey: KeyObject): pkijs.AlgorithmIdentifier {
  if (privateKey.asymmetricKeyType === "rsa") {
    // RFC 4055 section 5: the parameters of the RSA algorithms must be there, and NULL.
    return new pkijs.AlgorithmIdentifier({
      algorithmId: "1.2.840.113549.1.1.11",
      algorithmParams: new asn1js.Null(),
    });
  }
  if (privateKey.asymmetricKeyType === "ed25519") {
    return new pkijs.AlgorithmIdentifier({ algorithmId: "1.3.101.112" });
  }
  const place = { sha256: 2, sha384: 3, sha512: 4 }[curveHash(privateKey)];
  return new pkijs.AlgorithmIdentifier({ algorithmId: `1.2.840.10045.4.3.${place}` });
}

/** A time as RFC 5280 section 4.1.2.5 wants it: of two digits until 2049, of four from 2050 on. */
export function time(value: Date): pkijs.Time {
  const whole = new Date(Math.floor(value.getTime() / 1000) * 1000);
  return new pkijs.Time({ type: whole.getUTCFullYear() < 2050 ? 0 : 1, value: whole });
}

/** A whole number from upper-case or lower-case hexadecimal digits. Never negative. */
export function integer(hex: string): asn1js.Integer {
  return asn1js.Integer.fromBigInt(BigInt(`0x${hex}`));
}

/** An extension of this content. */
export function extension(oid: string, critical: boolean, value: ArrayBuffer): pkijs.Extension {
  return new pkijs.Extension({ extnID: oid, critical, extnValue: value });
}

/** The identifier of a public key: method 1 of RFC 7093, which needs no SHA-1. */
export function keyIdentifier(spki: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const key = pkijs.PublicKeyInfo.fromBER(spki).subjectPublicKey.valueBlock.valueHexView;
  return new Uint8Array(hash("sha256", key, "buffer").subarray(0, 20));
}

/** The extension that says which key has signed. */
export function authorityKeyIdentifier(signer: Signer): pkijs.Extension {
  const id = new asn1js.OctetString({ valueHex: keyIdentifier(signer.spki).buffer });
  const value = new pkijs.AuthorityKeyIdentifier({ keyIdentifier: id }).toSchema().toBER();
  return extension(Oid.authorityKeyIdentifier, false, value);
}

/** The digest that is as strong as the key: on P-521 the runtime signs with no shorter one. */
function curveHash(privateKey: KeyObject): "sha256" | "sha384" | "sha512" {
  const { namedCurve } = privateKey.asymmetricKeyDetails ?? {};
  if (namedCurve === "secp521r1") return "sha512";
  return namedCurve === "secp384r1" ? "sha384" : "sha256";
}

function extensionsOf(content: CertificateTemplate, signer: Signer): pkijs.Extension[] {
  const { isCa, pathLen, keyUsage, extendedKeyUsage } = content;
  const constraints = new pkijs.BasicConstraints({
    cA: isCa,
    ...(pathLen === undefined ? {} : { pathLenConstraint: pathLen }),
  });
  const ski = new asn1js.OctetString({ valueHex: keyIdentifier(content.spki).buffer });
  const list = [
    extension(Oid.basicConstraints, true, constraints.toSchema().toBER()),
    extension(Oid.subjectKeyIdentifier, false, ski.toBER()),
    authorityKeyIdentifier(signer),
  ];
  if (keyUsage.length > 0) list.push(extension(Oid.keyUsage, true, keyUsageBits(keyUsage).toBER()));
  if (extendedKeyUsage.length > 0) {
    const purposes = new pkijs.ExtKeyUsage({ keyPurposes: [...extendedKeyUsage] });
    list.push(extension(Oid.extendedKeyUsage, false, purposes.toSchema().toBER()));
  }
  const names = generalNames(content.names);
  if (names.names.length > 0) {
    // Without a subject these are the only names, and critical: RFC 5280 section 4.2.1.6.
    const critical = content.subject.length === EMPTY_SEQUENCE_SIZE;
    list.push(extension(Oid.subjectAltName, critical, names.toSchema().toBER()));
  }
  const more = content.extensions.map(({ oid, critical, value }) => extension(oid, critical, value.buffer));
  return [...list, ...more];
}

/** The usages as bits, the first the highest, without zeros at the end: DER for a list of named bits. */
function keyUsageBits(usages: readonly KeyUsage[]): asn1js.BitString {
  const places = usages.map((usage) => KEY_USAGES.indexOf(usage));
  const last = Math.max(...places);
  const bytes = new Uint8Array((last >> 3) + 1);
  for (const place of places) bytes[place >> 3]! |= 0x80 >> (place & 7);
  return new asn1js.BitString({ valueHex: bytes.buffer, unusedBits: 7 - (last & 7) });
}
