import type { Subtree } from "../name_constraints.ts";

/** A name of a certificate in the form in which it is compared with a {@linkcode Subtree}. */
export type ComparableName =
  /** In lower case; of a URI its host, or `undefined` where it has none that could be compared. */
  | { readonly kind: "dns" | "uri" | "email"; readonly value: string | undefined }
  | { readonly kind: "ip"; readonly bytes: Uint8Array }
  /** `undefined` for a name that cannot be compared. */
  | { readonly kind: "directory"; readonly steps: readonly string[] | undefined }
  | { readonly kind: "other"; readonly tag: number };

const MAPPED_PREFIX = "00000000000000000000ffff";

/** Whether name and subtree are of one form, so that the one constrains the other. */
export function isSameForm(name: ComparableName, subtree: Subtree): boolean {
  if (name.kind !== subtree.kind) return false;
  return name.kind !== "other" || name.tag === (subtree as { tag: number }).tag;
}

/**
 * Whether a name lies within a subtree of its form: RFC 5280 section 4.2.1.10. `unknown`: it cannot be determined, so that
 * the name must be refused, whether the subtree is permitted or excluded.
 */
export function isWithin(name: ComparableName, subtree: Subtree): boolean | "unknown" {
  switch (subtree.kind) {
    case "dns":
      return within(name, subtree, isWithinDomain);
    case "uri":
      return within(name, subtree, isHost);
    case "email":
      return within(name, subtree, isMailbox);
    case "ip":
      // Rules take an IPv4-mapped address for the IPv4 address, of which constraints on IPv6 say nothing.
      if (name.kind !== "ip" || isMapped(name.bytes)) return "unknown";
      return isWithinNetwork(name.bytes, subtree);
    case "directory":
      if (name.kind !== "directory" || name.steps === undefined) return "unknown";
      return startsWith(name.steps, subtree.steps);
    case "other":
      return "unknown";
  }
}

/**
 * Whether a name that is a wildcard stands for a name of the subtree, though it does not lie within: `*.example.org`
 * stands for `a.example.org` too.
 */
export function coversSome(name: ComparableName, subtree: Subtree): boolean {
  if (name.kind !== "dns" || subtree.kind !== "dns" || name.value?.startsWith("*.") !== true) return false;
  // With a dot in front it is about names that are longer than those that the wildcard stands for.
  const { base = "" } = subtree;
  return base.endsWith(name.value.slice(1)) && base.indexOf(".") === base.length - name.value.length + 1;
}

function within(
  name: ComparableName,
  { kind, base }: Extract<Subtree, { kind: "dns" | "uri" | "email" }>,
  test: (value: string, base: string) => boolean,
): boolean | "unknown" {
  if (name.kind !== kind || name.value === undefined || base === undefined) return "unknown";
  return test(name.value, base);
}

/** The base itself and every name that has labels in front of it; with a dot in front, only the latter. */
function isWithinDomain(name: string, base: string): boolean {
  if (base === "" || name === base) return true;
  return name.endsWith(base) && (base.startsWith(".") || name[name.length - base.length - 1] === ".");
}

/** A host, or with a dot in front every host of a domain. */
function isHost(host: string, base: string): boolean {
  if (base === "") return true;
  return base.startsWith(".") ? host.length > base.length && host.endsWith(base) : host === base;
}

/** One mailbox, all mailboxes of one host, or with a dot in front all of a domain's hosts. */
function isMailbox(address: string, base: string): boolean {
  if (base.includes("@")) return address === base;
  return isHost(address.slice(address.lastIndexOf("@") + 1), base);
}

function isWithinNetwork(
  bytes: Uint8Array,
  { address, mask }: { readonly address: Uint8Array; readonly mask: Uint8Array },
): boolean {
  if (bytes.length !== address.length) return false;
  return bytes.every((octet, at) => ((octet ^ address[at]!) & mask[at]!) === 0);
}

/** Whether this is an IPv4-mapped IPv6 address, `::ffff:0:0/96`. */
function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === 16 && bytes.subarray(0, 12).toHex() === MAPPED_PREFIX;
}

function startsWith(steps: readonly string[], base: readonly string[]): boolean {
  return steps.length >= base.length && base.every((step, at) => step === steps[at]);
}
