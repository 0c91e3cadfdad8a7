import { parseIp } from "../ip.ts";

const MAX_NAME_CHARS = 253;

/**
 * What is wrong with a host name, as a ClientHello gives it (RFC 6066, section 3) or a pattern has it: ASCII,
 * without a dot at its end, no IP address. Letters, digits, `-` and `_`, which names in use have.
 *
 * @returns A reason to go on after `is`; `undefined` for a good name.
 */
export function faultOfServerName(name: string): string | undefined {
  if (name === "") return "empty";
  if (name.length > MAX_NAME_CHARS) return `longer than ${MAX_NAME_CHARS} characters`;
  if (parseIp(name) !== undefined) return "an IP address";
  // deno-lint-ignore no-control-regex
  if (!/^[\x00-\x7f]*$/.test(name)) return "not ASCII";
  if (name.endsWith(".")) return "not a name without a dot at its end";
  if (!/^[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/.test(name)) return "no host name";
  // Many take 1.2.3.08, 127.1 or 0x7f000001 for an IPv4 address.
  if (/(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)$/.test(name)) return "an IP address, or too much like one";
  return undefined;
}
