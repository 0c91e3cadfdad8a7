import { sha224, sha256, sha384, sha512 } from "@noble/hashes/sha2.js";
import { mgf1, PKCS1_SHA224, PKCS1_SHA256, PKCS1_SHA384, PKCS1_SHA512, PSS } from "micro-rsa-dsa-dh/rsa.js";

const HASHES = { sha224, sha256, sha384, sha512 } as const;
const PKCS1 = {
  sha224: PKCS1_SHA224,
  sha256: PKCS1_SHA256,
  sha384: PKCS1_SHA384,
  sha512: PKCS1_SHA512,
} as const;

/** A digest of SHA-2, as the runtime calls it. */
export type HashName = keyof typeof HASHES;

/**
 * Checks an RSA signature in JavaScript, for what the runtime cannot check: keys of more than 4,096 bits, and
 * RSASSA-PSS with two digests. RFC 8017 sections 8.1.2 and 8.2.2. Takes some milliseconds for 8,192 bits.
 *
 * @throws {Error} when the signature is malformed.
 */
export function verifyRsa(check: {
  readonly hash: HashName;
  /** Absent for RSASSA-PKCS1-v1_5. */
  readonly pss: { readonly mgfHash: HashName; readonly saltLength: number } | undefined;
  readonly key: { readonly modulus: bigint; readonly exponent: bigint };
  readonly bytes: Uint8Array;
  readonly signature: Uint8Array;
}): boolean {
  const { hash, pss, bytes, signature } = check;
  const key = { n: check.key.modulus, e: check.key.exponent };
  if (pss === undefined) return PKCS1[hash].verify(key, bytes, signature);
  return PSS(HASHES[hash], mgf1(HASHES[pss.mgfHash]), pss.saltLength).verify(key, bytes, signature);
}
