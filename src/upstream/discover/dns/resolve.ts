import { type Clock, systemClock } from "../../../core/clock.ts";
import { describeError } from "../../../core/errors.ts";
import { type Address, formatAddress } from "../../../net/address.ts";
import { type Dial, dial } from "../../../net/dial.ts";
import type { DnsQuestion, DnsRecord, DnsResponse } from "./message.ts";
import { DnsQuery } from "./query.ts";
import { askOverTcp } from "./tcp.ts";
import { askOverUdp } from "./udp.ts";
import { DnsError } from "../errors.ts";
import { withTimeout } from "../../../core/wait.ts";

/** The result of a lookup. */
export interface DnsAnswer {
  /** The records of the requested type; empty if the name does not exist or has none. */
  readonly records: readonly DnsRecord[];
  /** Other records of the response, such as the addresses of the target of an SRV record. */
  readonly additional: readonly DnsRecord[];
  /** Time to live in milliseconds, including that of aliases, also of a negative answer; absent: not known. */
  readonly ttlMs?: number;
}

/**
 * Looks a name up, following aliases. A name without records is no error.
 *
 * @throws {DnsError} if the lookup fails.
 */
export type Resolve = (question: DnsQuestion, signal: AbortSignal) => Promise<DnsAnswer>;

/** The default time for one query, in milliseconds. */
export const QUERY_MS = 5_000;

/** What {@linkcode serverResolve} works with. */
export interface ResolveParts {
  /** Opens connections to servers. @default {dial} */
  readonly dial?: Dial;
  /** For deadlines. @default {systemClock} */
  readonly clock?: Clock;
  /** How long a server may take for one query, in milliseconds. @default {5000} */
  readonly timeoutMs?: number;
}

/** The most queries for one chain of aliases. */
const MAX_ALIASES = 8;
const NO_SUCH_NAME = 3;
/** RFC 1035, section 4.1.1. */
const RCODES = ["", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];

type Ask = (query: DnsQuery, signal: AbortSignal) => Promise<DnsResponse>;

/**
 * Asks one server, over TCP and, if that fails, over UDP; the transport that worked last is tried first. Each has half of
 * the time. Names are complete: there is no search list.
 */
export function serverResolve(server: Address, parts: ResolveParts = {}): Resolve {
  const { clock = systemClock, timeoutMs = QUERY_MS } = parts;
  const dialServer = parts.dial ?? dial;
  const limit = { clock, timeoutMs: timeoutMs / 2 };
  const overTcp: Ask = (query, signal) => askOverTcp(query, { server, signal, dial: dialServer });
  const overUdp: Ask = (query, signal) => askOverUdp(query, { server, signal, clock });
  const tcp = limited(overTcp, { ...limit, way: "TCP" });
  const udp = limited(overUdp, { ...limit, way: "UDP" });
  let ways = [tcp, udp] as const;
  const ask: Ask = async (query, signal) => {
    const [first, second] = ways;
    try {
      return await first(query, signal);
    } catch (firstError) {
      signal.throwIfAborted();
      try {
        const response = await second(query, signal);
        ways = [second, first];
        return response;
      } catch (error) {
        signal.throwIfAborted();
        const why = [firstError, error].map(describeError).join("; ");
        const message = `Cannot resolve ${show(query.question)} at ${formatAddress(server)}: ${why}`;
        throw new DnsError("dns_unreachable", message, { cause: firstError });
      }
    }
  };
  return (question, signal) => follow(question, { ask, server, signal });
}

/** Asks until the end of the chain of aliases. */
async function follow(
  question: DnsQuestion,
  { ask, server, signal }: { ask: Ask; server: Address; signal: AbortSignal },
): Promise<DnsAnswer> {
  let asked = question;
  let ttlMs = Infinity;
  for (let i = 0; i < MAX_ALIASES; i++) {
    const query = new DnsQuery(asked);
    const response = await ask(query, signal);
    checkResponse(response, { question, server });
    const { name, records, ttlS } = pickAnswers(response, asked);
    ttlMs = Math.min(ttlMs, ttlS * 1_000);
    const final = records.length > 0 || response.rcode === NO_SUCH_NAME || name === canonical(asked.name);
    if (final) {
      const { additional, authority } = response;
      const soa = records.length > 0 ? undefined : authority.find(({ type }) => type === "SOA");
      if (soa !== undefined) ttlMs = Math.min(ttlMs, soa.ttlS * 1_000);
      return { records, additional, ...(ttlMs === Infinity ? {} : { ttlMs }) };
    }
    asked = { name, type: question.type };
  }
  throw new DnsError("dns_malformed", `Cannot resolve ${show(question)}: too many aliases`);
}

/** The records of the requested type, at the end of the aliases in the message. */
function pickAnswers(
  { answers }: DnsResponse,
  asked: DnsQuestion,
): { name: string; records: DnsRecord[]; ttlS: number } {
  const aliases = new Map<string, DnsRecord & { type: "CNAME" }>();
  for (const record of answers) if (record.type === "CNAME") aliases.set(record.name, record);
  let name = canonical(asked.name);
  const seen = new Set([name]);
  let ttlS = Infinity;
  for (let alias = aliases.get(name); alias !== undefined; alias = aliases.get(name)) {
    name = alias.target;
    if (seen.has(name)) {
      throw new DnsError("dns_malformed", `Cannot resolve ${show(asked)}: its aliases form a loop`);
    }
    seen.add(name);
    ttlS = Math.min(ttlS, alias.ttlS);
  }
  const records = answers.filter((record) => record.type === asked.type && record.name === name);
  for (const record of records) ttlS = Math.min(ttlS, record.ttlS);
  return { name, records, ttlS };
}

function checkResponse(
  { rcode, referral, truncated }: DnsResponse,
  { question, server }: { question: DnsQuestion; server: Address },
): void {
  const at = `Cannot resolve ${show(question)} at ${formatAddress(server)}`;
  if (rcode !== 0 && rcode !== NO_SUCH_NAME) {
    throw new DnsError("dns_refused", `${at}: the server answered ${RCODES[rcode] ?? `code ${rcode}`}`);
  }
  // A referral does not say whether there are records.
  if (referral) throw new DnsError("dns_refused", `${at}: the server only refers to others`);
  if (truncated) throw new DnsError("dns_truncated", `${at}: the answer is truncated`);
}

/** Limits the time, and names the transport in errors. */
function limited(ask: Ask, options: { way: string; clock: Clock; timeoutMs: number }): Ask {
  const { way, clock, timeoutMs } = options;
  const timeoutError = () => new DnsError("dns_timeout", `no answer in ${timeoutMs}ms`);
  return async (query, signal) => {
    try {
      return await withTimeout({ clock, timeoutMs, signal, timeoutError }, (signal) => ask(query, signal));
    } catch (cause) {
      throw new DnsError("dns_unreachable", `over ${way}: ${describeError(cause)}`, { cause });
    }
  };
}

function canonical(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** `"db.internal" (A)` */
function show({ name, type }: DnsQuestion): string {
  return `"${name}" (${type})`;
}
