import { CulvertError } from "../../core/errors.ts";
import type { Certificate } from "../x509/certificate.ts";
import type { PeerIdentity } from "../x509/identity.ts";
import { badRule, compileCondition, type RuleCondition, type Test } from "./rule_conditions.ts";
import { isTrustDomain, trustDomainOf } from "../x509/path/trust_domain.ts";
import { TrustStore } from "../x509/path/trust_store.ts";

/**
 * Peers that are authorized: one condition, or several of which each must hold (`all`); with `ca`, only if the verified path of
 * the certificate leads over or to one of these CAs.
 */
export type AllowRule = (RuleCondition | AllConditions) & {
  /** CAs in PEM, of which one must be in the path, known by its name and key. */
  readonly ca?: string | undefined;
};

/** Conditions of which each must hold. */
export interface AllConditions {
  /** One at least; none of them `any`. */
  readonly all: readonly RuleCondition[];
}

/** Gives the first rule that holds for a peer with this path, from its certificate to the CA that is trusted. */
export type PathTest = (identity: PeerIdentity, path: readonly Certificate[]) => AllowRule | undefined;

/**
 * Makes one function of all rules, once. It gives the first rule that holds for a peer, or `undefined`: then
 * nothing lets the peer in, as with no rules at all. Its time is linear in the length of the peer's names,
 * whatever these are.
 *
 * - `dns` is compared without regard to case. A wildcard that stands in the certificate matches no rule.
 * - `uri` is compared with regard to case. Each `*` or `**` stands for at least one character: `*` for none of
 *   `/`, `?`, `#`, `@`, `\` and `%2f`. A URI with a segment `.` or `..` is matched by no wildcard. One of `spiffe:`
 *   that could be no SPIFFE ID, as its trust domain has upper case for example, is a bad rule.
 * - `cn` and `ou` are compared with each of the subject's by RFC 5280 section 7.1: without regard to case, and
 *   with white space trimmed and compressed.
 * - `ip` is compared by value.
 * - `all` holds if each of its conditions does.
 * - `ca` needs the verified path of the certificate, which only a `TlsGate` and a `tlsDial` know: without a path, such a
 *   rule matches no peer.
 *
 * @throws {CulvertError} `bad_rule`, saying what is expected.
 *
 * @example
 * ```ts
 * import { createAuthority } from "../authority/authority.ts";
 * import { readIdentity } from "../x509/identity.ts";
 * import { readPem } from "../x509/pem.ts";
 * import { compileRules } from "./rules.ts";
 *
 * const allowed = compileRules([{ uri: "spiffe://example.org/**" }, { cn: "admin" }]);
 *
 * const ca = await createAuthority();
 * const { certPem } = await ca.issueClient({ cn: "alice", uri: "spiffe://example.org/alice" });
 * console.log(allowed(readIdentity(readPem(certPem)[0]!.der))); // { uri: "spiffe://example.org/**" }
 * ```
 */
export function compileRules(
  rules: readonly AllowRule[],
): (identity: PeerIdentity) => AllowRule | undefined {
  const test = compilePathRules(rules);
  return (identity) => test(identity, []);
}

/**
 * As {@linkcode compileRules}, for verified paths.
 *
 * @throws {CulvertError} `bad_rule`, saying what is expected.
 */
export function compilePathRules(rules: readonly AllowRule[]): PathTest {
  const compiled = rules.map((rule) => ({ rule, test: compileRule(rule) }));
  return (identity, path) => compiled.find(({ test }) => test(identity, path))?.rule;
}

function compileRule(rule: AllowRule): (identity: PeerIdentity, path: readonly Certificate[]) => boolean {
  const { ca, ...what } = rule;
  const test = "all" in what ? compileAll(what) : compileCondition(what);
  if (ca === undefined) return test;
  const issues = compileCa(ca, what);
  return (identity, path) => test(identity) && issues(path);
}

function compileAll({ all, ...more }: AllConditions): Test {
  const problem = faultOfAll(all);
  if (Object.keys(more).length > 0) throw badRule({ all, ...more }, "expected all alone, or with ca");
  if (problem !== undefined) throw badRule({ all }, problem);
  const tests = all.map(compileCondition);
  return (identity) => tests.every((test) => test(identity));
}

/** The path without the leaf; of a leaf that is trusted itself, that one. */
function compileCa(pem: string, what: unknown): (path: readonly Certificate[]) => boolean {
  let store: TrustStore;
  try {
    store = new TrustStore(pem);
  } catch (cause) {
    if (!(cause instanceof CulvertError)) throw cause;
    throw badRule(what, `expected CAs in PEM as its ca (${cause.message})`);
  }
  const known = new Set(store.certificates.map(authorityKey));
  return (path) => path.slice(path.length > 1 ? 1 : 0).some((issuer) => known.has(authorityKey(issuer)));
}

/** What is the same of all certificates of one CA: of a cross-signed one, and of one that was renewed. */
export function authorityKey({ subject, spki }: Certificate): string {
  return `${subject} ${spki.toHex()}`;
}

/**
 * What is wrong with the conditions of `all`, as what is expected; `undefined` for good ones. Each condition may be bad
 * in itself besides.
 */
export function faultOfAll(all: unknown): string | undefined {
  if (!Array.isArray(all) || all.length === 0) return "expected a list of one condition at least";
  const conditions = all.filter((each) => typeof each === "object" && each !== null);
  if (conditions.some((each) => "any" in each)) {
    return "expected no {any: true} in it: what is joined with it decides";
  }
  const pins = new Set(valuesOf(conditions, "spki"));
  if (pins.size > 1) return "expected one spki: no certificate has two keys";
  const ids = new Set(
    valuesOf(conditions, "uri").filter((uri) => uri.startsWith("spiffe:") && !uri.includes("*")),
  );
  const domains = new Set(
    valuesOf(conditions, "uri").map(ruleTrustDomain).filter((name) => name !== undefined),
  );
  if (ids.size > 1 || domains.size > 1) return "expected one SPIFFE ID: no certificate has two";
  return undefined;
}

/** The trust domain that a `uri` rule is about; `undefined`: several, or it is about no SPIFFE IDs. */
export function ruleTrustDomain(uri: string): string | undefined {
  if (!/^spiffe:\/\/[^*/]+(?:\/|$)/.test(uri)) return undefined;
  const domain = trustDomainOf(uri);
  return isTrustDomain(domain) ? domain : undefined;
}

function valuesOf(conditions: readonly object[], key: string): string[] {
  const values = conditions.map((each) => (each as Readonly<Record<string, unknown>>)[key]);
  return values.filter((value) => typeof value === "string");
}
