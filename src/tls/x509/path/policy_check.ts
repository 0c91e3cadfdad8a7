import type { Certificate } from "../certificate.ts";
import { Oid } from "../oids.ts";

/** What is asked of the policies of a path: RFC 5280 section 6.1.1 (c) to (g). */
export interface PolicyInputs {
  /** Policies of which one is enough; absent: any is. */
  readonly initialPolicies?: ReadonlySet<string>;
  /** Whether the path must be good for one of them. @default {false} */
  readonly requireExplicitPolicy?: boolean;
  /** @default {false} */
  readonly inhibitPolicyMapping?: boolean;
  /** @default {false} */
  readonly inhibitAnyPolicy?: boolean;
}

/** A policy at one depth of the path. */
interface Node {
  readonly policy: string;
  /** What the next certificate may call it. */
  expected: ReadonlySet<string>;
  readonly parents: readonly Node[];
}

/** The nodes of one depth by their policies. */
type Level = Map<string, Node>;

/** The three counters of RFC 5280 section 6.1.2 (d) to (f). */
interface Counters {
  explicitPolicy: number;
  policyMapping: number;
  anyPolicy: number;
}

/**
 * Looks whether a path (leaf first, the trusted CA last, which does not count) is good for a policy: RFC 5280 section
 * 6.1, with the graph of RFC 9618 in place of the tree, so that the time is linear in what the certificates say. Gives
 * a sentence about what stands against it.
 */
export function checkPolicies(path: readonly Certificate[], inputs: PolicyInputs = {}): string | undefined {
  const certificates = path.slice(0, -1).toReversed();
  const start = certificates.length + 1;
  const counters: Counters = {
    explicitPolicy: inputs.requireExplicitPolicy === true ? 0 : start,
    policyMapping: inputs.inhibitPolicyMapping === true ? 0 : start,
    anyPolicy: inputs.inhibitAnyPolicy === true ? 0 : start,
  };
  const root: Node = { policy: Oid.anyPolicy, expected: new Set([Oid.anyPolicy]), parents: [] };
  let level: Level | undefined = new Map([[root.policy, root]]);
  for (const [index, certificate] of certificates.entries()) {
    const isLast = index === certificates.length - 1;
    level = nextLevel(level, {
      certificate,
      mayBeAny: counters.anyPolicy > 0 || (!isLast && isSelfIssued(certificate)),
    });
    if (counters.explicitPolicy === 0 && level === undefined) return NO_POLICY;
    if (isLast) break;
    if (
      certificate.policyMappings.some(({ issuerPolicy, subjectPolicy }) =>
        issuerPolicy === Oid.anyPolicy || subjectPolicy === Oid.anyPolicy
      )
    ) return "a CA above it maps any policy to another";
    level = level && mapped(level, { certificate, isAllowed: counters.policyMapping > 0 });
    count(counters, certificate);
  }
  const leaf = certificates.at(-1);
  if (counters.explicitPolicy > 0) counters.explicitPolicy--;
  if (leaf?.policyConstraints?.requireExplicitPolicy === 0) counters.explicitPolicy = 0;
  if (counters.explicitPolicy > 0) return undefined;
  return level !== undefined && isWanted(level, inputs.initialPolicies) ? undefined : NO_POLICY;
}

const NO_POLICY = "an explicit policy is required, and the chain is good for none";

function isSelfIssued({ subject, issuer }: Certificate): boolean {
  return subject === issuer;
}

/** Section 6.1.3 (d) and (e): the policies of a certificate that those above it allow. */
function nextLevel(
  level: Level | undefined,
  { certificate, mayBeAny }: { readonly certificate: Certificate; readonly mayBeAny: boolean },
): Level | undefined {
  const { policies } = certificate;
  if (level === undefined || policies === undefined) return undefined;
  const parentsOf = expectedBy(level);
  const next: Level = new Map();
  const add = (policy: string, parents: readonly Node[]) =>
    next.set(policy, { policy, expected: new Set([policy]), parents });
  const any = level.get(Oid.anyPolicy);
  for (const policy of policies) {
    if (policy === Oid.anyPolicy) continue;
    const parents = parentsOf.get(policy) ?? (any === undefined ? undefined : [any]);
    if (parents !== undefined) add(policy, parents);
  }
  if (policies.has(Oid.anyPolicy) && mayBeAny) {
    for (const [policy, parents] of parentsOf) if (!next.has(policy)) add(policy, parents);
  }
  return next.size === 0 ? undefined : next;
}

function expectedBy(level: Level): Map<string, Node[]> {
  const parentsOf = new Map<string, Node[]>();
  for (const node of level.values()) {
    for (const policy of node.expected) {
      const parents = parentsOf.get(policy);
      if (parents === undefined) parentsOf.set(policy, [node]);
      else parents.push(node);
    }
  }
  return parentsOf;
}

/** Section 6.1.4 (b): what a CA calls its policies from here on. */
function mapped(
  level: Level,
  { certificate, isAllowed }: { readonly certificate: Certificate; readonly isAllowed: boolean },
): Level | undefined {
  const byPolicy = Map.groupBy(certificate.policyMappings, ({ issuerPolicy }) => issuerPolicy);
  const any = level.get(Oid.anyPolicy);
  for (const [policy, mappings] of byPolicy) {
    if (!isAllowed) {
      level.delete(policy);
      continue;
    }
    const expected = new Set(mappings.map(({ subjectPolicy }) => subjectPolicy));
    const node = level.get(policy);
    if (node !== undefined) node.expected = expected;
    else if (any !== undefined) level.set(policy, { policy, expected, parents: any.parents });
  }
  return level.size === 0 ? undefined : level;
}

/** Section 6.1.4 (h) to (j). */
function count(counters: Counters, certificate: Certificate): void {
  if (!isSelfIssued(certificate)) {
    counters.explicitPolicy = Math.max(0, counters.explicitPolicy - 1);
    counters.policyMapping = Math.max(0, counters.policyMapping - 1);
    counters.anyPolicy = Math.max(0, counters.anyPolicy - 1);
  }
  const { policyConstraints, inhibitAnyPolicy = Infinity } = certificate;
  const { requireExplicitPolicy = Infinity, inhibitPolicyMapping = Infinity } = policyConstraints ?? {};
  counters.explicitPolicy = Math.min(counters.explicitPolicy, requireExplicitPolicy);
  counters.policyMapping = Math.min(counters.policyMapping, inhibitPolicyMapping);
  counters.anyPolicy = Math.min(counters.anyPolicy, inhibitAnyPolicy);
}

/** Section 6.1.5 (g): whether one of the policies, as the trusted CA calls it, is asked for. */
function isWanted(level: Level, wanted: ReadonlySet<string> | undefined): boolean {
  if (wanted === undefined || level.has(Oid.anyPolicy)) return true;
  const seen = new Set<Node>(level.values());
  for (const node of seen) {
    const isTop = node.parents.some(({ policy }) => policy === Oid.anyPolicy);
    if (isTop && node.policy !== Oid.anyPolicy && wanted.has(node.policy)) return true;
    for (const parent of node.parents) seen.add(parent);
  }
  return false;
}
