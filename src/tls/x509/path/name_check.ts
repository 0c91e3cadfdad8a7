import type { Certificate } from "../certificate.ts";
import { nameSteps } from "../comparable_name.ts";
import type { AlternativeName } from "../general_name.ts";
import { comparableEmail, isComparableHost, type NameConstraints } from "../name_constraints.ts";
import { type ComparableName, coversSome, isSameForm, isWithin } from "./name_match.ts";
import { Oid } from "../oids.ts";

/** How many comparisons of a name with a subtree are left. */
export interface NameBudget {
  comparisons: number;
}

/** What one chain may cost: some milliseconds. */
export const MAX_NAME_COMPARISONS = 65_536;

/** The names of certificates, made once for each. */
const namesByCertificate = new WeakMap<Certificate, readonly ComparableName[]>();

/** As OpenSSL has it: a common name with a dot that could be a host's is taken for one. */
const HOST_LIKE = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)+$/i;
const DNS_TEXT = /^(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?$/;
/** RFC 3986 section 3.2: after the scheme and an optional user, the host in brackets or up to a port or path. */
const URI_HOST = /^[a-z][a-z0-9+.-]*:\/\/(?:[^/?#@]*@)?([^/?#@:[\]]+)(?::[0-9]*)?(?:[/?#]|$)/i;
const IPV4 = /^[0-9]+(?:\.[0-9]+){3}$/;

/**
 * Looks for a name in a path (leaf first) that a CA above it may not vouch for: RFC 5280 section 6.1.3 (b) and (c).
 * The constraints of the trusted CA count too. Gives the certificate with the name, and a sentence about it.
 */
export function checkNames(
  path: readonly Certificate[],
  { names: budget, usage }: { readonly names: NameBudget; readonly usage: "client" | "server" },
): { readonly certificate: Certificate; readonly detail: string } | undefined {
  for (let above = path.length - 1; above > 0; above--) {
    const { nameConstraints } = path[above]!;
    if (nameConstraints === undefined) continue;
    for (let at = above - 1; at >= 0; at--) {
      const certificate = path[at]!;
      // A CA that carries itself over to a new key is not constrained, but as a leaf.
      if (at > 0 && certificate.subject === certificate.issuer) continue;
      const fault = faultOf(certificate, {
        constraints: nameConstraints,
        budget,
        role: at === 0 ? usage : "ca",
      });
      if (fault !== undefined) {
        return { certificate, detail: `${fault} by the name constraints of ${path[above]!.subjectName}` };
      }
    }
  }
  return undefined;
}

function faultOf(
  certificate: Certificate,
  { constraints, budget, role }: {
    readonly constraints: NameConstraints;
    readonly budget: NameBudget;
    readonly role: "client" | "server" | "ca";
  },
): string | undefined {
  const { permitted, excluded } = constraints;
  const names = [...namesOf(certificate), ...hostsIn(certificate, role)];
  budget.comparisons -= names.length * (permitted.length + excluded.length);
  if (budget.comparisons < 0) return "it has more names than can be compared";
  for (const name of names) {
    const allowed = permitted.filter((subtree) => isSameForm(name, subtree));
    if (allowed.length > 0 && !allowed.some((subtree) => isWithin(name, subtree) === true)) {
      return `its ${describe(name)} is not permitted`;
    }
    const isExcluded = excluded.some((subtree) =>
      isSameForm(name, subtree) && (isWithin(name, subtree) !== false || coversSome(name, subtree))
    );
    if (isExcluded) return `its ${describe(name)} is excluded`;
  }
  return undefined;
}

function namesOf(certificate: Certificate): readonly ComparableName[] {
  let names = namesByCertificate.get(certificate);
  if (names === undefined) {
    const { subjectDer, attributes, alternativeNames } = certificate;
    const steps = nameSteps(subjectDer);
    const emails = attributes.filter(({ type }) => type === Oid.emailAddress);
    names = [
      ...(steps?.length === 0 ? [] : [{ kind: "directory", steps } as const]),
      ...emails.map(({ value }) => comparableName({ kind: "email", value })),
      ...alternativeNames.map(comparableName),
    ];
    namesByCertificate.set(certificate, names);
  }
  return names;
}

/**
 * Common names that other programs take for DNS names where a client has no DNS names, or a server no alternative names
 * at all. A server with others is known by these alone.
 */
function hostsIn(
  { attributes, alternativeNames }: Certificate,
  role: "client" | "server" | "ca",
): ComparableName[] {
  const hasOwn = role === "server"
    ? alternativeNames.length > 0
    : alternativeNames.some(({ kind }) => kind === "dns");
  if (hasOwn || role === "ca") return [];
  const commonNames = attributes.filter(({ type, value }) =>
    type === Oid.commonName && HOST_LIKE.test(value) && !IPV4.test(value)
  );
  return commonNames.map(({ value }) => ({ kind: "dns", value: value.toLowerCase() }));
}

function comparableName(name: AlternativeName): ComparableName {
  switch (name.kind) {
    case "dns": {
      const value = name.value.toLowerCase();
      return { kind: "dns", value: DNS_TEXT.test(value) ? value.replace(/\.$/, "") : undefined };
    }
    case "email":
      return { kind: "email", value: comparableEmail(name.value) };
    case "uri": {
      const host = URI_HOST.exec(name.value)?.[1]?.toLowerCase() ?? "";
      return { kind: "uri", value: isComparableHost(host) && !IPV4.test(host) ? host : undefined };
    }
    case "directory":
      return { kind: "directory", steps: nameSteps(name.der) };
    default:
      return name;
  }
}

function describe(name: ComparableName): string {
  const words = { dns: "DNS name", uri: "URI", email: "e-mail address", ip: "IP address" } as const;
  if (name.kind === "directory") return "directory name";
  return name.kind === "other" ? "name of another form" : words[name.kind];
}
