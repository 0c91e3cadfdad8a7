import { assertEquals } from "@std/assert";
import { type Certificate } from "../../../../src/tls/x509/certificate.ts";
import { parseFrame } from "../../../../src/tls/x509/read_certificates.ts";
import { verifyChain } from "../../../../src/tls/x509/path/chain.ts";
import { readCrls } from "../../../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../../../src/tls/x509/crl/set.ts";
import { writePem } from "../../../../src/tls/x509/pem.ts";
import type { PolicyInputs } from "../../../../src/tls/x509/path/policy_check.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import { testWithVectors } from "../../../support/vectors.ts";

/**
 * The Public Key Interoperability Test Suite of NIST, version 1.0.1 with the certificates of 2011: each end entity's
 * certificate is verified with all CA certificates of the suite that could be above it, and with all of its CRLs.
 */
const FOLDER = "cryptography_vectors/x509/PKITS_data";
/** A moment at which the suite is to be run: its certificates hold from 2010 to 2030. */
const NOW = new Date("2020-01-01T00:00:00Z");

/** Paths whose verdicts need what is not supported: DSA, delta CRLs, indirect CRLs. All are good but the last. */
const UNSUPPORTED: ReadonlySet<string> = new Set([
  "ValidDSASignaturesTest4",
  "ValidDSAParameterInheritanceTest5",
  "ValidIDPwithindirectCRLTest22",
  "ValidIDPwithindirectCRLTest24",
  "ValidIDPwithindirectCRLTest25",
  "ValidcRLIssuerTest28",
  "ValidcRLIssuerTest29",
  "ValidcRLIssuerTest30",
  "ValidcRLIssuerTest33",
  "ValiddeltaCRLTest2",
  "ValiddeltaCRLTest5",
  "ValiddeltaCRLTest7",
  "ValiddeltaCRLTest8",
  // Only the delta CRL names it.
  "InvaliddeltaCRLTest4",
]);

const explicit: PolicyInputs = { requireExplicitPolicy: true };
/** The policies `NIST-test-policy-1` and so on. */
const wanted = (...numbers: readonly number[]): PolicyInputs => ({
  initialPolicies: new Set(numbers.map((number) => `2.16.840.1.101.3.2.1.48.${number}`)),
});
const explicitly = (...numbers: readonly number[]): PolicyInputs => ({ ...explicit, ...wanted(...numbers) });

/** Sections 4.8 to 4.12, where it depends on what is asked of the policies whether a path is good. */
const POLICIES: readonly (readonly [test: string, inputs: PolicyInputs, good: boolean])[] = [
  ["ValidCertificatePathTest1", explicit, true],
  ["ValidCertificatePathTest1", explicitly(1), true],
  ["ValidCertificatePathTest1", explicitly(2), false],
  ["ValidCertificatePathTest1", explicitly(1, 2), true],
  ["AllCertificatesNoPoliciesTest2", {}, true],
  ["AllCertificatesNoPoliciesTest2", explicit, false],
  ["DifferentPoliciesTest3", {}, true],
  ["DifferentPoliciesTest3", explicit, false],
  ["DifferentPoliciesTest3", explicitly(1, 2), false],
  ["DifferentPoliciesTest4", {}, false],
  ["DifferentPoliciesTest5", {}, false],
  ["OverlappingPoliciesTest6", {}, true],
  ["OverlappingPoliciesTest6", wanted(1), true],
  ["OverlappingPoliciesTest6", wanted(2), false],
  ["DifferentPoliciesTest7", {}, false],
  ["DifferentPoliciesTest8", {}, false],
  ["DifferentPoliciesTest9", {}, false],
  ["AllCertificatesSamePoliciesTest10", {}, true],
  ["AllCertificatesSamePoliciesTest10", wanted(1), true],
  ["AllCertificatesSamePoliciesTest10", wanted(2), true],
  ["AllCertificatesanyPolicyTest11", {}, true],
  ["AllCertificatesanyPolicyTest11", wanted(1), true],
  ["DifferentPoliciesTest12", {}, false],
  ["AllCertificatesSamePoliciesTest13", wanted(1), true],
  ["AllCertificatesSamePoliciesTest13", wanted(2), true],
  ["AllCertificatesSamePoliciesTest13", wanted(3), true],
  ["AnyPolicyTest14", wanted(1), true],
  ["AnyPolicyTest14", wanted(2), false],
  ["UserNoticeQualifierTest15", {}, true],
  ["UserNoticeQualifierTest16", {}, true],
  ["UserNoticeQualifierTest17", {}, true],
  ["UserNoticeQualifierTest18", wanted(1), true],
  ["UserNoticeQualifierTest18", wanted(2), true],
  ["UserNoticeQualifierTest19", {}, true],
  ["CPSPointerQualifierTest20", explicitly(1), true],
  ["ValidPolicyMappingTest1", wanted(1), true],
  ["ValidPolicyMappingTest1", wanted(2), false],
  ["ValidPolicyMappingTest1", { inhibitPolicyMapping: true }, false],
  ["InvalidPolicyMappingTest2", { inhibitPolicyMapping: true }, false],
  ["ValidPolicyMappingTest3", wanted(1), false],
  ["ValidPolicyMappingTest3", wanted(2), true],
  ["ValidPolicyMappingTest5", wanted(1), true],
  ["ValidPolicyMappingTest5", wanted(6), false],
  ["ValidPolicyMappingTest6", wanted(1), true],
  ["ValidPolicyMappingTest6", wanted(6), false],
  ["ValidPolicyMappingTest12", wanted(1), true],
  ["ValidPolicyMappingTest12", wanted(2), true],
  ["inhibitAnyPolicyTest3", {}, true],
  ["inhibitAnyPolicyTest3", { inhibitAnyPolicy: true }, false],
];

class Pkits {
  readonly #leaves = new Map<string, Uint8Array>();
  readonly #authorities: Certificate[] = [];
  readonly #trust: TrustStore;
  readonly #crls: CrlSet;

  private constructor(folder: string, crls: CrlSet) {
    for (const { name } of Deno.readDirSync(`${folder}/certs`)) {
      const der = Deno.readFileSync(`${folder}/certs/${name}`);
      const test = /(.*)EE\.crt$/.exec(name)?.[1];
      if (test === undefined) this.#authorities.push(parseFrame(der));
      else this.#leaves.set(test, der);
    }
    const anchor = Deno.readFileSync(`${folder}/certs/TrustAnchorRootCertificate.crt`);
    this.#trust = new TrustStore(writePem("CERTIFICATE", anchor));
    this.#crls = crls;
  }

  static async open(folder: string): Promise<Pkits> {
    const names = [...Deno.readDirSync(`${folder}/crls`)].map(({ name }) => `${folder}/crls/${name}`);
    const readings = await Promise.all(names.map((name) => readCrls(Deno.readFileSync(name))));
    const unusable = readings.flatMap((reading) => reading.unusable);
    return new Pkits(folder, new CrlSet(readings.flatMap(({ crls }) => crls), { unusable }));
  }

  get tests(): string[] {
    return [...this.#leaves.keys()].toSorted();
  }

  /** `good`, or what stands against the path. */
  verdict(test: string, policy: PolicyInputs = {}): string {
    const leaf = this.#leaves.get(test)!;
    const sent = this.#above(parseFrame(leaf));
    const options = { trust: this.#trust, crls: this.#crls, now: NOW, usage: "client", policy } as const;
    const verdict = verifyChain([leaf, ...sent.map(({ der }) => der)], options);
    return verdict.trusted ? "good" : `${verdict.reason}: ${verdict.detail}`;
  }

  /** Every CA that could be above this certificate by its names, but the trusted one. */
  #above(leaf: Certificate): Certificate[] {
    const found = new Set<Certificate>();
    const add = (below: Certificate) => {
      for (const authority of this.#authorities) {
        if (authority.subject !== below.issuer || found.has(authority) || this.#trust.has(authority)) {
          continue;
        }
        found.add(authority);
        add(authority);
      }
    };
    add(leaf);
    return [...found];
  }
}

testWithVectors(FOLDER, "the verdicts on NIST's PKITS are right", async (folder) => {
  const pkits = await Pkits.open(folder);
  const wrong: string[] = [];
  let right = 0;
  for (const test of pkits.tests) {
    const expected = /^(Valid|Invalid)/.exec(test)?.[1];
    if (expected === undefined) continue;
    if (UNSUPPORTED.has(test)) continue;
    const verdict = pkits.verdict(test);
    if ((verdict === "good") === (expected === "Valid")) right++;
    else wrong.push(`${test}: ${verdict}`);
  }
  for (const [test, inputs, good] of POLICIES) {
    const verdict = pkits.verdict(test, inputs);
    if ((verdict === "good") === good) right++;
    else wrong.push(`${test} ${JSON.stringify([...inputs.initialPolicies ?? []])}: ${verdict}`);
  }
  assertEquals(wrong, []);
  assertEquals(right, 238);
});
