import { DerNode, Tag, unreadable } from "./der.ts";

import { Oid } from "./oids.ts";
import { type PssParams, pssParamsOf } from "./pss_params.ts";

/** The curves, as the runtime calls them, on which our own keys can be: those that its TLS knows. */
export const CURVES: readonly string[] = ["prime256v1", "secp384r1", "secp521r1"];

/** RSA keys with fewer bits are too weak. */
export const MIN_RSA_BITS = 2048;
/** RSA keys with more bits are slow, and in no use. */
export const MAX_RSA_BITS = 8192;

/** The curves on which CAs may sign, of 224 bits and more, by their object identifiers: SEC 2 and RFC 5639. */
export const CURVE_NAMES: ReadonlyMap<string, string> = new Map([
  ["1.3.132.0.33", "secp224r1"],
  ["1.2.840.10045.3.1.7", "prime256v1"],
  ["1.3.132.0.34", "secp384r1"],
  ["1.3.132.0.35", "secp521r1"],
  ["1.3.132.0.10", "secp256k1"],
  ["1.3.36.3.3.2.8.1.1.7", "brainpoolP256r1"],
  ["1.3.36.3.3.2.8.1.1.11", "brainpoolP384r1"],
  ["1.3.36.3.3.2.8.1.1.13", "brainpoolP512r1"],
]);

/** A public key by its kind, with the numbers that a signature is checked with. */
export type PublicKeyInfo =
  | {
    readonly kind: "rsa";
    /** The length of the modulus. */
    readonly bits: number;
    readonly modulus: bigint;
    readonly exponent: bigint;
    /** Whether the key is for RSASSA-PSS alone, RFC 4055 section 1.2. */
    readonly isPssOnly: boolean;
    /** The parameters that such a key is bound to. */
    readonly pss: PssParams | undefined;
  }
  | {
    readonly kind: "ec";
    /** The name of the curve as OpenSSL has it. */
    readonly curve: string;
    /** The point in the form of SEC 1 section 2.3.3. */
    readonly point: Uint8Array;
  }
  | { readonly kind: "ed25519" | "ed448" }
  | {
    readonly kind: "unsupported";
    /** What the key is, in words. */
    readonly name: string;
  };

const EC_OID = "1.2.840.10045.2.1";
const RSA_PSS_OID = "1.2.840.113549.1.1.10";
const EDWARDS: ReadonlyMap<string, "ed25519" | "ed448"> = new Map([
  ["1.3.101.112", "ed25519"],
  ["1.3.101.113", "ed448"],
]);
const OTHERS: ReadonlyMap<string, string> = new Map([
  ["1.2.840.10040.4.1", "DSA"],
  ["1.3.101.110", "X25519"],
  ["1.3.101.111", "X448"],
]);
/** Larger ones are in no use, and make each check of a signature slow. */
const MAX_EXPONENT = 2n ** 33n;

/**
 * Reads a public key, RFC 5280 section 4.1 (SubjectPublicKeyInfo).
 *
 * @throws {CulvertError} `bad_certificate` when it is malformed.
 */
export function readPublicKey(spki: Uint8Array): PublicKeyInfo {
  const [algorithm, bits] = DerNode.whole(spki).children(Tag.sequence, 2);
  if (bits === undefined) throw unreadable("its public key is malformed");
  const [type, params] = algorithm!.children(Tag.sequence, 2);
  const octets = bits.content(Tag.bitString);
  if (type === undefined || octets[0] !== 0) throw unreadable("its public key is malformed");
  const oid = type.oid();
  const key = octets.subarray(1);
  if (oid === Oid.rsaEncryption) return rsaKey(key, { isPssOnly: false, pss: undefined });
  if (oid === RSA_PSS_OID) {
    return rsaKey(key, { isPssOnly: true, pss: params === undefined ? undefined : pssParamsOf(params) });
  }
  if (oid === EC_OID) return ecKey(params, key);
  const edwards = EDWARDS.get(oid);
  return edwards === undefined ? { kind: "unsupported", name: OTHERS.get(oid) ?? oid } : { kind: edwards };
}

/** Why signatures by this key are not accepted; `undefined` for a key that is good enough. */
export function keyFault(key: PublicKeyInfo): string | undefined {
  switch (key.kind) {
    case "unsupported":
      return `its key is of a kind that is not supported: ${key.name}`;
    case "rsa":
      if (key.bits < MIN_RSA_BITS) {
        return `its RSA key of ${key.bits} bits is too short (at least ${MIN_RSA_BITS})`;
      }
      if (key.bits > MAX_RSA_BITS) {
        return `its RSA key of ${key.bits} bits is too long (at most ${MAX_RSA_BITS})`;
      }
      if (key.exponent < 3n || key.exponent >= MAX_EXPONENT || key.exponent % 2n === 0n) {
        return "its RSA key has an exponent that is not supported";
      }
      return undefined;
    default:
      return undefined;
  }
}

function rsaKey(
  key: Uint8Array,
  options: { readonly isPssOnly: boolean; readonly pss: PssParams | undefined },
): PublicKeyInfo {
  const [modulus, exponent] = DerNode.whole(key).children(Tag.sequence, 2);
  if (exponent === undefined) throw unreadable("its public key is malformed");
  const n = modulus!.positive();
  return { kind: "rsa", bits: bitLength(n), modulus: n, exponent: exponent.positive(), ...options };
}

function bitLength(number: bigint): number {
  const digits = number.toString(16);
  return digits.length * 4 + 28 - Math.clz32(parseInt(digits[0]!, 16));
}

function ecKey(params: DerNode | undefined, point: Uint8Array): PublicKeyInfo {
  if (params?.tag !== Tag.oid) return { kind: "unsupported", name: "EC with explicit parameters" };
  const oid = params.oid();
  const curve = CURVE_NAMES.get(oid);
  return curve === undefined
    ? { kind: "unsupported", name: `EC on a curve that is not supported (${oid})` }
    : { kind: "ec", curve, point };
}
