import { CulvertError, describeError } from "../../../core/errors.ts";
import type { Certificate } from "../certificate.ts";
import type { CrlSet, RevocationFinding } from "../crl/set.ts";
import { checkNames, type NameBudget } from "./name_check.ts";
import { Oid } from "../oids.ts";
import { checkPolicies, type PolicyInputs } from "./policy_check.ts";
import { keyFault } from "../public_key.ts";
import { checkRevocation } from "./revocation.ts";
import type { TrustStore } from "./trust_store.ts";

/** Why a path is not good. */
export interface PathFinding {
  readonly reason:
    | "expired"
    | "not-yet-valid"
    | "wrong-usage"
    | "bad-certificate"
    | "name-not-permitted"
    | "no-policy"
    | RevocationFinding["reason"];
  /** The same in words, with the name of the certificate that is at fault. */
  readonly detail: string;
}

/** What a path must be good for. */
export interface PathPurpose {
  /** Whether the leaf is to be a client or a server. */
  readonly usage: "client" | "server";
  readonly nowMs: number;
  /** Absent: revocation is not looked at. */
  readonly crls: CrlSet | undefined;
  readonly trust: TrustStore;
  /** What the peer has sent besides the leaf. */
  readonly sent: readonly Certificate[];
  /** What is asked of the policies of the path. @default {nothing but what its CAs ask for} */
  readonly policy?: PolicyInputs | undefined;
  /** How much the names of all paths may cost. */
  readonly names: NameBudget;
  /** What else a path must be good for. @default nothing */
  readonly authorizer?: PathAuthorizer | undefined;
}

/** Looks at paths whose certificates are good by themselves. */
export interface PathAuthorizer {
  /** The CRLs that a path is looked at by, in the place of those of {@linkcode PathPurpose}. */
  crlsFor?(path: readonly Certificate[]): CrlSet | undefined;
  /** What stands against a path; another one may be good nevertheless. */
  check(path: readonly Certificate[]): AuthorizationFinding | undefined;
}

/** Why a path is not good, by a {@linkcode PathAuthorizer}. */
export interface AuthorizationFinding {
  readonly reason: "wrong-trust-domain" | "not-allowed";
  /** The same in words. */
  readonly detail: string;
}

/** The size of a name without any attribute. A CA must have some: RFC 5280 section 4.1.2.6. */
const EMPTY_NAME_SIZE = 2;

/**
 * Looks for what stands against a path whose signatures are good: from the leaf to a certificate that is
 * trusted, each issued by the next. RFC 5280 section 6.1. `undefined` if it is good.
 *
 * - Dates: of all of them, the trusted one's too.
 * - Extensions: no critical ones that are not known.
 * - The leaf's usage: its extended usage, if it has one, must name the purpose itself; its key usage, if it
 *   has one, must allow to sign or to agree on a key (of a server, to decipher instead). A CA that is trusted
 *   itself needs neither: the holder of its key can issue any certificate.
 * - CAs: basic constraints and key usage say so, the path is not too long, the extended usage does not
 *   exclude it. Only of a trusted one of version 1, in which nothing can be said, being trusted is enough.
 * - Names: each CA, the trusted one too, vouches only for names that its name constraints permit.
 * - Policies: where a CA asks for an explicit policy there is one.
 * - Revocation: each but the trusted one needs CRLs of its issuer that cover it, are good now and do not name it.
 */
export function checkPath(path: readonly Certificate[], purpose: PathPurpose): PathFinding | undefined {
  const last = path.length - 1;
  for (const [index, certificate] of path.entries()) {
    const unreadable = checkReadable(certificate);
    if (unreadable !== undefined) return unreadable;
    const fault = checkDates(certificate, purpose.nowMs) ?? checkExtensions(certificate) ??
      (index === 0
        ? checkLeaf(certificate, { purpose, isTrusted: last === 0 })
        : checkIssuer(path, { index, isTrusted: index === last, usage: purpose.usage }));
    if (fault !== undefined) return named(fault, certificate);
  }
  const finding = checkNamesAndPolicies(path, purpose);
  if (finding !== undefined) return finding;
  const { crls } = purpose;
  const revocation = crls && checkRevocation(path, { ...purpose, crls });
  return revocation && named(revocation.finding, revocation.certificate);
}

/**
 * Why no certificate that this CA has issued can be good, for warnings at the start: its key or an extension is not
 * supported, it has expired, or it may not issue for this usage. `undefined` if it can.
 */
export function issuerFault(
  authority: Certificate,
  { usage, nowMs }: { readonly usage: "client" | "server"; readonly nowMs: number },
): string | undefined {
  return keyFault(authority.keyInfo) ?? checkDates(authority, nowMs)?.detail ??
    checkExtensions(authority)?.detail ??
    checkIssuer([authority], { index: 0, isTrusted: true, usage })?.detail;
}

/** A certificate that cannot be read although a trusted CA has signed it is a mistake of that CA. */
function checkReadable(certificate: Certificate): PathFinding | undefined {
  try {
    certificate.readWhole();
    return undefined;
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
    return { reason: "bad-certificate", detail: describeError(error) };
  }
}

function checkNamesAndPolicies(
  path: readonly Certificate[],
  { names, usage, policy }: PathPurpose,
): PathFinding | undefined {
  const name = checkNames(path, { names, usage });
  if (name !== undefined) {
    return named({ reason: "name-not-permitted", detail: name.detail }, name.certificate);
  }
  const detail = checkPolicies(path, policy);
  return detail === undefined ? undefined : named({ reason: "no-policy", detail }, path[0]!);
}

function checkDates(certificate: Certificate, nowMs: number): PathFinding | undefined {
  const { notBeforeMs, notAfterMs } = certificate;
  if (nowMs > notAfterMs) {
    return { reason: "expired", detail: `it expired on ${new Date(notAfterMs).toISOString()}` };
  }
  if (nowMs < notBeforeMs) {
    return {
      reason: "not-yet-valid",
      detail: `it is not valid before ${new Date(notBeforeMs).toISOString()}`,
    };
  }
  return undefined;
}

function checkExtensions({ unsupported }: Certificate): PathFinding | undefined {
  const [oid] = unsupported;
  if (oid === undefined) return undefined;
  return { reason: "bad-certificate", detail: `its critical extension ${oid} is not supported` };
}

function checkLeaf(
  leaf: Certificate,
  options: { readonly purpose: PathPurpose; readonly isTrusted: boolean },
): PathFinding | undefined {
  const { usage } = options.purpose;
  const { extendedKeyUsage, keyUsage } = leaf;
  const wanted = usage === "client" ? Oid.clientAuth : Oid.serverAuth;
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(wanted)) {
    return wrongUsage(`its extended key usage does not include ${usage}Auth`);
  }
  if (leaf.netscapeUsage?.includes(usage) === false) {
    return wrongUsage(`its Netscape certificate type does not include ${usage}`);
  }
  const isCa = leaf.basicConstraints?.isCa === true;
  if (leaf.nameConstraints !== undefined && !isCa) {
    return { reason: "bad-certificate", detail: "it has name constraints but is not a CA" };
  }
  if (options.isTrusted && isCa) return undefined;
  const enough = usage === "client"
    ? ["digitalSignature", "keyAgreement"] as const
    : ["digitalSignature", "keyEncipherment", "keyAgreement"] as const;
  if (keyUsage !== undefined && !enough.some((use) => keyUsage.includes(use))) {
    return wrongUsage(`its key usage does not include ${enough[0]}`);
  }
  return undefined;
}

function checkIssuer(
  path: readonly Certificate[],
  options: { readonly index: number; readonly isTrusted: boolean; readonly usage: "client" | "server" },
): PathFinding | undefined {
  const { index, isTrusted, usage } = options;
  const { version, basicConstraints, keyUsage, extendedKeyUsage } = path[index]!;
  // One of version 3 that says nothing is a leaf that was pinned: RFC 5280 section 6.1.4 (k).
  const isCa = basicConstraints?.isCa ?? (isTrusted && version === 1);
  if (!isCa) return wrongUsage("it is not a CA");
  if (path[index]!.subjectDer.length === EMPTY_NAME_SIZE) return wrongUsage("it is a CA without a name");
  if (keyUsage !== undefined && !keyUsage.includes("keyCertSign")) {
    return wrongUsage("its key usage does not allow to issue certificates");
  }
  const wanted = usage === "client" ? Oid.clientAuth : Oid.serverAuth;
  const mayIssue = [wanted, Oid.anyExtendedKeyUsage] as readonly string[];
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.some((oid) => mayIssue.includes(oid))) {
    return wrongUsage(`its extended key usage does not include ${usage}Auth`);
  }
  // Those that only carry a CA over to a new key do not count: RFC 5280 section 6.1.4 (l).
  const below = path.slice(1, index).filter(({ subject, issuer }) => subject !== issuer).length;
  if (below > (basicConstraints?.pathLen ?? Infinity)) {
    return wrongUsage(`${below} CAs are below it, more than it allows`);
  }
  return undefined;
}

function wrongUsage(detail: string): PathFinding {
  return { reason: "wrong-usage", detail };
}

function named(finding: PathFinding, certificate: Certificate): PathFinding {
  const { reason, detail } = finding;
  return { reason, detail: `${certificate.subjectName}: ${detail}` };
}
