import type { UpstreamConfig } from "../../config/config.ts";
import type { Path } from "../../config/problem/problem.ts";
import { ConnectFailedError } from "../../upstream/errors.ts";
import type { Upstream } from "../../upstream/upstream.ts";
import type { Trace } from "./imagined.ts";

/** More are only counted. */
const MAX_SHOWN = 8;

/** Options of {@linkcode explainBackends}. */
export interface ExplainBackendsOptions {
  readonly config: UpstreamConfig;
  /** Where the upstream stands in the configuration. */
  readonly path: Path;
  /** The address of the client. */
  readonly source: string;
  /** Further backends that are tried if one fails. */
  readonly retries: number;
  readonly trace: Trace;
}

/**
 * Finds which backends would be tried, in their order: by a search whose every attempt fails. Returns why there is none.
 */
export async function explainBackends(
  upstream: Upstream,
  { config, path, source, retries, trace }: ExplainBackendsOptions,
): Promise<Error | undefined> {
  const { backends } = upstream;
  const connectMs = 1000; // Attempts fail at once.
  const search = upstream.search({ source, connectMs, retries: backends.length });
  let failure: unknown;
  await search.run().catch((error: unknown) => failure = error);
  const at = [...path, "backends"];
  if (!(failure instanceof ConnectFailedError)) {
    if (config.discover !== undefined) {
      trace.pass("backends", `${upstream.name}: they are discovered at run time`, [...path, "discover"]);
      return undefined;
    }
    trace.refuse("backends", (failure as Error).message, at);
    return failure as Error;
  }
  const tried = search.tried.map(({ key }) => key);
  const skipped = backends.filter((backend) => !search.tried.includes(backend));
  const notes = [
    `by ${config.balance}: ${listed(tried)}`,
    retries === 0 ? "no other is tried" : `${retries} more at most are tried if one fails`,
    ...(skipped.length === 0 ? [] : [
      `not used: ${listed(skipped.map(({ key, state }) => `${key} (${state})`))}`,
    ]),
    ...(config.discover === undefined ? [] : ["others are discovered at run time"]),
  ];
  trace.pass("backends", `${upstream.name}, ${notes.join("; ")}`, at);
  return undefined;
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MAX_SHOWN).join(", ");
  return names.length > MAX_SHOWN ? `${shown} and ${names.length - MAX_SHOWN} more` : shown;
}
