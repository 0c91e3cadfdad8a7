import { generateKeyPair, type KeyObject } from "node:crypto";

/** The kinds of keys that are made here. */
export const KEY_ALGORITHMS = ["ecdsa-p256", "ecdsa-p384", "rsa-2048", "ed25519"] as const;

/** One of {@linkcode KEY_ALGORITHMS}. */
export type KeyAlgorithm = typeof KEY_ALGORITHMS[number];

/** Makes a new private key. */
export function generateKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, _: KeyObject, privateKey: KeyObject) =>
      error === null ? resolve(privateKey) : reject(error);
    if (algorithm === "rsa-2048") generateKeyPair("rsa", { modulusLength: 2048 }, done);
    else if (algorithm === "ed25519") generateKeyPair("ed25519", undefined, done);
    else generateKeyPair("ec", { namedCurve: algorithm === "ecdsa-p256" ? "P-256" : "P-384" }, done);
  });
}

/** Of which kind a private key is. Others than those that are made here count as ECDSA with P-256. */
export function algorithmOf(privateKey: KeyObject): KeyAlgorithm {
  if (privateKey.asymmetricKeyType === "rsa") return "rsa-2048";
  if (privateKey.asymmetricKeyType === "ed25519") return "ed25519";
  return privateKey.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "ecdsa-p384" : "ecdsa-p256";
}
