import { assertEquals } from "@std/assert";
import { verifyChain } from "../../../../src/tls/x509/path/chain.ts";
import { Oid } from "../../../../src/tls/x509/oids.ts";
import type { PolicyInputs } from "../../../../src/tls/x509/path/policy_check.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import {
  basicConstraints,
  commonName,
  newKey,
  oid,
  rawCertificate,
  rawExtension,
  seq,
  tlv,
} from "../raw_certificate.ts";

const key = newKey();
const root = rawCertificate({
  subject: commonName("Root"),
  privateKey: key,
  extensions: [basicConstraints(true)],
});
const trust = new TrustStore(root.certPem);

const numbered = (count: number) => Array.from({ length: count }, (_, index) => `1.2.3.${index + 1}`);
const policies = (...names: readonly string[]) =>
  rawExtension(Oid.certificatePolicies, seq(...names.map((name) => seq(oid(name)))));
const mappings = (...pairs: readonly (readonly [string, string])[]) =>
  rawExtension(Oid.policyMappings, seq(...pairs.map(([from, to]) => seq(oid(from), oid(to)))));
const explicit = rawExtension(Oid.policyConstraints, seq(tlv(0x80, new Uint8Array([0]))));

/** What is found of a chain whose CAs, from the root on, and leaf have these extensions. */
function verdictOn(inputs: PolicyInputs, ...extensions: readonly (readonly Uint8Array[])[]): string {
  let issuer = root;
  const chain = extensions.map((own, index) =>
    issuer = rawCertificate({
      subject: commonName(`${index}`),
      issuer,
      privateKey: key,
      extensions: index === extensions.length - 1 ? own : [basicConstraints(true), ...own],
    })
  );
  const der = chain.toReversed().map((certificate) => certificate.der);
  const verdict = verifyChain(der, { trust, now: new Date(), usage: "client", policy: inputs });
  return verdict.trusted ? "trusted" : verdict.reason;
}

Deno.test("policies apply only if a CA requires them", () => {
  assertEquals(verdictOn({}, [policies("1.2.3.1")], [policies("1.2.3.2")]), "trusted");
  assertEquals(verdictOn({}, [policies("1.2.3.1"), explicit], [policies("1.2.3.2")]), "no-policy");
  assertEquals(verdictOn({}, [policies("1.2.3.1"), explicit], [policies("1.2.3.1")]), "trusted");
  assertEquals(verdictOn({}, [policies(Oid.anyPolicy), explicit], [policies("1.2.3.1")]), "trusted");
  assertEquals(verdictOn({}, [explicit], [policies("1.2.3.1")]), "no-policy");
  const requireExplicitPolicy = true;
  assertEquals(
    verdictOn({ requireExplicitPolicy }, [policies("1.2.3.1")], [policies("1.2.3.2")]),
    "no-policy",
  );
  const wanted = (name: string) => ({ requireExplicitPolicy, initialPolicies: new Set([name]) });
  assertEquals(verdictOn(wanted("1.2.3.1"), [policies("1.2.3.1")], [policies("1.2.3.1")]), "trusted");
  assertEquals(verdictOn(wanted("1.2.3.2"), [policies("1.2.3.1")], [policies("1.2.3.1")]), "no-policy");
});

Deno.test("a mapping gives a policy another name below, and any policy none", () => {
  const ca = [policies("1.2.3.1"), mappings(["1.2.3.1", "1.2.3.2"]), explicit];
  assertEquals(verdictOn({}, ca, [policies("1.2.3.2")]), "trusted");
  assertEquals(verdictOn({}, ca, [policies("1.2.3.1")]), "no-policy");
  assertEquals(verdictOn({ inhibitPolicyMapping: true }, ca, [policies("1.2.3.2")]), "no-policy");
  const any = [policies("1.2.3.1"), mappings([Oid.anyPolicy, "1.2.3.2"])];
  assertEquals(verdictOn({}, any, [policies("1.2.3.2")]), "no-policy");
  const inhibitAnyPolicy = true;
  assertEquals(
    verdictOn({ inhibitAnyPolicy }, [policies(Oid.anyPolicy), explicit], [policies("1.2.3.1")]),
    "no-policy",
  );
});

Deno.test("policies that are mapped to each other many times over take time in line with their number", () => {
  // The tree of RFC 5280 would have 11 to the power of 7 nodes, twenty million: RFC 9618 section 3.
  const names = numbered(11);
  const web = mappings(...names.flatMap((from) => names.map((to) => [from, to] as const)));
  const cas = Array.from({ length: 6 }, () => [policies(...names), web]);
  const inputs = { requireExplicitPolicy: true, initialPolicies: new Set(["1.2.3.99"]) };
  assertEquals(verdictOn(inputs, ...cas, [policies(...names)]), "no-policy");
  assertEquals(
    verdictOn({ ...inputs, initialPolicies: new Set(["1.2.3.7"]) }, ...cas, [policies("1.2.3.3")]),
    "trusted",
  );
});
