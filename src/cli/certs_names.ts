import { CulvertError } from "../core/errors.ts";
import { parseIp } from "../net/ip.ts";
import type { CertRecord } from "./certs_folder.ts";
import type { CertsRequest } from "./certs_request.ts";

const MAX_DNS_LENGTH = 253;
/** Letters, digits and inner hyphens, 1 to 63 of them: RFC 1123 section 2.1. */
const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/i;
/** A scheme, and after it what may be in a URI: RFC 3986 section 2 and 3.1. */
const URI = /^[a-z][a-z0-9+.-]*:(?:[a-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9a-f]{2})+$/i;
const EMAIL = /^[!-?A-~]+@[!-?A-~]+$/;

/**
 * Looks at the names that certificates are asked for, which the maker of certificates itself takes as they
 * come.
 *
 * @throws {CulvertError} `bad_name`, saying which is none of its kind.
 */
export function checkNames(request: CertsRequest): void {
  const { names, serverNames, command, operands } = request;
  names.dns.forEach(checkDns);
  for (const name of names.ip) {
    if (parseIp(name) === undefined) throw badName(name, "expected an IP address");
  }
  names.uri.forEach(checkUri);
  const spiffe = names.uri.find((uri) => uri.startsWith("spiffe:"));
  if (spiffe !== undefined && names.uri.length > 1) {
    throw badName(spiffe, "expected a SPIFFE ID to be the only URI of its certificate");
  }
  for (const name of names.email) {
    if (!EMAIL.test(name)) throw badName(name, "expected an e-mail address");
  }
  for (const name of command === "server" ? operands : serverNames) {
    if (parseIp(name) === undefined) checkDns(name);
  }
}

/** What a server certificate says for these DNS names and addresses; the first is the common name as well. */
export function serverNames(all: readonly string[]): CertRecord["names"] {
  const unique = [...new Set(all)];
  const isIp = (name: string) => parseIp(name) !== undefined;
  return {
    cn: [unique[0]!],
    dns: unique.filter((name) => !isIp(name)),
    ip: unique.filter(isIp),
    ...{ ou: [], uri: [], email: [] },
  };
}

function checkDns(name: string): void {
  if (parseIp(name) !== undefined) throw badName(name, "expected a DNS name, and this is an IP address");
  const labels = name.replace(/^\*\./, "").split(".");
  if (name.length <= MAX_DNS_LENGTH && labels.every((label) => LABEL.test(label))) return;
  throw badName(
    name,
    'expected a DNS name of letters, digits, hyphens and dots, or "*." and one; others in their form of "xn--"',
  );
}

function checkUri(name: string): void {
  if (URI.test(name) && URL.canParse(name)) return;
  throw badName(name, "expected a URI with a scheme, such as spiffe://example.org/app");
}

function badName(name: string, expected: string): CulvertError {
  return new CulvertError("bad_name", `Cannot put ${JSON.stringify(name)} into a certificate: ${expected}`);
}
