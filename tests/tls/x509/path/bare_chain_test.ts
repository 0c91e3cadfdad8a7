import { assertEquals } from "@std/assert";
import { verifyChain } from "../../../../src/tls/x509/path/chain.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import { type Bare, bareCertificate, keyOf } from "../bare_certificate.ts";
import { derOf } from "../../pki.ts";

/** Basic constraints that say: a CA. */
const CA = { oid: "2.5.29.19", critical: true, value: Uint8Array.fromHex("30030101ff") };

/** What is found of a chain, the leaf first, where these are trusted. */
function verdictOn(chain: readonly Bare[], trusted: readonly Bare[]): string {
  const verdict = verifyChain(derOf(...chain.map(({ certPem }) => certPem)), {
    trust: new TrustStore(trusted.map(({ certPem }) => certPem).join("")),
    now: new Date(),
    usage: "client",
  });
  return verdict.trusted ? "trusted" : verdict.reason;
}

Deno.test("a trusted certificate without basic constraints may issue only with version 1", () => {
  for (const [version, expected] of [[1, "trusted"], [3, "wrong-usage"]] as const) {
    const root = bareCertificate({ cn: "root", version });
    assertEquals(verdictOn([bareCertificate({ cn: "a", issuer: root })], [root]), expected, `v${version}`);
    // It is a good leaf all the same.
    assertEquals(verdictOn([root], [root]), "trusted");
  }
  const said = bareCertificate({ cn: "root", extensions: [CA] });
  assertEquals(verdictOn([bareCertificate({ cn: "a", issuer: said })], [said]), "trusted");
});

Deno.test("a sent certificate without basic constraints may not issue", () => {
  const root = bareCertificate({ cn: "root", extensions: [CA] });
  for (const version of [1, 3] as const) {
    const middle = bareCertificate({ cn: "middle", issuer: root, version });
    const leaf = bareCertificate({ cn: "a", issuer: middle });
    assertEquals(verdictOn([leaf, middle], [root]), "wrong-usage", `v${version}`);
    // And not because of anything else.
    assertEquals(verdictOn([middle], [root]), "trusted");
  }
});

Deno.test("a signature by a key that is too weak is called unsupported", () => {
  const privateKey = keyOf({ rsa: 1024 });
  const weak = bareCertificate({ cn: "weak", privateKey, extensions: [CA] });
  const leaf = bareCertificate({ cn: "a", issuer: weak });
  assertEquals(verdictOn([leaf], [weak]), "unsupported-signature");
  const root = bareCertificate({ cn: "root", extensions: [CA] });
  const middle = bareCertificate({ cn: "middle", issuer: root, privateKey, extensions: [CA] });
  const chain = [bareCertificate({ cn: "a", issuer: middle }), middle];
  assertEquals(verdictOn(chain, [root]), "unsupported-signature");
});

Deno.test("a signature that is slow to check is checked only by keys that lead to a trusted CA", () => {
  // The runtime cannot check signatures on this curve.
  const [privateKey, other] = [keyOf({ curve: "secp256k1" }), keyOf({ curve: "secp256k1" })];
  const root = bareCertificate({ cn: "root", extensions: [CA] });
  const middle = bareCertificate({ cn: "middle", issuer: root, privateKey, extensions: [CA] });
  const leaf = bareCertificate({ cn: "a", issuer: middle });
  const forged = bareCertificate({ cn: "a", issuer: { ...middle, privateKey: other } });
  assertEquals(verdictOn([leaf, middle], [root]), "trusted");
  assertEquals(verdictOn([forged, middle], [root]), "bad-signature");
  assertEquals(verdictOn([forged], [middle]), "bad-signature");
  const untrusted = bareCertificate({ cn: "middle", privateKey, extensions: [CA] });
  assertEquals(verdictOn([forged, untrusted], [root]), "unknown-ca");
  // Its holder has a certificate of the CA, and is none itself.
  const holder = bareCertificate({ cn: "middle", issuer: root, privateKey });
  assertEquals(verdictOn([forged, holder], [root]), "wrong-usage");
  // Four are the most.
  const many = Array.from(
    { length: 5 },
    () => bareCertificate({ cn: "m", issuer: root, privateKey, extensions: [CA] }),
  );
  const lost = bareCertificate({ cn: "a", issuer: { ...many[0]!, privateKey: other } });
  assertEquals(verdictOn([lost, ...many], [root]), "bad-signature");
});

Deno.test("a chain makes us check 16 signatures at the most, those that are remembered aside", () => {
  const root = bareCertificate({ cn: "root", extensions: [CA] });
  const leaf = bareCertificate({ cn: "a", issuer: root });
  // Without identifiers of keys nothing but the signature tells CAs of one name apart.
  const others = Array.from({ length: 16 }, () => bareCertificate({ cn: "root", extensions: [CA] }));
  assertEquals(verdictOn([leaf], [...others, root]), "bad-signature");
  assertEquals(verdictOn([leaf], [...others.slice(1), root]), "trusted");
  assertEquals(verdictOn([leaf], [...others, root]), "trusted");
});

Deno.test("a signature that is remembered is one of a key, not of a name", () => {
  const root = bareCertificate({ cn: "root", extensions: [CA] });
  const leaf = bareCertificate({ cn: "a", issuer: root });
  assertEquals(verdictOn([leaf], [root]), "trusted");
  assertEquals(verdictOn([leaf], [bareCertificate({ cn: "root", extensions: [CA] })]), "bad-signature");
  // The same key with another certificate is as good.
  const renewed = bareCertificate({ cn: "root", extensions: [CA], privateKey: root.privateKey });
  assertEquals(verdictOn([leaf], [renewed]), "trusted");
});

Deno.test("what is sent several times counts once", () => {
  const top = bareCertificate({ cn: "top", extensions: [CA] });
  const middle = bareCertificate({ cn: "middle", issuer: top, extensions: [CA] });
  const leaf = bareCertificate({ cn: "a", issuer: middle });
  const [other, ...more] = Array.from(
    { length: 8 },
    () => bareCertificate({ cn: "middle", extensions: [CA] }),
  );
  const sent = [...Array.from({ length: 9 }, () => other!), middle];
  assertEquals(verdictOn([leaf, ...sent], [top, ...more]), "trusted");
});
