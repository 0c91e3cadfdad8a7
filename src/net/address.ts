import { CulvertError } from "../core/errors.ts";

/** An address to listen on or to dial. `host` is `""` for all addresses of the machine, of both families. */
export type Address =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number }
  | { readonly kind: "unix"; readonly path: string };

/**
 * Reads `host:port`, `:port`, `[::1]:port` or `unix:/path`.
 *
 * @throws {CulvertError} `bad_address`, saying what was expected.
 */
export function parseAddress(text: string): Address {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    if (path === "" || path.includes("\0")) throw badAddress(text, "a path after unix:");
    return { kind: "unix", path };
  }
  const match = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^:\[\]\s/]*)):(\d{1,5})$/.exec(text);
  if (match === null) throw badAddress(text, "host:port, :port, [ipv6]:port or unix:/path");
  const port = Number(match[3]);
  if (port > 65535) throw badAddress(text, "a port from 0 to 65535");
  return { kind: "tcp", host: match[1] ?? match[2] ?? "", port };
}

/** The opposite of {@linkcode parseAddress}: `[::1]:80`, `:80`, `db:5432`, `unix:/run/app.sock`. */
export function formatAddress(address: Address): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return `${address.host.includes(":") ? `[${address.host}]` : address.host}:${address.port}`;
}

function badAddress(text: string, expected: string): CulvertError {
  return new CulvertError("bad_address", `Cannot read address "${text}": expected ${expected}`);
}
