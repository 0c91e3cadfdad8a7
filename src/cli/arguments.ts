import { parseArgs } from "@std/cli/parse-args";
import { CulvertError } from "../core/errors.ts";

/** What the program was asked to do. */
export type Command =
  | { readonly name: "run" | "check"; readonly config: string }
  /** `watch`: with the folders of files, so that changes are noticed. @default {false} */
  | { readonly name: "permissions"; readonly config: string; readonly watch?: boolean }
  | { readonly name: "demo" | "help" | "version" };

const WITH_CONFIG = ["run", "check", "permissions"] as const;
const COMMANDS: readonly string[] = [...WITH_CONFIG, "demo"];

/**
 * Reads the command line.
 *
 * @throws {CulvertError} `bad_usage`, saying what was not understood.
 */
export function parseCommand(args: readonly string[]): Command {
  const parsed = parseArgs(joinDash(args), {
    string: ["config"],
    boolean: ["help", "version", "watch"],
    collect: ["config"],
    alias: { c: "config", h: "help", V: "version" },
    unknown(option, key) {
      if (key !== undefined) throw badUsage(`unknown option "${option}"`);
      return true;
    },
  });
  if (parsed.help === true) return { name: "help" };
  if (parsed.version === true) return { name: "version" };

  const [name = "run", ...rest] = parsed._.map(String);
  if (!COMMANDS.includes(name)) {
    throw badUsage(`unknown command "${name}"; expected one of ${COMMANDS.join(", ")}, certs`);
  }
  if (rest.length > 0) throw badUsage(`unexpected argument "${rest[0]}"`);
  const config = parsed.config as string[];
  const watch = parsed.watch === true;
  if (watch && name !== "permissions") throw badUsage(`${name} takes no --watch`);
  if (name === "demo") {
    if (config.length > 0) throw badUsage("demo takes no --config");
    return { name };
  }
  const [path = "", ...more] = config;
  if (path === "" || more.length > 0) throw badUsage(`${name} needs --config FILE, once`);
  if (watch) return { name: "permissions", config: path, watch };
  return { name: name as typeof WITH_CONFIG[number], config: path };
}

/** `--config -` as one word: the parser takes a lone dash for an argument of its own. */
function joinDash(args: readonly string[]): string[] {
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
