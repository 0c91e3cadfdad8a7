import { CulvertError } from "../../core/errors.ts";
import { formatIp, parseIp } from "../../net/ip.ts";
import { comparableText } from "../x509/comparable_name.ts";
import { isDnsName, isSpiffeId, type PeerIdentity } from "../x509/identity.ts";
import { compileUriPattern } from "./uri_pattern.ts";

/** One thing that a certificate says. */
export type RuleCondition =
  | { readonly any: true }
  /** A DNS name; `*.` at its start stands for exactly one label. */
  | { readonly dns: string }
  /**
   * A URI; `*` stands for characters of one path segment, `**` for characters of several, neither for a segment
   * `.` or `..`.
   */
  | { readonly uri: string }
  | { readonly cn: string }
  | { readonly ou: string }
  | { readonly ip: string }
  /** `sha256/` and the base64 of the SHA-256 of the public key. */
  | { readonly spki: string };

/** Whether a rule holds for a peer. */
export type Test = (identity: PeerIdentity) => boolean;

/** What a `uri` rule of `spiffe:` must be about, as errors say it. */
export const SPIFFE_FORM =
  'a SPIFFE ID that a certificate can have: "spiffe://", a trust domain in lower case, and a path such as ' +
  '"/ns/a" or none';

const SPKI = /^sha256\/[A-Za-z0-9+/]{43}=$/;

/** The common names, or units, of an identity in the form in which they are compared, made once. */
const comparableSets = new WeakMap<readonly string[], ReadonlySet<string>>();

const COMPILERS: Readonly<Record<string, (value: unknown) => Test>> = {
  any: anyTest,
  dns: dnsTest,
  uri: uriTest,
  cn: textTest("cn", (identity) => identity.commonNames),
  ou: textTest("ou", (identity) => identity.organizationalUnits),
  ip: ipTest,
  spki: spkiTest,
};

/**
 * Makes a test of one condition. Its time is linear in the length of the peer's names, whatever these are.
 *
 * - `dns` is compared without regard to case. A wildcard that stands in the certificate matches no rule.
 * - `uri` is compared with regard to case. Each `*` or `**` stands for at least one character: `*` for none of
 *   `/`, `?`, `#`, `@`, `\` and `%2f`. A URI with a segment `.` or `..` is matched by no wildcard. One of `spiffe:`
 *   that could be no SPIFFE ID, as its trust domain has upper case for example, is a bad rule.
 * - `cn` and `ou` are compared with each of the subject's by RFC 5280 section 7.1: without regard to case, and
 *   with white space trimmed and compressed.
 * - `ip` is compared by value.
 *
 * @throws {CulvertError} `bad_rule`, saying what is expected.
 */
export function compileCondition(rule: RuleCondition): Test {
  const entries = Object.entries(rule);
  const [kind, value] = entries[0] ?? [];
  const compile = kind !== undefined && Object.hasOwn(COMPILERS, kind) ? COMPILERS[kind] : undefined;
  if (compile === undefined || entries.length !== 1) {
    throw badRule(rule, `expected exactly one of ${Object.keys(COMPILERS).join(", ")}`);
  }
  return compile(value);
}

function anyTest(value: unknown): Test {
  if (value !== true) throw badRule({ any: value }, "expected true");
  return () => true;
}

function dnsTest(value: unknown): Test {
  const name = typeof value === "string" ? value.toLowerCase() : "";
  if (!isDnsName(name)) throw badRule({ dns: value }, 'expected a DNS name, or "*." and a DNS name');
  if (!name.startsWith("*.")) return ({ dnsNames }) => dnsNames.includes(name);
  const parent = name.slice(1);
  // What is before the parent is one whole label: it is not empty, has no dot, and is no wildcard itself.
  return ({ dnsNames }) =>
    dnsNames.some((dns) =>
      dns.indexOf(".") === dns.length - parent.length && dns.endsWith(parent) && dns[0] !== "*"
    );
}

function uriTest(value: unknown): Test {
  const isUri = typeof value === "string" && /^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/.test(value);
  if (!isUri) throw badRule({ uri: value }, 'expected a URI such as "spiffe://example.org/ns/*/sa/**"');
  if (isVainSpiffe(value)) throw badRule({ uri: value }, `expected ${SPIFFE_FORM}`);
  if (!value.includes("*")) return ({ uris }) => uris.includes(value);
  if (value.includes("***")) throw badRule({ uri: value }, "expected at most two stars in a row");
  const matches = compileUriPattern(value);
  return ({ uris }) => uris.some(matches);
}

/** Whether a `uri` rule is about a `spiffe:` URI that is not a SPIFFE ID, which no certificate is accepted with. */
export function isVainSpiffe(pattern: string): boolean {
  if (!/^spiffe:/i.test(pattern)) return false;
  if (!pattern.includes("*")) return !isSpiffeId(pattern);
  // A `*` stays within the trust domain; behind a `**` there may be a path, which has upper case.
  return !pattern.startsWith("spiffe:") || /^spiffe:\/\/(?:[^/*]|\*(?!\*))*[A-Z]/.test(pattern);
}

function textTest(kind: string, namesOf: (identity: PeerIdentity) => readonly string[]) {
  return (value: unknown): Test => {
    if (typeof value !== "string" || value === "" || value.includes("\0")) {
      throw badRule({ [kind]: value }, "expected a name");
    }
    const wanted = comparable(value);
    return (identity) => comparableSet(namesOf(identity)).has(wanted);
  };
}

/** A text that can only be compared as it stands gets a form that no other text has. */
function comparable(text: string): string {
  return comparableText(text) ?? `\0${text}`;
}

function comparableSet(names: readonly string[]): ReadonlySet<string> {
  let set = comparableSets.get(names);
  if (set === undefined) comparableSets.set(names, set = new Set(names.map(comparable)));
  return set;
}

function ipTest(value: unknown): Test {
  const ip = typeof value === "string" ? parseIp(value) : undefined;
  if (ip === undefined) throw badRule({ ip: value }, "expected one IP address, no subnet");
  const text = formatIp(ip);
  return ({ ips }) => ips.includes(text);
}

function spkiTest(value: unknown): Test {
  const isPin = typeof value === "string" && SPKI.test(value);
  const pin = isPin ? value.slice("sha256/".length) : "";
  // There are several ways to write the last bits, of which only one is ever compared with.
  if (!isPin || Uint8Array.fromBase64(pin).toBase64() !== pin) {
    throw badRule({ spki: value }, 'expected "sha256/" and 44 characters of base64');
  }
  return ({ spkiSha256 }) => spkiSha256 === pin;
}

/** The error for a rule that can't be used. */
export function badRule(rule: unknown, expected: string): CulvertError {
  return new CulvertError("bad_rule", `Cannot use the rule ${JSON.stringify(rule)}: ${expected}`);
}
