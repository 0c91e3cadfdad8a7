import { CulvertError } from "../../core/errors.ts";
import { quoteText } from "../../core/escape_text.ts";
import { faultOfServerName } from "./server_name.ts";

const WILDCARD = "*.";

/** What belongs to which server name. Immutable. */
export interface SniMap<V> {
  /**
   * What belongs to this name: to itself, else to the wildcard that covers it. Nothing belongs to no name.
   * Takes the same time however many there are.
   */
  get(serverName: string | undefined): V | undefined;
}

/**
 * Makes a map from server names (`app.example.org`) and wildcards (`*.example.org`), where the `*` stands for
 * one whole label: `a.example.org`, but neither `a.b.example.org` nor `example.org`. Case does not matter.
 *
 * @throws {CulvertError} `bad_server_name`, for a pattern that is none, or is there already.
 */
export function buildSniMap<V>(entries: Iterable<readonly [pattern: string, value: V]>): SniMap<V> {
  const exact = new Map<string, V>();
  /** By what follows the `*.`. */
  const wildcards = new Map<string, V>();
  for (const [pattern, value] of entries) {
    const fault = faultOfSniPattern(pattern);
    if (fault !== undefined) throw badPattern(pattern, fault);
    const isWildcard = pattern.startsWith(WILDCARD);
    const map = isWildcard ? wildcards : exact;
    const name = (isWildcard ? pattern.slice(WILDCARD.length) : pattern).toLowerCase();
    if (map.has(name)) throw badPattern(pattern, "there already");
    map.set(name, value);
  }
  return {
    get(serverName) {
      if (serverName === undefined) return undefined;
      const name = serverName.toLowerCase();
      if (exact.has(name)) return exact.get(name);
      const dot = name.indexOf(".");
      return dot < 1 ? undefined : wildcards.get(name.slice(dot + 1));
    },
  };
}

/**
 * What is wrong with a pattern of {@linkcode buildSniMap}.
 *
 * @returns A reason to go on after `is`; `undefined` for a good pattern.
 */
export function faultOfSniPattern(pattern: string): string | undefined {
  const name = pattern.startsWith(WILDCARD) ? pattern.slice(WILDCARD.length) : pattern;
  if (name.includes("*")) return "not a name, nor one whose first label is *";
  const fault = faultOfServerName(name);
  return fault === "not ASCII" ? "not ASCII; expected the form that begins with xn--" : fault;
}

function badPattern(pattern: string, fault: string): CulvertError {
  return new CulvertError(
    "bad_server_name",
    `Cannot use the server name ${quoteText(pattern)}: it is ${fault}`,
  );
}
