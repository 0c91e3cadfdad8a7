import { CulvertError } from "../core/errors.ts";
import type { SniMap } from "../net/client_hello/sni_map.ts";
import type { AcceptedConnection, ClientHandshake } from "../service/client_handshake.ts";
import type { ServiceOptions } from "../service/options.ts";
import { proxyHeaderInfo } from "../service/proxy_header_info.ts";
import { ConnectionEnded, type Reason } from "../service/reason.ts";
import { type ClientPolicy, Service, type ServiceParts } from "../service/service.ts";
import type { TlsGate } from "../tls/gate.ts";
import type { AcquiredBackend } from "../upstream/acquired_backend.ts";
import type { Upstream } from "../upstream/upstream.ts";
import { TcpSession } from "./session.ts";

/** Where the connections of a TCP service go. */
export interface TcpRoute {
  /** The TLS that is spoken with clients; absent: none. */
  readonly gate?: TlsGate | undefined;
  /** For every client, or for those whose server name is not in `names`; absent: these are refused. */
  readonly upstream?: Upstream | undefined;
  /** By the server name in the client's ClientHello; absent: none is read. */
  readonly names?: SniMap<Upstream> | undefined;
}

/** What a TCP service works with. */
export interface TcpServiceParts extends ServiceParts {
  readonly route: TcpRoute;
}

/** Carries each admitted connection to a backend and back, byte for byte. */
export class TcpService extends Service {
  #route: TcpRoute;

  constructor(options: ServiceOptions, parts: TcpServiceParts) {
    super(options, { policy: clientPolicy(parts.route), parts });
    this.#route = parts.route;
  }

  async serve(accepted: AcceptedConnection): Promise<void> {
    const { ip } = accepted.address;
    if (!this.admission.hasRoom(ip)) await this.admission.awaitRoom(ip);
    const client = this.admit(accepted);
    if (client === undefined) return;

    const session = new TcpSession(client, this);
    const entry = this.open(session);
    let reason: Reason;
    try {
      if (this.needsHandshake) await client.run(session);
      const acquired = await this.#connect(session, this.selectUpstream(client));
      const carried = session.carry(acquired);
      this.stats.connected(session.connectMs!);
      reason = await carried;
      acquired.closed(reason === "backend-reset", session.bytesDown);
    } catch (error) {
      reason = await session.fail(error);
    }
    this.close(entry, session.end(reason));
  }

  /** Takes a new configuration for connections to come. Open ones go on as they began, but for `timeouts.drain`. */
  update(options: ServiceOptions, parts: { route: TcpRoute; access: boolean }): void {
    this.#route = parts.route;
    this.stats.access = parts.access;
    this.configure(options, clientPolicy(parts.route));
  }

  /**
   * A client whose server name is not known, or that sends none, goes to the default upstream, as with nginx
   * (`ssl_preread`) and HAProxy (`req.ssl_sni`). By the route of now: a reload may have closed the upstreams of an
   * earlier one during the handshake.
   *
   * @throws {ConnectionEnded} if no upstream serves the name.
   */
  selectUpstream(
    { serverName, serverNameError }: Pick<ClientHandshake, "serverName" | "serverNameError">,
  ): Upstream {
    const { names, upstream } = this.#route;
    const selected = names?.get(serverName) ?? upstream;
    if (selected !== undefined) return selected;
    throw new ConnectionEnded("refused-by-name", serverNameError ?? new UnknownNameError(serverName));
  }

  /** Connects a backend, and joins it with the client where their login begins TLS. */
  #connect(session: TcpSession, upstream: Upstream): Promise<AcquiredBackend> {
    const { client } = session;
    const { loginGate: gate } = client;
    const { joins: connectTls, sendsProxyHeader } = upstream;
    const isJoined = gate !== undefined || connectTls !== undefined;
    const search = upstream.search({
      source: client.address.ip,
      connectMs: this.timeouts.connectMs,
      greeted: client.greeted,
      joins: isJoined ? { tls: connectTls !== undefined } : undefined,
      ...(sendsProxyHeader ? { client: proxyHeaderInfo(client) } : {}),
    });
    const connected = session.connect(search);
    if (!isJoined) return connected;
    return connected.then((acquired) => session.join(acquired, { gate, connectTls }));
  }
}

function clientPolicy({ gate, names }: TcpRoute): ClientPolicy {
  return { gate, readsServerName: names !== undefined };
}

/** A client has requested a server name that no upstream serves. */
class UnknownNameError extends CulvertError {
  constructor(serverName: string | undefined) {
    const asked = serverName === undefined ? "no name" : `"${serverName}"`;
    super("unknown_name", `Cannot find an upstream: the client asks for ${asked}`);
  }
}
