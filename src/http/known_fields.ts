import { NameTable } from "./name_table.ts";

/** Fields that frame or route a message, or are about its connection. */
export const FRAMING_FIELDS = [
  "host",
  "content-length",
  "transfer-encoding",
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy",
  "te",
  "trailer",
  "upgrade",
  "http2-settings",
  "expect",
] as const;

/**
 * Names of fields that the proxy acts on, that frame or route a message, or that backends trust. A field with an
 * underscore where one of these has a hyphen is not what it seems: CGI and its heirs take both for the same.
 */
export const KNOWN_NAMES = [
  "",
  ...FRAMING_FIELDS,
  // What a proxy tells a backend.
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-server",
  "x-forwarded-prefix",
  "x-forwarded-ssl",
  "x-forwarded-scheme",
  "x-forwarded-by",
  "x-forwarded-client-cert",
  "x-real-ip",
  "x-client-ip",
  "x-client-identity",
  "x-request-id",
  "x-proxy-by",
  "client-cert",
  "client-cert-chain",
  "true-client-ip",
  "x-original-url",
  "x-rewrite-url",
  "x-original-host",
  "x-http-method-override",
  "front-end-https",
  // The program reads or writes these.
  "date",
  "server",
  "x-powered-by",
  "location",
  "content-location",
  "set-cookie",
  "content-type",
  "content-encoding",
  "content-range",
  "accept",
  "accept-encoding",
  "allow",
  "retry-after",
  "idempotency-key",
  "user-agent",
  "referer",
  "max-forwards",
  "cache-control",
  "age",
  "vary",
  "range",
  "if-match",
  "if-none-match",
  "if-modified-since",
  "if-unmodified-since",
  "if-range",
  "origin",
  "pragma",
  "accept-charset",
  "accept-language",
  "content-disposition",
  "content-language",
  "last-modified",
  "access-control-request-headers",
  "access-control-request-method",
  "x-requested-with",
  // They authenticate.
  "authorization",
  "proxy-authorization",
  "proxy-authenticate",
  "proxy-authentication-info",
  "www-authenticate",
  "authentication-info",
  "cookie",
  "x-api-key",
  "x-csrf-token",
  "x-forwarded-user",
  "x-remote-user",
  "remote-user",
  "sec-websocket-key",
  "sec-websocket-accept",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "sec-websocket-version",
] as const;

/** A name with a number. */
export type KnownName = Exclude<typeof KNOWN_NAMES[number], "">;

/**
 * Fields in which a proxy describes its client. Backends trust them, so they never pass from a client: not in a head, not
 * in a trailer, in no spelling.
 */
export const CLIENT_FIELDS = [
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-server",
  "x-forwarded-prefix",
  "x-forwarded-ssl",
  "x-forwarded-scheme",
  "x-forwarded-by",
  "x-forwarded-client-cert",
  "x-real-ip",
  "x-client-ip",
  "x-client-identity",
  "true-client-ip",
  "client-cert",
  "client-cert-chain",
  "front-end-https",
] as const satisfies readonly KnownName[];

const BY_NAME = new Map<string, number>(KNOWN_NAMES.map((name, id) => [name, id]));

/** Finds {@linkcode KNOWN_NAMES} among bytes. */
export const knownFields: NameTable = new NameTable(KNOWN_NAMES);

/** The number of a known name. */
export function fieldId(name: KnownName): number {
  return BY_NAME.get(name)!;
}

/** One octet for each known name: 1 for those that are in the list. Look up with the number of a name. */
export function fieldSet(names: readonly KnownName[]): Uint8Array {
  const set = new Uint8Array(KNOWN_NAMES.length);
  for (const name of names) set[fieldId(name)] = 1;
  return set;
}
