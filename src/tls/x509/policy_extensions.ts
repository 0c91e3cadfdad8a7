import { type DerNode, Tag, unreadable } from "./der.ts";

/** What a CA says of the policies under which it issues, by their object identifiers. */
export interface PolicyMapping {
  readonly issuerPolicy: string;
  readonly subjectPolicy: string;
}

/** From how many certificates below on something holds; absent where nothing is said. */
export interface PolicyConstraints {
  readonly requireExplicitPolicy: number | undefined;
  readonly inhibitPolicyMapping: number | undefined;
}

const REQUIRE_EXPLICIT = 0x80;
const INHIBIT_MAPPING = 0x81;
/** More than any path is long. */
const MANY = 255;

/** The policies of a certificate, their qualifiers left aside: RFC 5280 section 4.2.1.4. */
export function policiesOf(node: DerNode): ReadonlySet<string> {
  const policies = node.children(Tag.sequence).map((information) => {
    const [policy] = information.children(Tag.sequence, 2);
    if (policy === undefined) throw unreadable("a policy is malformed");
    return policy.oid();
  });
  if (policies.length === 0) throw unreadable("its policies are malformed");
  return new Set(policies);
}

/** RFC 5280 section 4.2.1.5. */
export function policyMappingsOf(node: DerNode): PolicyMapping[] {
  return node.children(Tag.sequence).map((pair) => {
    const [issuerPolicy, subjectPolicy] = pair.children(Tag.sequence, 2);
    if (subjectPolicy === undefined) throw unreadable("a policy mapping is malformed");
    return { issuerPolicy: issuerPolicy!.oid(), subjectPolicy: subjectPolicy.oid() };
  });
}

/** RFC 5280 section 4.2.1.11. */
export function policyConstraintsOf(node: DerNode): PolicyConstraints {
  const parts = new Map(node.children(Tag.sequence, 2).map((part) => [part.tag, part]));
  const count = (tag: number) => {
    const part = parts.get(tag);
    parts.delete(tag);
    return part && skipCertsOf(part.content(tag));
  };
  const constraints = {
    requireExplicitPolicy: count(REQUIRE_EXPLICIT),
    inhibitPolicyMapping: count(INHIBIT_MAPPING),
  };
  if (parts.size > 0) throw unreadable("its policy constraints are malformed");
  return constraints;
}

/** RFC 5280 section 4.2.1.14. */
export function inhibitAnyPolicyOf(node: DerNode): number {
  return skipCertsOf(node.content(Tag.integer));
}

function skipCertsOf(octets: Uint8Array): number {
  if (octets.length === 0 || octets[0]! >= 0x80) throw unreadable("a number of certificates is malformed");
  return octets.length > 1 && octets.some((octet, at) => at < octets.length - 1 && octet !== 0)
    ? MANY
    : octets.at(-1)!;
}
