import { CulvertError } from "../../core/errors.ts";
import type { Address } from "../../net/address.ts";

/** Options of {@linkcode formatRequest}. */
export interface RequestOptions {
  /** A method that {@linkcode requireMethod} accepts. */
  readonly method: string;
  /** A path that {@linkcode requirePath} accepts. */
  readonly path: string;
  /** A host that {@linkcode requireHost} accepts. @default the address */
  readonly host?: string | undefined;
  /** The backend. */
  readonly address: Address;
}

/** Methods whose requests have a body, which is empty here. */
const WITH_BODY: ReadonlySet<string> = new Set(["POST", "PUT", "PATCH"]);

/**
 * Checks the method of a check.
 *
 * @throws {CulvertError} `bad_check`
 */
export function requireMethod(method: string): string {
  if (!/^[A-Z]+(?:-[A-Z]+)*$/.test(method)) {
    throw bad("method", method, "one in capital letters, such as GET");
  }
  if (method === "CONNECT") throw bad("method", method, "one that asks for an answer");
  return method;
}

/**
 * Checks the path of a check, which may have a query.
 *
 * @throws {CulvertError} `bad_check`
 */
export function requirePath(path: string): string {
  if (/^(?:\/[\x21-\x22\x24-\x7e]*|\*)$/.test(path)) return path;
  throw bad("path", path, "one that begins with / and holds only printable ASCII, without blanks and #");
}

/**
 * Checks the `Host` of a check.
 *
 * @throws {CulvertError} `bad_check`
 */
export function requireHost(host: string): string {
  if (/^(?:[\w.~!$&'()*+;=%-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?$/.test(host)) return host;
  throw bad("host", host, "a name or an address, with an optional port");
}

/** The request of a check, with `Connection: close`. */
export function formatRequest(options: RequestOptions): Uint8Array<ArrayBuffer> {
  const { method, path, host, address } = options;
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${host ?? hostOf(address)}`,
    "User-Agent: culvert (health check)",
    "Accept: */*",
    // The expected text must be searched in the plain body.
    "Accept-Encoding: identity",
    ...(WITH_BODY.has(method) ? ["Content-Length: 0"] : []),
    "Connection: close",
  ];
  return new TextEncoder().encode(`${lines.join("\r\n")}\r\n\r\n`);
}

/** A unix socket has no name. The zone of an IPv6 address is only valid locally (RFC 6874 section 4). */
function hostOf(address: Address): string {
  if (address.kind === "unix") return "localhost";
  const host = address.host.replace(/%.*$/, "");
  return `${host.includes(":") ? `[${host}]` : host}:${address.port}`;
}

function bad(what: string, value: string, expected: string): CulvertError {
  const message = `Cannot check by HTTP with the ${what} ${JSON.stringify(value)}: expected ${expected}`;
  return new CulvertError("bad_check", message);
}
