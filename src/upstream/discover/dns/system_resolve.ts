import { systemClock } from "../../../core/clock.ts";
import { type Address, formatAddress } from "../../../net/address.ts";
import type { DnsQuestion, DnsRecord } from "./message.ts";
import { type DnsAnswer, QUERY_MS, type Resolve, type ResolveParts, serverResolve } from "./resolve.ts";
import { DnsError } from "../errors.ts";
import { withTimeout } from "../../../core/wait.ts";

/** The resolver configuration of the system. */
export interface ResolverSettings {
  /** The servers, in order. */
  readonly servers: readonly Address[];
  /** Domains that are appended to names. */
  readonly search: readonly string[];
  /** A name with at least this number of dots is tried without a domain first. */
  readonly ndots: number;
}

/** The file of the resolver configuration. */
export const RESOLV_CONF = "/etc/resolv.conf";

const MAX_SERVERS = 3;
const MAX_SEARCH = 32;
const MAX_NDOTS = 15;

/**
 * Asks the system's servers in order, with its search list. `/etc/resolv.conf` is read for each question; `/etc/hosts` is
 * not used. If that file does not exist or must not be read, the runtime's resolver is asked. It gives no time to live,
 * and does not distinguish a name without records from a server failure, so that an empty result is an error then.
 */
export function systemResolve(parts: ResolveParts & { path?: string } = {}): Resolve {
  const { path = RESOLV_CONF } = parts;
  const servers = new Map<string, Resolve>();
  const resolveAt = (server: Address): Resolve => {
    const key = formatAddress(server);
    const resolve = servers.get(key) ?? serverResolve(server, parts);
    servers.set(key, resolve);
    return resolve;
  };
  return async (question, signal) => {
    const settings = await readSettings(path);
    if (settings === undefined) {
      const { clock = systemClock, timeoutMs = QUERY_MS } = parts;
      const { name, type } = question;
      const timeoutError = () =>
        new DnsError("dns_timeout", `Cannot resolve "${name}" (${type}): no answer in time`);
      return await withTimeout(
        { clock, timeoutMs, signal, timeoutError },
        (signal) => runtimeResolve(question, signal),
      );
    }
    if (servers.size > MAX_SERVERS) servers.clear(); // The configuration has changed.
    return await search(question, { settings, resolveAt, signal });
  };
}

/** Parses a `resolv.conf`; unknown lines are ignored. */
export function parseResolvConf(text: string): ResolverSettings {
  let servers: Address[] = [];
  let search: string[] = [];
  let ndots = 1;
  for (const line of text.split("\n")) {
    const [key, ...values] = line.replace(/[#;].*/, "").trim().split(/\s+/);
    if (key === "nameserver" && values[0]) servers.push({ kind: "tcp", host: values[0], port: 53 });
    if (key === "search" || key === "domain") search = values;
    for (const option of key === "options" ? values : []) {
      const match = /^ndots:(\d+)$/.exec(option);
      if (match !== null) ndots = Math.min(Number(match[1]), MAX_NDOTS);
    }
  }
  servers = servers.slice(0, MAX_SERVERS);
  if (servers.length === 0) servers.push({ kind: "tcp", host: "127.0.0.1", port: 53 });
  search = search.slice(0, MAX_SEARCH).map((domain) => domain.replace(/\.$/, "")).filter((domain) =>
    domain !== ""
  );
  return { servers, search, ndots };
}

/** The names to try for `name`, in order (resolv.conf(5)). */
export function candidates(name: string, { search, ndots }: ResolverSettings): string[] {
  if (name.endsWith(".")) return [name];
  const extended = search.map((domain) => `${name}.${domain}`);
  return name.split(".").length - 1 >= ndots ? [name, ...extended] : [...extended, name];
}

/** The first name with records counts. If none has any, a failure for one of the names is an error. */
async function search(
  question: DnsQuestion,
  options: { settings: ResolverSettings; resolveAt: (server: Address) => Resolve; signal: AbortSignal },
): Promise<DnsAnswer> {
  const { settings, resolveAt, signal } = options;
  let failure: unknown;
  let empty: DnsAnswer | undefined;
  for (const name of candidates(question.name, settings)) {
    try {
      const answer = await askInTurn({ ...question, name }, {
        ...options,
        servers: settings.servers,
        resolveAt,
      });
      if (answer.records.length > 0) return answer;
      empty = answer;
    } catch (error) {
      signal.throwIfAborted();
      failure ??= error;
    }
  }
  if (failure !== undefined) throw failure;
  return empty!;
}

async function askInTurn(
  question: DnsQuestion,
  options: { servers: readonly Address[]; resolveAt: (server: Address) => Resolve; signal: AbortSignal },
): Promise<DnsAnswer> {
  let failure: unknown;
  for (const server of options.servers) {
    try {
      return await options.resolveAt(server)(question, options.signal);
    } catch (error) {
      options.signal.throwIfAborted();
      failure ??= error;
    }
  }
  throw failure;
}

async function readSettings(path: string): Promise<ResolverSettings | undefined> {
  const { state } = await Deno.permissions.query({ name: "read", path });
  if (state !== "granted") return undefined; // Reading would prompt at a terminal.
  try {
    return parseResolvConf(await Deno.readTextFile(path));
  } catch {
    return undefined;
  }
}

async function runtimeResolve({ name, type }: DnsQuestion, signal: AbortSignal): Promise<DnsAnswer> {
  if (mightPrompt()) {
    const why = `the servers are not known; add --allow-read=${RESOLV_CONF}, or --allow-net without a list`;
    throw new DnsError("dns_unclear", `Cannot resolve "${name}" (${type}): ${why}`);
  }
  const base = { name, ttlS: 0 };
  try {
    const records: DnsRecord[] = type === "SRV"
      ? (await Deno.resolveDns(name, "SRV", { signal }))
        .map((srv) => ({ ...base, ...srv, type, target: srv.target.replace(/\.$/, "") }))
      : (await Deno.resolveDns(name, type, { signal })).map((address) => ({ ...base, type, address }));
    return { records, additional: [] };
  } catch (cause) {
    signal.throwIfAborted();
    const why = cause instanceof Deno.errors.NotFound
      ? `no records were found, or the server failed; --allow-read=${RESOLV_CONF} tells which`
      : String(cause);
    throw new DnsError("dns_unclear", `Cannot resolve "${name}" (${type}): ${why}`, { cause });
  }
}

/**
 * Whether the runtime might prompt for the permission to reach the servers, which are not known here. The prompt blocks
 * the whole program.
 */
function mightPrompt(): boolean {
  if (Deno.permissions.querySync({ name: "net" }).state === "granted") return false;
  return Deno.stdin.isTerminal() && Deno.stderr.isTerminal();
}
