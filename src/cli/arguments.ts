import { parseArgs } from "@std/cli/parse-args";
import { CulvertError } from "../core/errors.ts";
import { parseDuration } from "../core/units.ts";
import { DEFAULT_ADMIN, parseAdminAddress } from "./admin/admin_address.ts";
import type { Shell } from "./completions.ts";
import type { InitKind } from "./init.ts";
import { COMMANDS, type CommandSpec, commandSpec, COMMON_OPTIONS, type OptionSpec } from "./commands.ts";

/** What the program was asked to do. */
export type Command =
  | { readonly name: "run" | "check"; readonly config: string }
  /** `watch`: with the folders of files, so that changes are noticed. @default {false} */
  | { readonly name: "permissions"; readonly config: string; readonly watch?: boolean }
  | ({ readonly name: "explain" } & ExplainArguments)
  | ({ readonly name: "status"; readonly json: boolean } & AdminArguments)
  | ({ readonly name: "top"; readonly intervalMs: number } & AdminArguments)
  | { readonly name: "init"; readonly kind: InitKind }
  | { readonly name: "completions"; readonly shell: Shell }
  | { readonly name: "demo" | "version" }
  /** `command`: absent, of the program. */
  | { readonly name: "help"; readonly command?: string };

/** The options of `culvert explain`. */
export interface ExplainArguments {
  readonly config: string;
  readonly service: string;
  readonly from?: string;
  readonly via?: string;
  /** The path of a file. */
  readonly cert?: string;
  readonly sni?: string;
  readonly method?: string;
  readonly url?: string;
}

/** How a running proxy is reached. */
export interface AdminArguments {
  /** `http://host:port`, `https://host:port` or `unix:/path`. */
  readonly admin: string;
  /** The paths of files in PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

/** The values of the options that were given. */
type Given = Readonly<Record<string, string | true>>;

/** A sample costs the program milliseconds. */
const MIN_INTERVAL_MS = 100;
const OPTIONS = [...COMMON_OPTIONS, ...COMMANDS.flatMap(({ options }) => options)];
const VERSION_OPTION: OptionSpec = { name: "version", short: "V", text: "" };

/**
 * Reads the command line.
 *
 * @throws {CulvertError} `bad_usage`, saying what was not understood.
 */
export function parseCommand(args: readonly string[]): Command {
  const known = [...OPTIONS, VERSION_OPTION];
  const parsed = parseArgs(joinDashes(args), {
    string: ["_", ...known.filter(({ value }) => value !== undefined).map(({ name }) => name)],
    boolean: known.filter(({ value }) => value === undefined).map(({ name }) => name),
    collect: known.filter(({ value }) => value !== undefined).map(({ name }) => name),
    alias: Object.fromEntries(known.flatMap(({ name, short }) => short === undefined ? [] : [[short, name]])),
    unknown(option, key) {
      if (key !== undefined) throw badUsage(`unknown option "${option}"`);
      return true;
    },
  });
  const [name, ...operands] = parsed._.map(String);
  if (parsed.help === true) {
    return name === undefined || commandSpec(name) === undefined
      ? { name: "help" }
      : { name: "help", command: name };
  }
  if (parsed.version === true) return { name: "version" };
  const spec = commandSpec(name ?? "run");
  if (spec === undefined) {
    const names = COMMANDS.map((command) => command.name).join(", ");
    throw badUsage(`unknown command "${name}"; expected one of ${names}`);
  }
  const given = givenOptions(parsed, spec);
  checkOperands(spec, operands);
  return buildCommand(spec.name, { given, operands });
}

function givenOptions(parsed: Readonly<Record<string, unknown>>, { name, options }: CommandSpec): Given {
  const given: Record<string, string | true> = {};
  for (const option of new Set(OPTIONS.map((each) => each.name))) {
    const value = parsed[option];
    const isGiven = Array.isArray(value) ? value.length > 0 : value === true;
    if (!isGiven) continue;
    const spec = options.find((each) => each.name === option);
    if (spec === undefined) throw badUsage(`${name} takes no --${option}`);
    if (!Array.isArray(value)) {
      given[option] = true;
      continue;
    }
    const [text = "", ...more] = value as string[];
    if (text === "" || more.length > 0) throw badUsage(`${name} needs --${option} ${spec.value}, once`);
    given[option] = text;
  }
  return given;
}

function checkOperands({ name, operands, usage }: CommandSpec, given: readonly string[]): void {
  const { min = 0, max = 0, words } = operands ?? {};
  if (given.length > max) throw badUsage(`unexpected argument "${given[max]}"`);
  const [first] = given;
  const isKnown = first === undefined || words === undefined || words.includes(first);
  if (given.length < min || !isKnown) throw badUsage(`${name} needs ${usage}`);
}

function buildCommand(
  name: string,
  { given, operands }: { given: Given; operands: readonly string[] },
): Command {
  const text = (option: string) => given[option] as string | undefined;
  const required = (option: string, value: string) => {
    const found = text(option);
    if (found === undefined) throw badUsage(`${name} needs --${option} ${value}, once`);
    return found;
  };
  switch (name) {
    case "run":
    case "check":
      return { name, config: required("config", "FILE") };
    case "permissions": {
      const config = required("config", "FILE");
      return given.watch === true ? { name, config, watch: true } : { name, config };
    }
    case "explain": {
      const [config, service] = [required("config", "FILE"), required("service", "NAME")];
      if (text("method") !== undefined) required("url", "URL");
      return { ...given, name, config, service };
    }
    case "status": {
      const { json, ...rest } = given;
      return { ...rest, ...adminArguments(given), name, json: json === true };
    }
    case "top": {
      const { interval = "1s", ...rest } = given;
      return { ...rest, ...adminArguments(given), name, intervalMs: readInterval(String(interval)) };
    }
    case "init":
      return { name, kind: (operands[0] ?? "tcp") as InitKind };
    case "completions":
      return { name, shell: operands[0] as Shell };
    default:
      return { name: "demo" };
  }
}

function adminArguments({ admin = DEFAULT_ADMIN, ca, cert, key }: Given): AdminArguments {
  if ((cert === undefined) !== (key === undefined)) throw badUsage("--cert and --key need each other");
  const { isTls } = parseAdminAddress(String(admin));
  if (!isTls && (ca ?? cert) !== undefined) {
    throw badUsage("--ca, --cert and --key are for --admin https://…");
  }
  return { admin: String(admin) };
}

function readInterval(text: string): number {
  try {
    const ms = parseDuration(text);
    if (ms >= MIN_INTERVAL_MS) return ms;
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
  }
  throw badUsage(`--interval ${text}: expected a duration of 100ms or more`);
}

/** `--config -` as one word: the parser takes a lone dash for an argument of its own. */
function joinDashes(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const [index, arg] of args.entries()) {
    const previous = args[index - 1];
    if (arg === "-" && (previous === "--config" || previous === "-c")) {
      joined[joined.length - 1] = "--config=-";
    } else joined.push(arg);
  }
  return joined;
}

function badUsage(what: string): CulvertError {
  return new CulvertError("bad_usage", `${what}; see --help`);
}
