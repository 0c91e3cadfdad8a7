import type { ClientAuthConfig } from "../../config/config.ts";
import type { Path } from "../../config/problem/problem.ts";
import { showValue } from "../../config/problem/show_value.ts";
import type { ClientAuthCredentials } from "../../dataplane/credentials.ts";
import { type AllowRule, authorityKey } from "../../tls/authorize/rules.ts";
import { TrustStore } from "../../tls/x509/path/trust_store.ts";
import type { CredentialReader } from "./credential_reader.ts";

/** What {@linkcode readRules} reads with. */
export interface ReadRulesOptions {
  readonly reader: CredentialReader;
  /** The key of the rules. */
  readonly path: Path;
  /** The rules as they are in use: where a file can't be used, its CAs in use stay. @default none */
  readonly before?: readonly AllowRule[] | undefined;
}

/**
 * Reads the files of CAs that rules name (`ca`), so that the rules have them in PEM. A file that can't be used is a
 * fault; without previous CAs, there are no rules then.
 */
export async function readRules(
  rules: readonly AllowRule[],
  { reader, path, before = [] }: ReadRulesOptions,
): Promise<readonly AllowRule[] | undefined> {
  const read: AllowRule[] = [];
  for (const [index, rule] of rules.entries()) {
    if (rule.ca === undefined) {
      read.push(rule);
      continue;
    }
    const ca = await reader.ca(rule.ca, [...path, index, "ca"]) ?? before[index]?.ca;
    if (ca !== undefined) read.push({ ...rule, ca });
  }
  return read.length === rules.length ? read : undefined;
}

/**
 * The indexes of rules that no peer can match, as all of their CAs are roots, and none of these is one of the `trusted`
 * CAs: a path ends at one of those. Other CAs may be sent by the peer.
 */
export function uselessRules(rules: readonly AllowRule[], trusted: TrustStore): number[] {
  if (rules.every(({ ca }) => ca === undefined)) return [];
  const known = new Set(trusted.certificates.map(authorityKey));
  return rules.flatMap(({ ca }, index) => {
    if (ca === undefined) return [];
    const isUseless = new TrustStore(ca).certificates.every((each) =>
      each.subject === each.issuer && !known.has(authorityKey(each))
    );
    return isUseless ? [index] : [];
  });
}

/** Warnings about the rules of `clientAuth` that no client can match. */
export function uselessRuleWarnings(
  { ca, trustDomains = {}, allow: rules }: ClientAuthCredentials,
  { allow }: ClientAuthConfig,
): string[] {
  const pems = [ca, ...Object.values(trustDomains).map((domain) => domain.ca)];
  const stores = pems.filter((pem) => pem !== undefined).map((pem) => new TrustStore(pem));
  const trusted = new TrustStore(stores.flatMap(({ certificates }) => certificates));
  return uselessRules(rules, trusted).map((index) => {
    const rule = allow[index]!;
    return `the rule ${
      showValue(rule)
    } matches no client: no CA of "${rule.ca}" is one of those of clientAuth`;
  });
}

/** The file that a key below `clientAuth` names, such as `["clientAuth", "allow", 0, "ca"]`. */
export function fileAt(clientAuth: ClientAuthConfig, [, section, name]: Path): string {
  if (section === "trustDomains") return clientAuth.trustDomains![String(name)]!.caPath;
  return String(section === "allow" ? clientAuth.allow[Number(name)]!.ca : clientAuth.caPath);
}
