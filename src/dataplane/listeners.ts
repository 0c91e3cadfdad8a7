import { type Clock, systemClock } from "../core/clock.ts";
import type { Log } from "../core/log.ts";
import type { ServiceConfig } from "../config/config.ts";
import { AcceptLoop } from "../net/accept_loop.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { clientAddress } from "../net/client_address.ts";
import { prepareSocket } from "../net/dial.ts";
import { type BoundListener, listen, type RuntimeTls } from "../net/listen.ts";
import { groupId, type ListenAddress, type SocketAccess } from "../net/socket_access.ts";
import type { TcpService } from "../tcp/service.ts";
import { changeAccess } from "../net/change_access.ts";

/** A listener that is bound, and the service that gets what it accepts: another one after a reload, perhaps. */
interface Held {
  readonly listener: BoundListener;
  readonly loop: AcceptLoop<Deno.Conn>;
  /** The TLS that the runtime speaks on it; absent: none. */
  readonly tls: RuntimeTls | undefined;
  /** Who may connect to it, of a unix socket. */
  access: SocketAccess | undefined;
  /** Whether another listener can take its place while it still listens. */
  readonly shared: boolean;
  service: TcpService | undefined;
}

/** New listeners, bound but not yet serving: to be taken over, or closed again. */
export type BoundSet = ReadonlyMap<string, BoundListener>;

/**
 * The program's listening sockets. A change of configuration binds what is new first ({@linkcode bind}), which may
 * fail, and then takes everything over at once ({@linkcode serve}), which can't.
 */
export class Listeners {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #onLocalIp: (ip: string) => void;
  readonly #onShortage: () => void;
  readonly #held = new Map<string, Held>();

  /** `onLocalIp` is told at which address each client came in, `onShortage` that there was no descriptor for one. */
  constructor(
    options: { log: Log; clock?: Clock; onLocalIp?: (ip: string) => void; onShortage?: () => void },
  ) {
    this.#onShortage = options.onShortage ?? (() => {});
    this.#log = options.log;
    this.#onLocalIp = options.onLocalIp ?? (() => {});
    this.#clock = options.clock ?? systemClock;
  }

  /** Where each service really listens: with the ports that were picked, for port 0. */
  addresses(service: TcpService): Address[] {
    return [...this.#held.values()].filter((held) => held.service === service)
      .map((held) => held.listener.address);
  }

  /**
   * Binds what these services need and is not bound yet.
   *
   * @throws {CulvertError} `listen_failed`; what had been bound by then is closed again.
   */
  async bind(
    services: readonly ServiceConfig[],
    runtimeTls: ReadonlyMap<string, RuntimeTls> = new Map(),
  ): Promise<BoundSet> {
    const bound = new Map<string, BoundListener>();
    try {
      for (const service of services) {
        for (const [key, address] of keyed(service)) {
          const tls = tlsOn(address, runtimeTls.get(service.name));
          const held = this.#held.get(key);
          if (held !== undefined && !mustChange(held, tls)) {
            const { group } = address.access ?? {};
            if (group !== undefined) await groupId(group); // Only to see whether there is such a group.
            continue;
          }
          // Where one listens already, its picked port is to be kept.
          const where = held?.listener.address ?? address;
          const share = tls !== undefined || held !== undefined;
          bound.set(key, await listen(where, { tls, share, who: `service ${service.name}` }));
        }
      }
    } catch (error) {
      for (const listener of bound.values()) listener.close();
      throw error;
    }
    return bound;
  }

  /** Serves from these listeners and no others. Those that stay keep their sockets: nobody is refused meanwhile. */
  serve(
    services: readonly ServiceConfig[],
    options: {
      bound: BoundSet;
      runtimeTls?: ReadonlyMap<string, RuntimeTls>;
      find: (name: string) => TcpService;
    },
  ): void {
    const stay = new Set<string>();
    for (const config of services) {
      const service = options.find(config.name);
      for (const [key, address] of keyed(config)) {
        stay.add(key);
        const held = this.#held.get(key);
        const listener = options.bound.get(key);
        if (listener === undefined) {
          held!.service = service;
          const { access: to } = address;
          changeAccess(held!.listener.address, { from: held!.access, to, log: this.#log });
          held!.access = to;
        } else {
          const tls = tlsOn(address, options.runtimeTls?.get(config.name));
          this.#open(key, {
            listener,
            service,
            tls,
            access: address.access,
            shared: tls !== undefined || held !== undefined,
          });
          void held?.loop.retire(); // Only now, so that there is always one that listens.
        }
      }
    }
    for (const [key, held] of this.#held) if (!stay.has(key)) this.#close(key, held);
  }

  /**
   * Stops listening everywhere, at once. Resolves when the runtime has let go of the sockets: only then are the
   * files of unix sockets gone.
   */
  async close(): Promise<void> {
    const loops = [...this.#held.values()].map(({ loop }) => loop);
    for (const [key, held] of this.#held) this.#close(key, held);
    await Promise.all(loops.map(({ done }) => done));
  }

  #open(
    key: string,
    { listener, service, tls, access, shared }: Omit<Held, "loop" | "service"> & { service: TcpService },
  ): void {
    const name = formatAddress(listener.address);
    const loop = new AcceptLoop<Deno.Conn>(listener, {
      name,
      clock: this.#clock,
      log: this.#log,
      onFailure: (failure) => {
        held.service!.acceptFailed(failure);
        if (failure === "descriptors") this.#onShortage();
      },
      onConnection: (connection) => this.#accepted(connection, { held, name }),
    });
    const held: Held = { listener, loop, service, tls, access, shared };
    this.#held.set(key, held);
    this.#log.info("listening", { service: service.name, listener: name });
  }

  #accepted(connection: Deno.Conn, { held, name }: { held: Held; name: string }): void {
    try {
      prepareSocket(connection);
    } catch {
      // Reset already. The session finds out, and accounts for it.
    }
    const { remoteAddr, localAddr } = connection;
    if (localAddr.transport === "tcp") this.#onLocalIp(localAddr.hostname);
    void held.service!.serve({ connection, address: clientAddress(remoteAddr), localAddr, listener: name });
  }

  #close(key: string, held: Held): void {
    this.#held.delete(key);
    held.loop.close();
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
function* keyed(service: ServiceConfig): Iterable<[string, ListenAddress]> {
  for (const [index, address] of service.listen.entries()) {
    const picked = address.kind === "tcp" && address.port === 0;
    yield [picked ? `${service.name}[${index}] ${formatAddress(address)}` : formatAddress(address), address];
  }
}
