import { formatIp, parseIp } from "../../net/ip.ts";

/** The longest host name, RFC 1035 section 2.3.4 without the dot at the end. */
const MAX_NAME = 253;
/** Longer than any host. What is longer is not looked at: it would cost in vain. */
const MAX_TEXT = 300;

/**
 * Whether `text` is an IP address or has the shape of a host name: RFC 1123 labels, and underscores, which names
 * of containers and of DNS service records have.
 */
export function isHost(text: string): boolean {
  return readIp(text) !== undefined || isHostName(text);
}

/** As {@linkcode isHost}, of names alone. */
export function isHostName(text: string): boolean {
  if (text.length > MAX_TEXT) return false;
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  const labels = name.split(".");
  // A name that ends in a number is a misspelt IPv4 address; a resolver may take 127.1 for one.
  if (/^\d+$/.test(labels.at(-1) ?? "")) return false;
  return name.length <= MAX_NAME &&
    labels.every((label) => /^[A-Za-z0-9_](?:[\w-]{0,61}[A-Za-z0-9_])?$/.test(label));
}

/** The one way to write this host, for comparing: lower case, the shortest form of an IP address. */
export function canonicalHost(host: string): string {
  const ip = readIp(host);
  if (ip === undefined) return host.toLowerCase().replace(/\.$/, "");
  return formatIp(ip) + (/%.*/.exec(host)?.[0] ?? "");
}

function readIp(text: string): ReturnType<typeof parseIp> {
  if (text.length > MAX_TEXT) return undefined;
  const zone = text.indexOf("%");
  if (zone === -1) return parseIp(text);
  const ip = text.slice(0, zone);
  return ip.includes(":") && /^%[\w.-]+$/.test(text.slice(zone)) ? parseIp(ip) : undefined;
}
