import { nameSteps } from "./comparable_name.ts";
import { type DerNode, Tag, unreadable } from "./der.ts";
import { type AlternativeName, generalNameOf } from "./general_name.ts";

/** What a CA may vouch for, RFC 5280 section 4.2.1.10: the bases of the subtrees of names. */
export interface NameConstraints {
  /** Of each form that occurs here, names must lie in one of these. */
  readonly permitted: readonly Subtree[];
  /** Names must lie in none of these. */
  readonly excluded: readonly Subtree[];
}

/** The base of a subtree of names, in the form in which it is compared. */
export type Subtree =
  /**
   * In lower case; an e-mail address keeps the case of its mailbox. `undefined` for a base that is malformed, such as
   * `example.org.` or `*.example.org`: names of its form are refused.
   */
  | { readonly kind: "dns" | "uri" | "email"; readonly base: string | undefined }
  | { readonly kind: "ip"; readonly address: Uint8Array; readonly mask: Uint8Array }
  /** The steps of a distinguished name. */
  | { readonly kind: "directory"; readonly steps: readonly string[] }
  /** A form that cannot be compared: names of it are refused. */
  | { readonly kind: "other"; readonly tag: number };

const PERMITTED = 0xa0;
const EXCLUDED = 0xa1;
const MINIMUM = 0x80;
/** The name of a host or a domain, in lower case. A dot at the end would make two spellings of one name. */
const HOST = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/;

/**
 * Reads name constraints.
 *
 * @throws {CulvertError} `bad_certificate` when they are malformed, or have bounds for the distance from a base, which
 * RFC 5280 does not allow.
 */
export function nameConstraintsOf(node: DerNode): NameConstraints {
  const parts = node.children(Tag.sequence, 2);
  const [permitted, excluded] = [PERMITTED, EXCLUDED].map((tag) => parts.filter((part) => part.tag === tag));
  if (permitted!.length > 1 || permitted!.length + excluded!.length !== parts.length) {
    throw unreadable("its name constraints are malformed");
  }
  return {
    permitted: permitted!.flatMap((part) => part.children(PERMITTED).map(subtreeOf)),
    excluded: excluded!.flatMap((part) => part.children(EXCLUDED).map(subtreeOf)),
  };
}

function subtreeOf(node: DerNode): Subtree {
  const [base, ...bounds] = node.children(Tag.sequence, 3);
  const isPlain = bounds.every(({ bytes }) => bytes.length === 3 && bytes[0] === MINIMUM && bytes[2] === 0);
  if (base === undefined || !isPlain) throw unreadable("its name constraints are malformed");
  return comparableBase(generalNameOf(base));
}

function comparableBase(name: AlternativeName): Subtree {
  switch (name.kind) {
    case "dns":
    case "uri":
      return { kind: name.kind, base: hostBase(name.value.toLowerCase()) };
    case "email":
      return {
        kind: "email",
        base: name.value.includes("@") ? comparableEmail(name.value) : hostBase(name.value.toLowerCase()),
      };
    case "ip":
      return ipBase(name.bytes);
    case "directory": {
      const steps = nameSteps(name.der);
      if (steps === undefined) throw unreadable("its name constraints have a name that is too long");
      return { kind: "directory", steps };
    }
    case "other":
      return name;
  }
}

/** Empty for all names; with a dot in front for what is below a domain. */
function hostBase(base: string): string | undefined {
  return base === "" || isComparableHost(base.replace(/^\./, "")) ? base : undefined;
}

/** Whether this name of a host, in lower case, has one spelling only, so that it can be compared. */
export function isComparableHost(host: string): boolean {
  return HOST.test(host);
}

/**
 * An address in the form in which it is compared: RFC 5280 section 7.5 folds the case of the host alone. `undefined` for
 * one that is malformed.
 */
export function comparableEmail(address: string): string | undefined {
  const [, mailbox, host = ""] = /^([^@]+@)([^@]+)$/.exec(address) ?? [];
  const folded = host.toLowerCase();
  return isComparableHost(folded) ? mailbox + folded : undefined;
}

function ipBase(bytes: Uint8Array): Subtree {
  const half = bytes.length / 2;
  if (half !== 4 && half !== 16) throw unreadable("its name constraints have a malformed address");
  const [address, mask] = [bytes.subarray(0, half), bytes.subarray(half)];
  const bits = [...mask].map((octet) => octet.toString(2).padStart(8, "0")).join("");
  if (bits.includes("01")) throw unreadable("its name constraints have an address with a malformed mask");
  return { kind: "ip", address, mask };
}
