import type { KeyObject } from "node:crypto";
import type { Certificate } from "./certificate.ts";

/** What a certificate is signed with, and its key, by OpenSSL's names. Absent: of a kind without such a name. */
export interface CertificateAlgorithms {
  /** Such as `RSA-SHA256` or `ecdsa-with-SHA256`. */
  readonly signatureAlgorithm?: string;
  /** Such as `RSA2048` or `EC256`. */
  readonly keyAlgorithm?: string;
}

/** OpenSSL's short names (`OBJ_nid2sn`). */
const SIGNATURE_NAMES: Readonly<Record<string, string>> = {
  "1.2.840.113549.1.1.5": "RSA-SHA1",
  "1.2.840.113549.1.1.10": "RSASSA-PSS",
  "1.2.840.113549.1.1.11": "RSA-SHA256",
  "1.2.840.113549.1.1.12": "RSA-SHA384",
  "1.2.840.113549.1.1.13": "RSA-SHA512",
  "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
  "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
  "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
  "1.3.101.112": "ED25519",
};
const CURVE_BITS: Readonly<Record<string, number>> = { prime256v1: 256, secp384r1: 384, secp521r1: 521 };

/** The algorithms of a certificate as HAProxy tells them in PROXY headers and log formats. */
export function algorithmsOf(certificate: Certificate): CertificateAlgorithms {
  const signatureAlgorithm = SIGNATURE_NAMES[certificate.signed.algorithm.oid];
  const keyAlgorithm = keyName(certificate.publicKey());
  return { ...(signatureAlgorithm && { signatureAlgorithm }), ...(keyAlgorithm && { keyAlgorithm }) };
}

/** As HAProxy, only of RSA and EC keys. */
function keyName(key: KeyObject | undefined): string | undefined {
  const { namedCurve = "", modulusLength } = key?.asymmetricKeyDetails ?? {};
  if (key?.asymmetricKeyType === "rsa") return `RSA${modulusLength}`;
  const bits = CURVE_BITS[namedCurve];
  return bits === undefined ? undefined : `EC${bits}`;
}
