import { assert, assertEquals } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { verifyChain } from "../../../src/tls/x509/path/chain.ts";
import { type Crl } from "../../../src/tls/x509/crl/crl.ts";
import { parseCrls } from "../../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../../src/tls/x509/crl/set.ts";
import { readIdentity } from "../../../src/tls/x509/identity.ts";
import { TrustStore } from "../../../src/tls/x509/path/trust_store.ts";
import { seededBytes } from "../../support/bytes.ts";
import { derOf } from "../pki.ts";
import { testKey } from "../test_keys.ts";

const ROUNDS = 700;

/** Changes a few bytes, or cuts, repeats or puts something in; always the same for the same seed. */
function mutate(original: Uint8Array, seed: number): Uint8Array {
  const random = seededBytes(64, seed * 2_654_435_761);
  let used = 8;
  const next = (below: number) => {
    const value = (random[used]! << 16 | random[used + 1]! << 8 | random[used + 2]!) % below;
    used += 3;
    return value;
  };
  let bytes = new Uint8Array(original);
  for (let i = next(4); i >= 0; i--) {
    const at = next(bytes.length);
    switch (next(6)) {
      case 0:
        bytes = bytes.slice(0, at + 1);
        break;
      case 1:
        bytes = new Uint8Array([...bytes.slice(0, at), ...bytes.slice(next(bytes.length))]);
        break;
      case 2:
        bytes = new Uint8Array([...bytes.slice(0, at), next(256), ...bytes.slice(at)]);
        break;
      case 3:
        bytes[at]! ^= 1 << next(8);
        break;
      default:
        bytes[at] = next(256);
    }
    if (bytes.length === 0) return bytes;
  }
  return bytes;
}

/** What `work` gives, or `undefined` where it refuses; any other error than ours is a bug. */
function orRefused<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof CulvertError && error.code === "bad_certificate") return undefined;
    throw error;
  }
}

for (const algorithm of ["ecdsa-p256", "rsa-2048"] as const) {
  Deno.test(`no mutated certificate is accepted, and none breaks anything, with ${algorithm}`, async () => {
    const ca = await createAuthority({ algorithm, newKey: testKey });
    const intermediate = await ca.issueIntermediate();
    const { chainPem } = await intermediate.issueClient({
      ...{
        cn: ["a,b", "c"],
        ou: "d",
        dns: ["a.test", "*.b.test"],
        uri: "spiffe://x/a",
        ip: ["10.0.0.1", "::1"],
      },
    });
    const [leaf, middle] = derOf(chainPem);
    const options = { trust: new TrustStore(ca.certPem), now: new Date(), usage: "client" } as const;
    assert(verifyChain([leaf!, middle!], options).trusted);
    let read = 0;
    for (let seed = 1; seed <= ROUNDS; seed++) {
      const bad = mutate(leaf!, seed);
      if (bad.toHex() === leaf!.toHex()) continue;
      if (orRefused(() => readIdentity(bad)) !== undefined) read++;
      assertEquals(verifyChain([bad, middle!], options).trusted, false, `seed ${seed} of the leaf`);
      const badMiddle = mutate(middle!, seed);
      if (badMiddle.toHex() === middle!.toHex()) continue;
      assertEquals(verifyChain([leaf!, badMiddle], options).trusted, false, `seed ${seed} of the CA`);
    }
    // Or nothing was tried but the reader's first lines.
    assert(read > ROUNDS / 20, `only ${read} could be read`);
  });
}

Deno.test("no mutated CRL makes a revoked certificate acceptable, and none breaks anything", async () => {
  const ca = await createAuthority();
  const { certPem, serial } = await ca.issueClient({ cn: "a" });
  ca.revoke("01");
  ca.revoke(serial, { reason: "keyCompromise" });
  ca.revoke("02", { reason: "superseded" });
  const [leaf] = derOf(certPem);
  const [crl] = derOf(ca.crl());
  const trust = new TrustStore(ca.certPem);
  let read = 0;
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const bad = mutate(crl!, seed);
    const crls = orRefused((): Crl[] => parseCrls(bad));
    if (crls === undefined) continue;
    read++;
    for (const one of crls) orRefused(() => one.find(serial));
    const verdict = verifyChain([leaf!], { trust, crls: new CrlSet(crls), now: new Date(), usage: "client" });
    assertEquals(verdict.trusted, false, `seed ${seed}`);
  }
  assert(read > ROUNDS / 20, `only ${read} could be read`);
});
