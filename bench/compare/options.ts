import { parseArgs } from "@std/cli/parse-args";
import { PROXY_NAMES } from "./proxies.ts";

/** What the command line asks for. */
export interface Options {
  rounds: number;
  /** How long each timed part lasts. */
  seconds: number;
  measurements: string[];
  proxies: string[];
  /** Where every figure of every round is written. */
  json: string | undefined;
  /** The `main.ts` to run as Culvert. */
  culvert: string;
  /** V8 flags for Culvert. */
  v8Flags: string | undefined;
  help: boolean;
}

/** How the comparison is used. */
export const USAGE = `deno run -A bench/compare.ts [options]

  --rounds N        how many rounds the medians are taken over (default 5)
  --seconds N       how long each timed part lasts (default 3)
  --only LIST       of bulk, exchanges, busy, connections, idle, http-64, http-512, http-1000,
                    http-100k, http-1m, http-new, http-tls, http-routes, http-log, http-1g-down,
                    http-1g-up, http-1g-chunked, http-idle, and of bulk, round-trips, handshakes, resumed,
                    idle with tls- or mtls- before it, such as mtls-bulk (default all)
  --proxies LIST    of culvert, culvert-native (the runtime's TLS), bare-loop (what the runtime allows at best),
                    haproxy, nginx (default all; haproxy is always measured)
  --json FILE       write every figure of every round
  --culvert FILE    the main.ts to run as Culvert (default this repository's)
  --v8-flags LIST   V8 flags for Culvert, such as --v8-flags=--optimize-for-size`;

const STRINGS = ["rounds", "seconds", "only", "proxies", "json", "culvert", "v8-flags"] as const;

/** Reads the command line. Throws a `RangeError` that names the flag when a value makes no sense. */
export function parseOptions(
  args: readonly string[],
  defaults: { measurements: readonly string[]; culvert: string },
): Options {
  const flags = parseArgs(args, {
    string: STRINGS,
    boolean: ["help"],
    unknown: (arg) => {
      throw new RangeError(`Unknown argument "${arg}"`);
    },
  });
  const text = (name: typeof STRINGS[number]) => {
    const value = flags[name];
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const proxies = list("proxies", text("proxies"), PROXY_NAMES);
  return {
    rounds: wholeNumber("rounds", text("rounds") ?? "5"),
    seconds: wholeNumber("seconds", text("seconds") ?? "3"),
    measurements: list("only", text("only"), defaults.measurements),
    // Without HAProxy there is nothing to hold the others against.
    proxies: PROXY_NAMES.filter((name) => name === "haproxy" || proxies.includes(name)),
    json: text("json"),
    culvert: absolute(text("culvert") ?? defaults.culvert),
    v8Flags: text("v8-flags"),
    help: flags["help"] === true,
  };
}

function absolute(path: string): string {
  return path.startsWith("/") ? path : `${Deno.cwd()}/${path}`;
}

function wholeNumber(flag: string, value: string): number {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1) {
    throw new RangeError(`--${flag} must be a whole number from 1, not "${value}"`);
  }
  return number;
}

function list(flag: string, value: string | undefined, known: readonly string[]): string[] {
  const names = value?.split(",") ?? [...known];
  for (const name of names) {
    if (!known.includes(name)) throw new RangeError(`--${flag} takes ${known.join(", ")}, not "${name}"`);
  }
  return known.filter((name) => names.includes(name));
}
