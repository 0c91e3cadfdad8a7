import type { AddressSet } from "../net/address_set.ts";
import { formatIp, parseIp } from "../net/ip.ts";

/** The senders that are trusted in a chain. */
export interface ChainOptions {
  readonly trusted: AddressSet;
  /** The address of the sender of the chain. */
  readonly peer: string;
}

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;

/** The client in a list of X-Forwarded-For: from the right, the first address that is not trusted. */
export function clientOfList(list: string | undefined, options: ChainOptions): string {
  return list === undefined ? options.peer : walk(list.split(","), (entry) => entry.trim(), options);
}

/** The client in Forwarded (RFC 7239): from the right, the first address that is not trusted. */
export function clientOfForwarded(list: string | undefined, options: ChainOptions): string {
  return list === undefined ? options.peer : walk(splitUnquoted(list), forOf, options);
}

/**
 * Each entry was written by the node to the right of it, so it counts only if that node is trusted. An entry
 * that names no address ends the walk: what it stands for can't be trusted.
 */
function walk(
  entries: readonly string[],
  nodeOf: (entry: string) => string | undefined,
  { trusted, peer }: ChainOptions,
): string {
  let client = peer;
  for (let i = entries.length - 1; i >= 0 && trusted.has(client); i--) {
    const ip = addressOf(nodeOf(entries[i]!));
    if (ip === undefined) break;
    client = ip;
  }
  return client;
}

/** Splits at commas. One may stand in a quoted text, and a quote in one behind a backslash. */
function splitUnquoted(list: string): string[] {
  const entries: string[] = [];
  let isQuoted = false;
  let start = 0;
  for (let i = 0; i < list.length; i++) {
    const char = list[i];
    if (isQuoted && char === "\\") i++;
    else if (char === '"') isQuoted = !isQuoted;
    else if (char === "," && !isQuoted) {
      entries.push(list.slice(start, i));
      start = i + 1;
    }
  }
  return [...entries, list.slice(start)];
}

/** The `for` of an element. */
function forOf(element: string): string | undefined {
  const [, quoted, token] = /(?:^|;)\s*for\s*=\s*(?:"([^"\\]*)"|([^\s;,"]+))\s*(?=;|$)/i.exec(element) ?? [];
  return quoted ?? token;
}

/** The address of a node such as `10.0.0.1`, `10.0.0.1:80`, `2001:db8::1` or `[2001:db8::1]:80`. */
function addressOf(node: string | undefined): string | undefined {
  if (node === undefined) return undefined;
  const [, inBrackets, withPort] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([^:]*):\d{1,5})$/.exec(node) ?? [];
  const ip = parseIp(inBrackets ?? withPort ?? node);
  return ip === undefined ? undefined : formatIp(ip);
}

/** A host as the value of a parameter of Forwarded: a token, or quoted. */
export function quotedHost(host: string): string {
  return TOKEN.test(host) ? host : `"${host.replaceAll(/["\\]/g, "\\$&")}"`;
}
