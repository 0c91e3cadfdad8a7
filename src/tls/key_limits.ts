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
