import { ruleTrustDomain } from "../../tls/authorize/rules.ts";
import { isMapping } from "../schema/fields.ts";
import type { Finding } from "../schema/findings.ts";
import type { DocumentNode } from "./document_node.ts";

/** Contradictions in a `clientAuth`, and rules that no certificate could match. */
export function checkClientAuth(auth: DocumentNode): Finding[] {
  if (!isMapping(auth.value)) return [];
  const [ca, crl, domains] = [auth.at("ca"), auth.at("crl"), auth.at("trustDomains")];
  const findings: Finding[] = [];
  if (ca.value === undefined && domains.value === undefined) {
    const expected = "the path of a file with the CAs of the clients, or trustDomains";
    findings.push({ kind: "missing", path: ca.path, value: undefined, expected });
  }
  if (ca.value === undefined && domains.value !== undefined && crl.value !== undefined) {
    findings.push({
      kind: "bad_value",
      ...crl,
      expected: "none without ca: a trust domain has a crl of its own",
    });
  }
  if (ca.value !== undefined && crl.value !== undefined) findings.push(...requireDomainCrls(domains));
  return [...findings, ...checkDomains(auth.at("allow"), domains)];
}

/** `clientAuth.crl` does not cover SPIFFE IDs of trust domains. Without this check they could not be revoked. */
function requireDomainCrls(domains: DocumentNode): Finding[] {
  if (!isMapping(domains.value)) return [];
  return domains.entries().map((domain) => domain.at("crl")).filter(({ value }) => value === undefined).map((
    { path },
  ) => ({
    kind: "missing",
    path,
    value: undefined,
    expected: "the CRLs of this trust domain, as clientAuth.crl does not cover it",
  }));
}

/** Rules of an upstream. Without `ca` the path of a certificate is not known. */
export function checkUpstreamRules(tls: DocumentNode): Finding[] {
  if (tls.at("ca").value !== undefined) return [];
  const bound = tls.at("allow").items().map((rule) => rule.at("ca")).filter(({ value }) =>
    value !== undefined
  );
  return bound.map((place) => ({
    kind: "bad_value",
    ...place,
    expected: "none without tls.ca of the upstream",
  }));
}

/** With `trustDomains`, no rule allows SPIFFE IDs of other domains. */
function checkDomains(allow: DocumentNode, domains: DocumentNode): Finding[] {
  if (!isMapping(domains.value)) return [];
  const names = new Set(domains.keys());
  const conditions = allow.items().flatMap((rule) => [rule, ...rule.at("all").items()]);
  return conditions.map((condition) => condition.at("uri")).filter(({ value }) => {
    const domain = typeof value === "string" ? ruleTrustDomain(value) : undefined;
    return domain !== undefined && !names.has(domain);
  }).map((place) => ({ kind: "bad_value", ...place, expected: "a SPIFFE ID of one of trustDomains" }));
}
