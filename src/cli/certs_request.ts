import { parseArgs } from "@std/cli/parse-args";
import { CulvertError } from "../core/errors.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../tls/x509/oids.ts";

/** What `culvert certs --help` prints. */
export const CERTS_USAGE =
  `Makes certificates for trying mutual TLS. Nothing of it is for production: keys are not encrypted.

  culvert certs DIR               a CA, a server certificate, a client certificate and a CRL
  culvert certs DIR client NAME   a client certificate
  culvert certs DIR server NAME…  a server certificate for these DNS names and addresses
  culvert certs DIR renew NAME    a new certificate with the names and the key of the one that is there
  culvert certs DIR revoke NAME   revoke every certificate of that name, and make a new CRL
  culvert certs DIR crl           a new CRL

  --name NAME   a further name of the first server certificate, besides localhost, 127.0.0.1 and ::1
  --cn, --ou, --dns, --uri, --ip, --email VALUE
                what a client certificate says, as often as needed; --cn is NAME unless given.
                server takes --dns and --ip, for names and addresses besides its NAMEs
  --days N      how long it holds, no longer than the CA: certificates 825, CRLs 30 (revoke, crl)
  --reason WORD why it is revoked, such as keyCompromise
  --rsa         RSA keys of 2048 bits instead of ECDSA with P-256; to renew, with --new-key
  --new-key     renew with a new key, of the kind of the old one unless --rsa is given
  --force       replace files that are there
`;

/** What `culvert certs` was asked to do. */
export interface CertsRequest {
  readonly folder: string;
  readonly command: CertsCommand;
  readonly operands: readonly string[];
  /** What a client certificate shall say; of a server, DNS names and addresses besides its operands. */
  readonly names: {
    readonly cn: string[];
    readonly ou: string[];
    readonly dns: string[];
    readonly uri: string[];
    readonly ip: string[];
    readonly email: string[];
  };
  /** Further names of the first server certificate. */
  readonly serverNames: readonly string[];
  readonly days: number | undefined;
  readonly reason: RevocationReason;
  readonly rsa: boolean;
  readonly newKey: boolean;
  readonly force: boolean;
}

/** The commands, and how many operands each takes at least and at most. */
const OPERANDS = {
  init: [0, 0],
  client: [1, 1],
  server: [1, Infinity],
  renew: [1, 1],
  revoke: [1, 1],
  crl: [0, 0],
} as const;

/** What can be done in a folder; `init` is what is done when nothing is named. */
export type CertsCommand = keyof typeof OPERANDS;

const LISTS = ["cn", "ou", "dns", "uri", "ip", "email", "name"];
const FLAGS = ["rsa", "new-key", "force"];
const OPTIONS = [...LISTS, "days", "reason", ...FLAGS];

/**
 * Reads the arguments after `certs`.
 *
 * @returns What is asked for, or `undefined` when that is help.
 * @throws {CulvertError} `bad_usage`, saying what was not understood.
 */
export function parseCertsRequest(args: readonly string[]): CertsRequest | undefined {
  const parsed = parseArgs(args, {
    string: ["_", "days", "reason", ...LISTS],
    boolean: ["help", ...FLAGS],
    collect: LISTS,
    alias: { h: "help" },
    unknown(option, key) {
      if (key !== undefined) throw badUsage(`unknown option "${option}"`);
      return true;
    },
  });
  if (parsed.help === true) return undefined;
  const [folder = "", word, ...operands] = parsed._.map(String);
  if (folder === "") throw badUsage("certs needs a folder");
  const command = commandOf(word, operands);
  checkOptions(command, OPTIONS.filter((name) => isGiven(parsed[name])));
  const list = (name: string) => (parsed[name] ?? []) as string[];
  const [cn, ou, dns, uri, ip, email] = LISTS.map(list) as [
    string[],
    string[],
    string[],
    string[],
    string[],
    string[],
  ];
  return {
    ...{ folder, command, operands },
    names: { cn, ou, dns, uri, ip, email },
    serverNames: list("name"),
    days: daysOf(parsed.days as string | undefined),
    reason: reasonOf(parsed.reason as string | undefined),
    rsa: parsed.rsa === true,
    newKey: parsed["new-key"] === true,
    force: parsed.force === true,
  };
}

/** An option that was not given is absent, an empty list, or false. */
function isGiven(value: unknown): boolean {
  return Array.isArray(value) ? value.length > 0 : value !== undefined && value !== false;
}

function commandOf(word: string | undefined, operands: readonly string[]): CertsCommand {
  const command = word ?? "init";
  if (word === "init" || !Object.hasOwn(OPERANDS, command)) {
    const commands = Object.keys(OPERANDS).filter((name) => name !== "init");
    throw badUsage(`unknown command "certs DIR ${command}"; expected one of ${commands.join(", ")}`);
  }
  const [least, most] = OPERANDS[command as CertsCommand];
  if (operands.length < least) throw badUsage(`certs DIR ${command} needs a NAME`);
  if (operands.length > most) throw badUsage(`unexpected argument "${operands[most]}"`);
  return command as CertsCommand;
}

function daysOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,4}$/.test(text)) throw badUsage(`--days ${text}: expected a whole number from 1 to 99999`);
  return Number(text);
}

function reasonOf(word: string | undefined): RevocationReason {
  if (word === undefined) return "unspecified";
  const reasons: readonly string[] = REVOCATION_REASONS.filter((reason) =>
    reason !== "" && reason !== "removeFromCRL"
  );
  if (reasons.includes(word)) return word as RevocationReason;
  throw badUsage(`--reason ${word}: expected one of ${reasons.join(", ")}`);
}

function badUsage(what: string): CulvertError {
  return new CulvertError("bad_usage", `${what}; see certs --help`);
}

const NAMES = ["cn", "ou", "dns", "uri", "ip", "email"];
const MADE = ["days", "rsa", "force"];

/** The options of each command. An option without an effect is not among them. */
const TAKES: Readonly<Record<CertsCommand, readonly string[]>> = {
  init: ["name", ...NAMES, ...MADE],
  client: [...NAMES, ...MADE],
  server: ["dns", "ip", ...MADE],
  renew: ["days", "new-key", "rsa"],
  revoke: ["days", "reason"],
  crl: ["days"],
};

/**
 * Refuses options that the command does not take. `given` names them without their hyphens.
 *
 * @throws {CulvertError} `bad_usage`, naming the first such option, and those that the command takes.
 */
function checkOptions(command: CertsCommand, given: readonly string[]): void {
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
