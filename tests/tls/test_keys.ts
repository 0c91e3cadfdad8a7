import { createPrivateKey, type KeyObject } from "node:crypto";
import { generateKey, type KeyAlgorithm } from "../../src/tls/authority/generate_key.ts";

const FILE = new URL("rsa_keys.pem", import.meta.url);
let turn = 0;

/**
 * A key for tests, in the place of `generateKey`. Those of RSA, which take the runtime half a second each, come from a
 * file, in turn.
 */
export async function testKey(algorithm: KeyAlgorithm): Promise<KeyObject> {
  if (algorithm !== "rsa-2048") return await generateKey(algorithm);
  const keys = (await Deno.readTextFile(FILE)).split(/(?=-----BEGIN)/).slice(1);
  return createPrivateKey(keys[turn++ % keys.length]!);
}
