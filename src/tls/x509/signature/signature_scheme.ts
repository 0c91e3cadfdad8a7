import type { AlgorithmIdentifier } from "../algorithm_identifier.ts";
import { type PssParams, pssParamsOf } from "../pss_params.ts";
import type { HashName } from "./software_rsa.ts";

/** How a signature was made. */
export type Scheme =
  | { readonly kind: "rsa" | "ec"; readonly name: string; readonly hash: HashName }
  | {
    readonly kind: "pss";
    readonly name: string;
    readonly hash: HashName;
    readonly mgfHash: HashName;
    readonly saltLength: number;
    readonly params: PssParams;
  }
  | { readonly kind: "ed25519" | "ed448"; readonly name: string };

const PSS_OID = "1.2.840.113549.1.1.10";

const SCHEMES: ReadonlyMap<string, Scheme> = new Map([
  ["1.2.840.113549.1.1.14", { kind: "rsa", name: "sha224WithRSAEncryption", hash: "sha224" }],
  ["1.2.840.113549.1.1.11", { kind: "rsa", name: "sha256WithRSAEncryption", hash: "sha256" }],
  ["1.2.840.113549.1.1.12", { kind: "rsa", name: "sha384WithRSAEncryption", hash: "sha384" }],
  ["1.2.840.113549.1.1.13", { kind: "rsa", name: "sha512WithRSAEncryption", hash: "sha512" }],
  ["1.2.840.10045.4.3.1", { kind: "ec", name: "ecdsa-with-SHA224", hash: "sha224" }],
  ["1.2.840.10045.4.3.2", { kind: "ec", name: "ecdsa-with-SHA256", hash: "sha256" }],
  ["1.2.840.10045.4.3.3", { kind: "ec", name: "ecdsa-with-SHA384", hash: "sha384" }],
  ["1.2.840.10045.4.3.4", { kind: "ec", name: "ecdsa-with-SHA512", hash: "sha512" }],
  ["1.3.101.112", { kind: "ed25519", name: "Ed25519" }],
  ["1.3.101.113", { kind: "ed448", name: "Ed448" }],
]);
const HASHES: ReadonlyMap<string, HashName> = new Map([
  ["2.16.840.1.101.3.4.2.4", "sha224"],
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
  ["2.16.840.1.101.3.4.2.3", "sha512"],
]);
/**
 * SHA-1 and MD5 are left out on purpose: with a collision a CA can be made to sign a certificate that it has never
 * seen.
 */
const REFUSED: ReadonlyMap<string, string> = new Map([
  ["1.2.840.113549.1.1.5", "sha1WithRSAEncryption: SHA-1 is too weak"],
  ["1.3.14.3.2.29", "sha1WithRSA: SHA-1 is too weak"],
  ["1.2.840.10045.4.1", "ecdsa-with-SHA1: SHA-1 is too weak"],
  ["1.2.840.10040.4.3", "dsa-with-SHA1: SHA-1 is too weak"],
  ["1.2.840.113549.1.1.4", "md5WithRSAEncryption: MD5 is too weak"],
  ["1.2.840.113549.1.1.2", "md2WithRSAEncryption: MD2 is too weak"],
  ["2.16.840.1.101.3.4.3.1", "dsa-with-SHA224"],
  ["2.16.840.1.101.3.4.3.2", "dsa-with-SHA256"],
]);

/**
 * The scheme that an algorithm identifier names: RFC 3279, RFC 4055, RFC 5758 and RFC 8410. Where it is not
 * supported, its name, and why where there is a reason.
 *
 * @throws {CulvertError} `bad_certificate` when its parameters are malformed.
 */
export function schemeOf({ oid, params: encoded }: AlgorithmIdentifier): Scheme | string {
  if (oid !== PSS_OID) return SCHEMES.get(oid) ?? REFUSED.get(oid) ?? oid;
  if (encoded === undefined) return "RSASSA-PSS with SHA-1: SHA-1 is too weak";
  const params = pssParamsOf(encoded);
  const [hash, mgfHash] = [HASHES.get(params.hash), HASHES.get(params.mgfHash)];
  if (hash === undefined || mgfHash === undefined) {
    return `RSASSA-PSS with the digests ${params.hash} and ${params.mgfHash}: only SHA-2 is strong enough`;
  }
  return { kind: "pss", name: "RSASSA-PSS", hash, mgfHash, saltLength: params.saltLength, params };
}
