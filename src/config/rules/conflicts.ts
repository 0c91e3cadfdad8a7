import type { Steps } from "../../core/slices.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import { parseIp } from "../../net/ip.ts";
import type { Finding } from "../schema/findings.ts";
import { canonicalHost } from "../schema/host.ts";
import { formatPath, type Path } from "../problem/problem.ts";
import { canonicalAddress } from "./resolve_address.ts";

// Checks that look at more than one value. What they are given has the right shape.

/** Something that stands in a document and is compared with others of its kind. */
export interface Located<T> {
  readonly path: Path;
  /** As it is written. */
  readonly value: unknown;
  /** What is compared. */
  readonly as: T;
}

/** The longest path of a unix socket, in bytes: `sun_path` of Linux without the zero at the end. */
const MAX_SOCKET_PATH = 107;

/** A finding for each of `items` that is the same as an earlier one. `what` is, say, `a name of its own`. */
export function findRepeats(items: readonly Located<string>[], what: string): Finding[] {
  const first = new Map<string, Located<string>>();
  return items.flatMap((item) => findRepeat(item, { first, what }));
}

function findRepeat(
  item: Located<string>,
  { first, what }: { first: Map<string, Located<string>>; what: string },
): Finding[] {
  const earlier = first.get(item.as);
  if (earlier === undefined) first.set(item.as, item);
  return earlier === undefined ? [] : [taken(item, `${what} (${formatPath(earlier.path)} has it)`)];
}

/** A finding for each listener that an earlier one leaves no room for, as far as that can be known. */
export function findOverlaps(listeners: readonly Located<Address>[]): Finding[] {
  const earlier = new Map<string | number, Located<Address>[]>();
  return listeners.flatMap((listener) => {
    const slot = listener.as.kind === "tcp" ? listener.as.port : listener.as.path;
    const others = earlier.get(slot) ?? [];
    const other = others.find(({ as }) => overlap(as, listener.as));
    others.push(listener);
    earlier.set(slot, others);
    if (other === undefined) return [];
    const what = `an address of its own (${formatPath(other.path)} has ${formatAddress(other.as)})`;
    return [taken(listener, what)];
  });
}

/** A finding for each path of a unix socket that the system, or a permission flag, would refuse. */
export function findBadPaths(addresses: readonly Located<Address>[]): Finding[] {
  return addresses.flatMap(findBadPath);
}

function findBadPath(item: Located<Address>): Finding[] {
  if (item.as.kind === "tcp") return [];
  const { path } = item.as;
  if (path.includes(",")) return [taken(item, "a socket whose full path has no comma")];
  const size = new TextEncoder().encode(path).length;
  return size <= MAX_SOCKET_PATH
    ? []
    : [taken(item, `a socket whose full path has at most ${MAX_SOCKET_PATH} bytes`)];
}

/** A finding for each backend of one upstream that the upstream has already, or that cannot be dialled. */
export function* findBackendClashes(backends: Iterable<Located<Address>>): Steps<Finding[]> {
  const findings: Finding[] = [];
  const first = new Map<string, Located<string>>();
  for (const backend of backends) {
    const key = { ...backend, as: canonicalAddress(backend.as) };
    findings.push(...findRepeat(key, { first, what: "an address of its own" }), ...findBadPath(backend));
    yield;
  }
  return findings;
}

function overlap(a: Address, b: Address): boolean {
  if (a.kind === "unix" || b.kind === "unix") {
    return a.kind === b.kind && formatAddress(a) === formatAddress(b);
  }
  if (a.port !== b.port || a.port === 0) return false;
  return listenHosts(a.host).some((host) => listenHosts(b.host).some((other) => hostsOverlap(host, other)));
}

/** `localhost` may stand for either address. What other names resolve to is unknown. */
function listenHosts(host: string): string[] {
  const canonical = canonicalHost(host);
  return canonical === "localhost" ? ["127.0.0.1", "::1"] : [canonical];
}

function hostsOverlap(a: string, b: string): boolean {
  const isAll = (host: string) => host === "" || host === "::";
  const isIpv4 = (host: string) => parseIp(host)?.family === 4;
  if (a === b || isAll(a) || isAll(b)) return true;
  return (a === "0.0.0.0" && isIpv4(b)) || (b === "0.0.0.0" && isIpv4(a));
}

function taken({ path, value }: Located<unknown>, expected: string): Finding {
  return { kind: "bad_value", path, value, expected };
}
