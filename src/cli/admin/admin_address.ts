import { CulvertError } from "../../core/errors.ts";
import { type Address, formatAddress, parseAddress } from "../../net/address.ts";

/** Where an admin API listens. */
export interface AdminAddress {
  readonly address: Address;
  readonly isTls: boolean;
  /** What `Host` says. */
  readonly host: string;
}

/** Where it listens unless that is said, as in the examples. */
export const DEFAULT_ADMIN = "http://127.0.0.1:9901";

const FORM = "expected http://HOST:PORT, https://HOST:PORT or unix:/path";

/**
 * Reads `http://host:port`, `https://host:port` or `unix:/path`.
 *
 * @throws {CulvertError} `bad_usage` for anything else.
 */
export function parseAdminAddress(text: string): AdminAddress {
  if (text.startsWith("unix:")) {
    const address = addressOf(text, text);
    return { address, isTls: false, host: "localhost" };
  }
  const [, scheme, authority] = /^(https?):\/\/([^/?#@\\]+)\/?$/i.exec(text) ?? [];
  if (scheme === undefined || authority === undefined) throw badAddress(text);
  const isTls = scheme.toLowerCase() === "https";
  const hasPort = /:\d+$/.test(authority);
  const address = addressOf(hasPort ? authority : `${authority}:${isTls ? 443 : 80}`, text);
  if (address.kind !== "tcp" || address.host === "" || address.port === 0) throw badAddress(text);
  return { address, isTls, host: hasPort ? formatAddress(address) : authority };
}

function addressOf(address: string, text: string): Address {
  try {
    return parseAddress(address);
  } catch (error) {
    if (error instanceof CulvertError) throw badAddress(text);
    throw error;
  }
}

function badAddress(text: string): CulvertError {
  return new CulvertError("bad_usage", `--admin ${text}: ${FORM}; see --help`);
}
