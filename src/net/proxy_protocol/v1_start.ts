import { parseIpv4, parseIpv6 } from "../ip.ts";
import { badProxyHeader } from "./header.ts";
import { quoteText } from "../../core/escape_text.ts";

type Family = "TCP4" | "TCP6";

const PROTOCOLS = ["TCP4", "TCP6", "UNKNOWN"];
const OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4_START = new RegExp(`^(?:${OCTET}\\.){0,3}${OCTET}?$`);
const IPV6_CHARS = /^[0-9A-Fa-f:.]{0,45}$/;
/** A colon alone at the start, three in a row, `::` twice, a group of five digits. */
const NO_IPV6 = /^:[^:]|:::|::.*::|[0-9A-Fa-f]{5}/;

/**
 * Checks the start of a line of version 1, whose end has not come yet: every field that is complete must be good, and
 * the last one must be the start of a good one.
 *
 * @throws {CulvertError} `bad_proxy_header` if no further bytes can make a header of it.
 */
export function checkProxyV1Start(line: string): void {
  const [, protocol, ...fields] = line.split(" ");
  if (protocol === undefined || (protocol === "UNKNOWN" && fields.length > 0)) return;
  const known = fields.length > 0
    ? PROTOCOLS.includes(protocol)
    : PROTOCOLS.some((each) => each.startsWith(protocol));
  if (!known) throw badProxyHeader(`expected TCP4, TCP6 or UNKNOWN, found ${quoteText(protocol)}`);
  if (fields.length > 4) {
    throw badProxyHeader(`expected two addresses and two ports, found ${quoteText(fields.join(" "))}`);
  }
  for (const [index, field] of fields.entries()) {
    checkField(field, { index, family: protocol as Family, isComplete: index < fields.length - 1 });
  }
}

/** Whether a port is written as in a header of version 1. */
export function isProxyPort(text: string): boolean {
  return /^(?:0|[1-9][0-9]{0,4})$/.test(text) && Number(text) <= 65535;
}

function checkField(
  field: string,
  { index, family, isComplete }: { index: number; family: Family; isComplete: boolean },
): void {
  if (index >= 2) {
    if (isProxyPort(field) || (!isComplete && field === "")) return;
    throw badProxyHeader(`expected a port from 0 to 65535, found ${quoteText(field)}`);
  }
  if (isComplete ? isAddress(field, family) : couldBeAddress(field, family)) return;
  throw badProxyHeader(`expected an IPv${family.at(-1)} address, found ${quoteText(field)}`);
}

function isAddress(text: string, family: Family): boolean {
  return family === "TCP4" ? parseIpv4(text) !== -1 : parseIpv6(text) !== undefined;
}

function couldBeAddress(text: string, family: Family): boolean {
  if (family === "TCP4") return IPV4_START.test(text);
  if (!IPV6_CHARS.test(text) || NO_IPV6.test(text)) return false;
  const groups = text.split(":");
  if (groups.length > 9) return false;
  // The last group may be an IPv4 address.
  const last = groups.pop()!;
  return groups.every((group) => !group.includes(".")) && (!last.includes(".") || IPV4_START.test(last));
}
