import { CulvertError } from "../core/errors.ts";
import type { CertsCommand } from "./certs_request.ts";

const NAMES = ["cn", "ou", "dns", "uri", "ip", "email"];
const MADE = ["days", "rsa", "force"];

/** What each command takes. An option that would do nothing is not among them. */
const TAKES: Readonly<Record<CertsCommand, readonly string[]>> = {
  init: ["name", ...NAMES, ...MADE],
  client: [...NAMES, ...MADE],
  server: ["dns", "ip", ...MADE],
  renew: ["days", "new-key", "rsa"],
  revoke: ["days", "reason"],
  crl: ["days"],
};

/**
 * Sees to it that a command takes all options that it was given, which are named without their hyphens: whoever
 * gives one wants something of it.
 *
 * @throws {CulvertError} `bad_usage`, naming the first that it does not take, and those that it does.
 */
export function checkOptions(command: CertsCommand, given: readonly string[]): void {
  const takes = TAKES[command];
  const called = command === "init" ? "certs DIR" : `certs DIR ${command}`;
  const idle = given.find((option) => !takes.includes(option));
  if (idle !== undefined) {
    const all = takes.map((option) => `--${option}`).join(", ");
    throw badUsage(`${called} takes no --${idle}, only ${all}`);
  }
  if (command === "renew" && given.includes("rsa") && !given.includes("new-key")) {
    throw badUsage(`${called} takes --rsa only with --new-key: the key stays as it is otherwise`);
  }
}

function badUsage(what: string): CulvertError {
  return new CulvertError("bad_usage", `${what}; see certs --help`);
}
