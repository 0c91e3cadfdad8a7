import { createPrivateKey, type KeyObject } from "node:crypto";
import { generateKey, type KeyAlgorithm } from "../../src/tls/authority/generate_key.ts";

/** Keys for tests alone: the runtime takes half a second for one of RSA. */
const RSA_KEYS = Deno.readTextFileSync(new URL("rsa_keys.pem", import.meta.url))
  .split(/(?=-----BEGIN)/)
  .filter((text) => text.startsWith("-----BEGIN"));
let turn = 0;

/** A key for tests, in the place of `generateKey`. Those of RSA are given out in turn. */
export function testKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  if (algorithm !== "rsa-2048") return generateKey(algorithm);
  return Promise.resolve(createPrivateKey(RSA_KEYS[turn++ % RSA_KEYS.length]!));
}
