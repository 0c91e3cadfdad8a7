import { constants, createHash, createVerify, type KeyObject, type Verify, verify } from "node:crypto";
import { CulvertError, describeError } from "../../../core/errors.ts";
import type { Steps } from "../../../core/slices.ts";
import type { Certificate, SignedPart } from "../certificate.ts";
import { keyFault, type PublicKeyInfo } from "../public_key.ts";
import { type Scheme, schemeOf } from "./signature_scheme.ts";
import { isSoftwareCurve, verifyEcdsa } from "./software_curves.ts";
import { verifyRsa } from "./software_rsa.ts";

/** Why a signature cannot be relied on. */
export interface SignatureFault {
  /** `wrong`: it was checked, and is not the issuer's. `unsupported`: it cannot be checked here. */
  readonly kind: "wrong" | "unsupported";
  /** The same in words, about what is signed (`its signature …`). */
  readonly detail: string;
}

/** What is signed, perhaps hashed already. */
export interface HashedPart extends SignedPart {
  /** Has been given all of `bytes`; good for one check. */
  readonly hashed?: Verify;
}

/** So many octets are hashed between two places where the work may pause: half a millisecond's worth. */
const HASH_STEP_BYTES = 262_144;
/** The longest RSA keys that the runtime can work with. */
const MAX_RUNTIME_RSA_BITS = 4096;
/** The runtime finds every signature wrong whose digest has fewer octets than half of what P-521 takes. */
const SHORT_DIGESTS: readonly string[] = ["sha224", "sha256"];

/**
 * The key (its DER in hexadecimal digits) that has signed each accepted certificate. One for each, as a peer can make any number of issuers with a matching key; it lives as long as the
 * certificate is cached.
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

/** Whether a signature by the key of `issuer` is good: see {@linkcode signatureFault}. */
export function checkSignature(part: SignedPart, issuer: Certificate): boolean {
  return signatureFault(part, issuer) === undefined;
}

/**
 * Checks a signature by the key of `issuer`: RSA (PKCS #1 v1.5 and PSS with any salt, 2,048 to 8,192 bits), ECDSA
 * (P-224 to P-521, secp256k1, Brainpool), each with SHA-2, and Ed25519 and Ed448. `undefined` for a good one.
 * What the runtime cannot check is checked in JavaScript, which takes up to 20 ms: {@linkcode isSlowToCheck}.
 */
export function signatureFault(part: HashedPart, issuer: Certificate): SignatureFault | undefined {
  try {
    const key = issuer.keyInfo;
    const fault = keyFault(key);
    if (fault !== undefined) return { kind: "unsupported", detail: `its issuer cannot be used: ${fault}` };
    const scheme = schemeOf(part.algorithm);
    if (typeof scheme === "string") {
      return { kind: "unsupported", detail: `its signature algorithm is not supported (${scheme})` };
    }
    const mismatch = mismatchOf(scheme, key);
    if (mismatch !== undefined) return { kind: "wrong", detail: mismatch };
    if (isGood(part, { scheme, key, issuer })) return undefined;
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
    return { kind: "unsupported", detail: `its signature cannot be checked: ${describeError(error)}` };
  }
  return { kind: "wrong", detail: "its signature is not its issuer's" };
}

/**
 * Hashes a large part in slices for the next check of its signature. A small part, and one whose scheme has no digest of
 * its own, is left as it is.
 */
export function* hashInSteps(part: SignedPart): Steps<HashedPart> {
  const scheme = schemeOf(part.algorithm);
  if (typeof scheme === "string" || !("hash" in scheme) || part.bytes.length <= HASH_STEP_BYTES) return part;
  const hashed = createVerify(scheme.hash);
  for (let at = 0; at < part.bytes.length; at += HASH_STEP_BYTES) {
    hashed.update(part.bytes.subarray(at, at + HASH_STEP_BYTES));
    yield;
  }
  return { ...part, hashed };
}

/** Whether {@linkcode signatureFault} would work in JavaScript, 20 times as long as usual. */
export function isSlowToCheck(part: SignedPart, issuer: Certificate): boolean {
  const scheme = schemeOf(part.algorithm);
  const key = issuer.keyInfo;
  return typeof scheme !== "string" && mismatchOf(scheme, key) === undefined && needsSoftware(scheme, key);
}

/** What says without any checking that a signature cannot be of this key. */
function mismatchOf(scheme: Scheme, key: PublicKeyInfo): string | undefined {
  const wanted = scheme.kind === "pss" ? "rsa" : scheme.kind;
  const isPssOnly = key.kind === "rsa" && key.isPssOnly;
  if (wanted !== key.kind || (isPssOnly && scheme.kind !== "pss")) {
    return `its signature algorithm (${scheme.name}) is not one of its issuer's key`;
  }
  if (scheme.kind !== "pss" || key.kind !== "rsa" || key.pss === undefined) return undefined;
  // RFC 4055 section 3.3: the digests are the key's, and the salt is at least as long.
  const { hash, mgfHash, saltLength } = scheme.params;
  const isWithin = hash === key.pss.hash && mgfHash === key.pss.mgfHash && saltLength >= key.pss.saltLength;
  return isWithin ? undefined : "its signature has other parameters than its issuer's key is bound to";
}

function needsSoftware(scheme: Scheme, key: PublicKeyInfo): boolean {
  if (key.kind === "ec") {
    const isShort = scheme.kind === "ec" && SHORT_DIGESTS.includes(scheme.hash);
    return key.curve === "secp521r1" ? isShort : isSoftwareCurve(key.curve);
  }
  if (key.kind !== "rsa") return false;
  return key.bits > MAX_RUNTIME_RSA_BITS || (scheme.kind === "pss" && scheme.hash !== scheme.mgfHash);
}

function isGood(
  part: HashedPart,
  options: { readonly scheme: Scheme; readonly key: PublicKeyInfo; readonly issuer: Certificate },
): boolean {
  const { scheme, key, issuer } = options;
  try {
    if (needsSoftware(scheme, key)) return isGoodInSoftware(part, scheme, key);
  } catch {
    // A signature that can't even be read as one is a wrong one.
    return false;
  }
  const runtimeKey = issuer.publicKey();
  if (runtimeKey === undefined) throw new CulvertError("bad_certificate", "its issuer's key is malformed");
  return isGoodInRuntime(part, scheme, runtimeKey);
}

function isGoodInRuntime({ bytes, signature, hashed }: HashedPart, scheme: Scheme, key: KeyObject): boolean {
  try {
    if (!("hash" in scheme)) return verify(null, bytes, key, signature);
    const { hash } = scheme;
    const how = "saltLength" in scheme
      ? { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength }
      : key;
    return hashed?.verify(how, signature) ?? verify(hash, bytes, how, signature);
  } catch {
    return false;
  }
}

function isGoodInSoftware({ bytes, signature }: SignedPart, scheme: Scheme, key: PublicKeyInfo): boolean {
  if (scheme.kind === "ec" && key.kind === "ec") {
    const digest = createHash(scheme.hash).update(bytes).digest();
    return verifyEcdsa(key.curve, { digest: new Uint8Array(digest), point: key.point, signature });
  }
  if (key.kind !== "rsa" || (scheme.kind !== "rsa" && scheme.kind !== "pss")) return false;
  const pss = scheme.kind === "pss" ? scheme : undefined;
  return verifyRsa({ hash: scheme.hash, pss, key, bytes, signature });
}
