/** The curves, as the runtime calls them, on which keys are good enough, and which its TLS knows. */
export const CURVES: readonly string[] = ["prime256v1", "secp384r1", "secp521r1"];

/** RSA keys with fewer bits are too weak. */
export const MIN_RSA_BITS = 2048;
