import { abortable } from "@std/async/abortable";
import { type Clock, systemClock } from "../core/clock.ts";
import { CulvertError } from "../core/errors.ts";
import { type Address, formatAddress } from "./address.ts";
import { answers, isUnspecified } from "./answers.ts";
import { clientAddress } from "./client_address.ts";
import type { Connection } from "./connection.ts";
import { parseIp } from "./ip.ts";

/** How long it is remembered that a name has led back here, as it may lead elsewhere later; and the other way. */
const LEARNT_MS = 30_000;
const ELSEWHERE_MS = 1000;
const MAX_LEARNT = 1000;

/** One listener of the program. */
export interface OwnListener {
  readonly address: Address;
  /** The service that it belongs to; absent: the admin API. */
  readonly service?: string;
}

interface DialVerdict {
  /** Absent: it led elsewhere. */
  readonly listener: OwnListener | undefined;
  readonly untilMs: number;
}

/** What of the program is needed to follow a connection through it. */
export interface OwnRoutes {
  listeners(): readonly OwnListener[];
  /** The upstreams that a service leads to. */
  upstreamsOf(service: string): Iterable<string>;
  /** The backends of an upstream. */
  backendsOf(upstream: string): Iterable<Address>;
}

/** A backend is a listener of this program, and a connection to it would come back without end. */
export class ProxyLoopError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "ProxyLoopError";

  /** `why` says where the address leads. */
  constructor(address: Address, why: string) {
    super("proxy_loop", `Cannot use "${formatAddress(address)}" as a backend: ${why}`);
  }
}

/**
 * Knows where the program itself listens, so that no backend leads a connection back to the service that it came
 * from, which would take every descriptor. A service may lead to another one of the same program, as long as that
 * leads elsewhere; none may lead to the admin API, where every client would seem to be on this machine.
 */
export class OwnListeners {
  readonly #routes: OwnRoutes;
  readonly #clock: Clock;
  /** Where names have led, as their connections have shown. */
  readonly #verdicts = new Map<string, DialVerdict>();
  /** The first connections to names of which that is not known, until they are made. */
  readonly #probes = new Map<string, Promise<void>>();
  /** Addresses of this machine, as far as they are known: clients came in there. */
  readonly #ips = new Set<string>();
  #lastIp = "";
  #byPlace = new Map<string | number, OwnListener[]>();

  constructor(routes: OwnRoutes, { clock = systemClock }: { clock?: Clock } = {}) {
    this.#routes = routes;
    this.#clock = clock;
    this.refresh();
  }

  /** The listeners have changed. */
  refresh(): void {
    this.#byPlace = new Map();
    this.#verdicts.clear();
    for (const listener of this.#routes.listeners()) {
      const place = placeOf(listener.address);
      const others = this.#byPlace.get(place);
      if (others === undefined) this.#byPlace.set(place, [listener]);
      else others.push(listener);
    }
  }

  /** Why `address` can't be a backend of this upstream; `undefined`: it can, as far as is known. */
  refusal(upstream: string, address: Address): ProxyLoopError | undefined {
    const listener = this.#find(address);
    if (listener === undefined) return undefined;
    const { service } = listener;
    if (service === undefined) return new ProxyLoopError(address, "the admin API listens there");
    const chain = this.#chain(service, upstream, [service]);
    if (chain === undefined) return undefined;
    const [, ...others] = chain;
    const back = others.length === 0
      ? "which leads to this upstream itself"
      : `which leads back to it by ${others.join(", ")}`;
    return new ProxyLoopError(address, `service ${service} listens there, ${back}`);
  }

  /**
   * Opens a connection to `address` by `open`. Where only the connection tells whether a name leads to a listener of
   * this program, the first one is awaited before others are made: it would come back faster than it is noticed.
   */
  async dial<C extends Connection>(
    address: Address,
    { signal, open }: { signal: AbortSignal; open: () => Promise<C> },
  ): Promise<C> {
    if (!this.#isUncertain(address)) return await open();
    const key = formatAddress(address);
    const probe = this.#probes.get(key);
    if (probe !== undefined) {
      await abortable(probe, signal);
      return await open();
    }
    const looked = Promise.withResolvers<void>();
    this.#probes.set(key, looked.promise);
    try {
      const connection = await open();
      this.#learn(key, connection);
      return connection;
    } finally {
      this.#probes.delete(key);
      looked.resolve();
    }
  }

  /** Whether a name may lead to a listener of this program, as far as the port tells. */
  #isUncertain(address: Address): boolean {
    if (address.kind === "unix" || !this.#byPlace.has(address.port)) return false;
    if (parseIp(address.host) !== undefined || this.#find(address) !== undefined) return false;
    return this.#verdictOn(formatAddress(address)) === undefined;
  }

  #learn(key: string, connection: Connection & { remoteAddr?: Deno.Addr; localAddr?: Deno.Addr }): void {
    const [remote, local] = [clientAddress(connection.remoteAddr), clientAddress(connection.localAddr)];
    const listener = this.#find({ kind: "tcp", host: remote.ip, port: remote.port }) ??
      // Both ends on one address: it is one of this machine, and a listener on all addresses answers there.
      (remote.ip === local.ip ? this.#byPlace.get(remote.port)?.find(isWildcard) : undefined);
    if (this.#verdicts.size >= MAX_LEARNT) this.#verdicts.clear();
    const untilMs = this.#clock.now() + (listener === undefined ? ELSEWHERE_MS : LEARNT_MS);
    this.#verdicts.set(key, { listener, untilMs });
  }

  #verdictOn(key: string): DialVerdict | undefined {
    const verdict = this.#verdicts.get(key);
    return verdict !== undefined && verdict.untilMs > this.#clock.now() ? verdict : undefined;
  }

  /** A client has come in at this address, which so is one of this machine. Called for each connection. */
  cameIn(hostname: string): void {
    if (hostname === this.#lastIp) return;
    this.#lastIp = hostname;
    const { ip } = clientAddress({ transport: "tcp", hostname, port: 0 });
    if (this.#ips.size < MAX_LEARNT) this.#ips.add(ip);
  }

  #find(address: Address): OwnListener | undefined {
    const listeners = this.#byPlace.get(placeOf(address));
    if (listeners === undefined) return undefined;
    const known = listeners.find((listener) => answers(listener.address, address));
    if (known !== undefined) return known;
    if (address.kind === "tcp" && this.#ips.has(address.host)) return listeners.find(isWildcard);
    return this.#verdicts.size === 0 ? undefined : this.#verdictOn(formatAddress(address))?.listener;
  }

  /** The services by which a connection to `service` comes to `upstream`; `undefined`: it does not. */
  #chain(service: string, upstream: string, seen: string[]): string[] | undefined {
    for (const name of this.#routes.upstreamsOf(service)) {
      if (name === upstream) return seen;
      for (const address of this.#routes.backendsOf(name)) {
        const next = this.#find(address)?.service;
        if (next === undefined || seen.includes(next)) continue;
        const chain = this.#chain(next, upstream, [...seen, next]);
        if (chain !== undefined) return chain;
      }
    }
    return undefined;
  }
}

function placeOf(address: Address): string | number {
  return address.kind === "tcp" ? address.port : address.path;
}

function isWildcard({ address }: OwnListener): boolean {
  return address.kind === "tcp" && isUnspecified(address.host);
}
