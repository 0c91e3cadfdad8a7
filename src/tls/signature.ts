import { constants, type KeyObject, verify } from "node:crypto";
import * as pkijs from "pkijs";
import type { Certificate, SignedPart } from "./certificate.ts";
import { CURVES, MIN_RSA_BITS } from "./key_limits.ts";

/** How the runtime is told to check a signature. */
interface Scheme {
  readonly keyTypes: readonly string[];
  readonly hash: string | null;
  /** Present for RSASSA-PSS. */
  readonly saltLength?: number;
}

const RSA = ["rsa"];
const EC = ["ec"];
const PSS_OID = "1.2.840.113549.1.1.10";

/**
 * SHA-1 and MD5 are left out on purpose: who can make two of the same hash can make a CA sign what it never
 * saw.
 */
const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ["1.2.840.113549.1.1.11", { keyTypes: RSA, hash: "sha256" }],
  ["1.2.840.113549.1.1.12", { keyTypes: RSA, hash: "sha384" }],
  ["1.2.840.113549.1.1.13", { keyTypes: RSA, hash: "sha512" }],
  ["1.2.840.10045.4.3.2", { keyTypes: EC, hash: "sha256" }],
  ["1.2.840.10045.4.3.3", { keyTypes: EC, hash: "sha384" }],
  ["1.2.840.10045.4.3.4", { keyTypes: EC, hash: "sha512" }],
  ["1.3.101.112", { keyTypes: ["ed25519"], hash: null }],
]);
const HASHES: ReadonlyMap<string, string> = new Map([
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);

/**
 * By which key (its DER in hexadecimal digits) each certificate was found to be signed when it was let in. One
 * for each, as strangers can make any number of issuers with a key that fits; it lives as long as the
 * certificate is remembered.
 */
const signers = new WeakMap<Certificate, string>();

/** Whether `issuer` has signed `certificate`. An ECDSA signature takes half a millisecond to check. */
export function isSignedBy(certificate: Certificate, issuer: Certificate): boolean {
  return checkSignature(certificate.signed, issuer);
}

/** Whether the key of `issuer` is the one that is remembered to have signed `certificate`. */
export function isKnownSigner(issuer: Certificate, certificate: Certificate): boolean {
  const key = signers.get(certificate);
  return key !== undefined && key === issuer.spki.toHex();
}

/** Remembers that `issuer` has signed `certificate`, which must have been checked. */
export function rememberSigner(certificate: Certificate, issuer: Certificate): void {
  signers.set(certificate, issuer.spki.toHex());
}

/**
 * Checks a signature by the key of `issuer`: RSA (2048 bits and more) and RSASSA-PSS, ECDSA with P-256, P-384
 * and P-521, each with SHA-2, and Ed25519. Anything else is no good signature.
 */
export function checkSignature(part: SignedPart, issuer: Certificate): boolean {
  const key = issuer.publicKey();
  if (key === undefined || !isStrong(key)) return false;
  try {
    const scheme = schemeOf(part.algorithm);
    if (scheme === undefined || !scheme.keyTypes.includes(key.asymmetricKeyType ?? "")) return false;
    const { hash, saltLength } = scheme;
    if (saltLength === undefined) return verify(hash, part.bytes, key, part.signature);
    const padding = constants.RSA_PKCS1_PSS_PADDING;
    return verify(hash, part.bytes, { key, padding, saltLength }, part.signature);
  } catch {
    // A signature that can't even be read as one is a bad one.
    return false;
  }
}

function isStrong(key: KeyObject): boolean {
  const { namedCurve, modulusLength } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === "ec") return namedCurve !== undefined && CURVES.includes(namedCurve);
  return modulusLength === undefined || modulusLength >= MIN_RSA_BITS;
}

function schemeOf(algorithm: pkijs.AlgorithmIdentifier): Scheme | undefined {
  if (algorithm.algorithmId !== PSS_OID) return SCHEMES.get(algorithm.algorithmId);
  // RFC 4055 section 3.1. Both hashes must be the same, as everywhere in practice: the runtime takes only
  // one.
  const params = new pkijs.RSASSAPSSParams({ schema: algorithm.algorithmParams });
  const hash = HASHES.get(params.hashAlgorithm.algorithmId);
  const mgf = params.maskGenAlgorithm.algorithmParams;
  const mgfHash = new pkijs.AlgorithmIdentifier({ schema: mgf }).algorithmId;
  if (hash === undefined || mgfHash !== params.hashAlgorithm.algorithmId) return undefined;
  return { keyTypes: ["rsa", "rsa-pss"], hash, saltLength: params.saltLength };
}
