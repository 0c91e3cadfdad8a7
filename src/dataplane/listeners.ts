import { type Clock, systemClock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import { AcceptLoop } from "../net/accept_loop.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { clientAddress } from "../net/client_address.ts";
import { prepareSocket } from "../net/dial.ts";
import { type BoundListener, canShareAddresses, listen, listenNow, type RuntimeTls } from "../net/listen.ts";
import { groupId, type ListenAddress, type SocketAccess } from "../net/socket_access.ts";
import { changeAccess } from "../net/change_access.ts";
import { runtimeTlsOf } from "./credentials.ts";
import type { Transports } from "./membership.ts";
import type { Service } from "../service/service.ts";
import type { ServiceSnapshot } from "./snapshot.ts";

/** The service that gets what a listener accepts. */
export type ListenerTarget = Pick<Service, "name" | "serve" | "acceptFailed">;

/** The bound addresses of each service, with the ports that the system has picked. */
export type BoundAddresses = ReadonlyMap<string, readonly Address[]>;

/** Finds the service of a name, once all of them run. */
export type FindTarget = (name: string) => ListenerTarget;

/** A listener that is bound, and the service that gets what it accepts: another one after a reload, perhaps. */
interface Held {
  readonly listener: BoundListener;
  readonly loop: AcceptLoop<Deno.Conn>;
  /** The TLS that the runtime speaks on it; absent: none. */
  readonly tls: RuntimeTls | undefined;
  /** The users that may connect, for a unix socket. */
  access: SocketAccess | undefined;
  /** Whether another listener can take its place while it still listens. */
  readonly shared: boolean;
  service: ListenerTarget;
}

/** Bound addresses of listeners by their key: the address as configured, with its service where the port is 0. */
export type AddressesByKey = ReadonlyMap<string, Address>;

/** Listeners that are bound, and accept once the plan is committed. */
export interface ListenersPlan extends Disposable {
  /** Where the listeners of the plan are bound, those that stay included. */
  readonly addresses: AddressesByKey;
  /**
   * Serves by the plan. A listener that another thread has bound already is bound to the same address now.
   *
   * @throws {CulvertError} `listen_failed` for one of these.
   */
  commit(find: FindTarget, elsewhere?: AddressesByKey): void;
}

/** How {@linkcode Listeners} share addresses with those of other threads. */
export interface ListenersRole {
  /** @default {"all"} */
  readonly transports?: Transports;
  /** Whether new addresses are bound when a plan is prepared, or when it is committed. @default {true} */
  readonly bindsFirst?: boolean;
  /** What other threads have bound, which is bound when the plan is committed. @default nothing */
  readonly elsewhere?: AddressesByKey;
}

/** The listening sockets. */
export class Listeners {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onLocalIp: (ip: string) => void;
  readonly #onShortage: () => void;
  readonly #announces: boolean;
  readonly #held = new Map<string, Held>();
  readonly #leaving: AcceptLoop<Deno.Conn>[] = [];
  #transports: Transports = "all";

  /**
   * `onLocalIp` is called with the local address of each connection, `onShortage` if there is no descriptor for
   * one. With `announces` (default) it logs where it listens.
   */
  constructor(
    options: {
      log: Log;
      clock?: Clock;
      onLocalIp?: (ip: string) => void;
      onShortage?: () => void;
      announces?: boolean;
    },
  ) {
    this.#announces = options.announces ?? true;
    this.#onShortage = options.onShortage ?? (() => {});
    this.#log = options.log;
    this.#onLocalIp = options.onLocalIp ?? (() => {});
    this.#clock = options.clock ?? systemClock;
  }

  /** The bound addresses by the name of their service, with the ports that the system has picked. */
  get addresses(): BoundAddresses {
    const addresses = new Map<string, Address[]>();
    for (const { service, listener } of this.#held.values()) {
      const known = addresses.get(service.name);
      if (known === undefined) addresses.set(service.name, [listener.address]);
      else known.push(listener.address);
    }
    return addresses;
  }

  /**
   * Binds what these services need and is not bound yet. The plan makes them the only ones that are served; sockets
   * that stay are kept, so that no client is refused meanwhile.
   *
   * @throws {CulvertError} `listen_failed`; what had been bound by then is closed again.
   */
  async prepare(services: readonly ServiceSnapshot[], role: ListenersRole = {}): Promise<ListenersPlan> {
    const { transports = "all", bindsFirst = true, elsewhere: known } = role;
    const bound = new Map<string, BoundListener>();
    const addresses = new Map<string, Address>();
    const close = () => {
      for (const listener of bound.values()) listener.close();
      bound.clear();
    };
    try {
      for (const service of services) {
        for (const [key, address] of keyed(service, transports)) {
          const tls = tlsOn(address, runtimeTlsOf(service.tls));
          const held = this.#held.get(key);
          if (held !== undefined) addresses.set(key, held.listener.address);
          if (held !== undefined && !mustChange(held, tls)) {
            const { group } = address.access ?? {};
            if (group !== undefined) await groupId(group); // Throws if there is no such group.
            continue;
          }
          if (address.kind === "tcp" && (!bindsFirst || known?.has(key))) continue;
          // A port that the system has picked is kept.
          const where = held?.listener.address ?? address;
          const share = held !== undefined || (canShareAddresses && "claim");
          const listener = await listen(where, { tls, share, who: `service ${service.name}` });
          bound.set(key, listener);
          addresses.set(key, listener.address);
        }
      }
    } catch (error) {
      close();
      throw error;
    }
    const commit = (find: FindTarget, elsewhere?: AddressesByKey) => {
      this.#transports = transports;
      if (elsewhere !== undefined) this.#bindMore(services, { bound, elsewhere });
      this.#serve(services, { bound: new Map(bound), find, elsewhere });
      bound.clear(); // They are ours from here on.
    };
    return { addresses, commit, [Symbol.dispose]: close };
  }

  /** Binds what was not bound when the plan was prepared, next to another thread that has bound it. */
  #bindMore(
    services: readonly ServiceSnapshot[],
    { bound, elsewhere }: { bound: Map<string, BoundListener>; elsewhere: AddressesByKey },
  ): void {
    for (const service of services) {
      for (const [key, address] of keyed(service, this.#transports)) {
        const tls = tlsOn(address, runtimeTlsOf(service.tls));
        const held = this.#held.get(key);
        const where = held?.listener.address ?? elsewhere.get(key);
        const isThere = bound.has(key) || (held !== undefined && !mustChange(held, tls));
        if (isThere || where?.kind !== "tcp") continue;
        bound.set(key, listenNow(where, { tls, share: true, who: `service ${service.name}` }));
      }
    }
  }

  #serve(
    services: readonly ServiceSnapshot[],
    { bound, find, elsewhere }: {
      bound: ReadonlyMap<string, BoundListener>;
      find: FindTarget;
      elsewhere: AddressesByKey | undefined;
    },
  ): void {
    const stay = new Set<string>();
    for (const snapshot of services) {
      const service = find(snapshot.name);
      for (const [key, address] of keyed(snapshot, this.#transports)) {
        stay.add(key);
        const held = this.#held.get(key);
        const listener = bound.get(key);
        const { access } = address;
        if (listener === undefined) {
          held!.service = service;
          changeAccess(held!.listener.address, { from: held!.access, to: access, log: this.#log });
          held!.access = access;
        } else {
          const tls = tlsOn(address, runtimeTlsOf(snapshot.tls));
          this.#open(key, { listener, service, tls, access, shared: canShareAddresses });
          if (this.#announces && !elsewhere?.has(key)) {
            this.#log.info("listening", { service: service.name, listener: formatAddress(listener.address) });
          }
          void held?.loop.retire(); // Only now, so that there is always one that listens.
        }
      }
    }
    for (const [key, held] of this.#held) {
      if (stay.has(key)) continue;
      if (elsewhere?.has(key)) this.#leave(key, held);
      else this.#close(key, held);
    }
  }

  /** Other threads are about to listen on this address in the place of this one. */
  #leave(key: string, { loop }: Held): void {
    this.#held.delete(key);
    this.#leaving.push(loop);
  }

  /**
   * Other threads listen now on the addresses that this one has left to them: stops listening there as soon as no
   * connection waits to be accepted.
   */
  async retire(): Promise<void> {
    await Promise.all(
      this.#leaving.splice(0).map(async (loop) => {
        await loop.retire();
        await loop.done; // Until then the kernel still gives it connections.
      }),
    );
  }

  /**
   * Stops listening everywhere, at once. Resolves when the runtime has let go of the sockets: only then are the
   * files of unix sockets gone.
   */
  async close(): Promise<void> {
    const loops = [...this.#held.values()].map(({ loop }) => loop).concat(this.#leaving.splice(0));
    for (const [key, held] of this.#held) this.#close(key, held);
    for (const loop of loops) loop.close();
    await Promise.all(loops.map(({ done }) => done));
  }

  #open(
    key: string,
    { listener, service, tls, access, shared }: Omit<Held, "loop">,
  ): void {
    const name = formatAddress(listener.address);
    const loop = new AcceptLoop<Deno.Conn>(listener, {
      name,
      clock: this.#clock,
      log: this.#log,
      onFailure: (failure) => {
        held.service.acceptFailed(failure);
        if (failure === "descriptors") this.#onShortage();
      },
      onConnection: (connection) => this.#accepted(connection, { held, name }),
    });
    const held: Held = { listener, loop, service, tls, access, shared };
    this.#held.set(key, held);
  }

  #accepted(connection: Deno.Conn, { held, name }: { held: Held; name: string }): void {
    try {
      prepareSocket(connection);
    } catch {
      // Reset already. The session finds out, and accounts for it.
    }
    const { remoteAddr, localAddr } = connection;
    if (localAddr.transport === "tcp") this.#onLocalIp(localAddr.hostname);
    void held.service.serve({ connection, address: clientAddress(remoteAddr), localAddr, listener: name });
  }

  #close(key: string, held: Held): void {
    this.#held.delete(key);
    held.loop.close();
    if (!this.#announces) return;
    this.#log.info("stopped listening", { listener: formatAddress(held.listener.address) });
  }
}

/** The runtime speaks TLS on TCP alone; what comes by a unix socket is given to the service's own. */
function tlsOn(address: Address, tls: RuntimeTls | undefined): RuntimeTls | undefined {
  return address.kind === "tcp" ? tls : undefined;
}

/** Whether another listener must take the place of this one, and can. */
function mustChange({ tls, shared }: Held, wanted: RuntimeTls | undefined): boolean {
  if (!shared) return false; // What it accepts is given to the service's own TLS, which can do all.
  return tls?.cert !== wanted?.cert || tls?.key !== wanted?.key || tls?.alpn.join() !== wanted?.alpn.join();
}

/** A key for each listener of a service. An address may move to another service, a port picked by us may not. */
export function* keyed(
  service: Pick<ServiceSnapshot, "name" | "listen">,
  transports: Transports,
): Iterable<[string, ListenAddress]> {
  for (const [index, address] of service.listen.entries()) {
    if (transports !== "all" && transports !== address.kind) continue;
    const picked = address.kind === "tcp" && address.port === 0;
    yield [picked ? `${service.name}[${index}] ${formatAddress(address)}` : formatAddress(address), address];
  }
}
