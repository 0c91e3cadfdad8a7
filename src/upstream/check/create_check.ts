import { CulvertError } from "../../core/errors.ts";
import type { Dial } from "../../net/dial.ts";
import { type ConnectAndReset, connectAndReset } from "../../net/connect_and_reset.ts";
import type { TlsConnect } from "../../tls/dial.ts";
import type { Check } from "./check.ts";
import { HalfOpenCheck } from "./half_open_check.ts";
import type { HalfOpenChecker } from "./half_open/checker.ts";
import { HttpCheck } from "./http_check.ts";
import type { HealthOptions } from "./options.ts";
import { ScriptCheck } from "./script_check.ts";
import { TcpCheck } from "./tcp_check.ts";
import { TlsCheck } from "./tls_check.ts";
import { withPort } from "./with_port.ts";

/** What checks work with. */
export interface CheckParts {
  /** Opens connections as the upstream does, with TLS and a PROXY header without a client, if configured. */
  readonly dial: Dial;
  /** For `tls`: as `dial`, with the TLS session. */
  readonly connectTls?: TlsConnect | undefined;
  /** For `half-open`: a started checker, closed by its owner. @default one for each check */
  readonly halfOpen?: HalfOpenChecker | undefined;
  /** For `tcp`. @default {connectAndReset} */
  readonly connectAndReset?: ConnectAndReset;
}

/**
 * Creates the check that `health` configures.
 *
 * @throws {CulvertError} `bad_check`, `bad_script` or `bad_status_ranges` for options that are not valid; and what
 * {@linkcode HalfOpenCheck} throws.
 */
export function createCheck(health: HealthOptions, parts: CheckParts): Check {
  const check = checkOf(health, parts);
  const { port } = health;
  if (port === undefined) return check;
  return {
    run: async (address, signal) => await check.run(withPort(address, port), signal),
    close: () => check.close?.(),
  };
}

function checkOf({ type, http, script = [] }: HealthOptions, parts: CheckParts): Check {
  const { dial, connectTls, halfOpen } = parts;
  switch (type) {
    case "tcp":
      return new TcpCheck({ connectAndReset: parts.connectAndReset ?? connectAndReset });
    case "half-open":
      return new HalfOpenCheck(halfOpen === undefined ? {} : { checker: halfOpen });
    case "tls":
      if (connectTls !== undefined) return new TlsCheck({ connect: connectTls });
      throw new CulvertError("bad_check", "Cannot check by tls: no TLS is spoken with the backends");
    case "http":
      return new HttpCheck({ dial, ...http });
    case "script":
      return new ScriptCheck({ dial, steps: script });
  }
}
