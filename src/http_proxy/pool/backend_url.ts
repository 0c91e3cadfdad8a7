import { CulvertError } from "../../core/errors.ts";
import { type Address, parseAddress } from "../../net/address.ts";

/** Where a backend of a pool is, read from its URL. */
export interface BackendUrl {
  /** In its one spelling: scheme, host, port unless it is the scheme's own, and path without a slash at its end. */
  readonly text: string;
  readonly scheme: "http" | "https";
  readonly address: Address;
  /** `/` for a URL without one. */
  readonly path: string;
}

/** Reads the URL of a backend, in any spelling. Throws `bad_backend` for what is none. */
export function readBackendUrl(input: string | URL): BackendUrl {
  const url = URL.parse(input);
  const isPlain = url !== null && /^https?:$/.test(url.protocol) && url.hostname !== "" &&
    url.username + url.password + url.search + url.hash === "" && !String(input).includes("?");
  if (!isPlain) {
    throw badBackend(
      `Cannot use the backend ${JSON.stringify(String(input))}: expected a URL such as http://127.0.0.1:8080`,
    );
  }
  const scheme = url.protocol === "https:" ? "https" : "http";
  const path = url.pathname.replace(/\/+$/, "");
  return {
    text: url.origin + path,
    scheme,
    address: parseAddress(`${url.hostname}:${url.port || (scheme === "https" ? "443" : "80")}`),
    path: path === "" ? "/" : path,
  };
}

/** Throws `bad_backend` unless `value` is a whole number from 0 to `max`. */
export function checkCount(name: string, value: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return;
  throw badBackend(`Cannot use ${name} ${value}: expected a whole number from 0 to ${max}`);
}

/** A backend that can't be used. */
export function badBackend(message: string, cause?: unknown): CulvertError {
  return new CulvertError("bad_backend", message, { cause });
}
