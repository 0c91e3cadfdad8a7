import type { ListenAddress } from "../net/socket_access.ts";
import type { AccessFormat } from "../http_proxy/access_log.ts";
import type { HttpServiceOptions } from "../http_proxy/options.ts";
import type { AdmissionOptions, Timeouts } from "../service/options.ts";
import type { UpstreamOptions } from "../upstream/options.ts";
import type { BackendCredentials, ServerCredentials } from "./credentials.ts";

/**
 * Everything that a data plane carries: complete, checked and immutable. It is plain data, which `structuredClone`
 * copies: no instance of a class, no function, no socket.
 */
export interface Snapshot {
  /** Each with a name of its own. */
  readonly services: readonly ServiceSnapshot[];
  /** Each with a name of its own. */
  readonly upstreams: readonly UpstreamSnapshot[];
  /** Whether each finished connection, or request, gets a line in the log. */
  readonly access: boolean;
  /** The form of the lines of requests; absent: there are none. */
  readonly accessFormat?: AccessFormat | undefined;
}

/** One service, by its kind. A new kind is added here and in `prepareService`. */
export type ServiceSnapshot = TcpServiceSnapshot | HttpServiceSnapshot;

/** What services of all kinds have. */
export interface CommonServiceSnapshot {
  readonly name: string;
  /** At least one. Paths of unix sockets are absolute. */
  readonly listen: readonly ListenAddress[];
  /** The TLS that it speaks with its clients; absent: none. */
  readonly tls?: ServerCredentials | undefined;
  readonly admission: AdmissionSnapshot;
  /** The addresses and subnets that may, and must, send a PROXY header; absent: none is expected. */
  readonly proxyFrom?: readonly string[] | undefined;
  readonly timeouts: Timeouts;
}

/** Which clients may connect, and how many at once. */
export interface AdmissionSnapshot extends Omit<AdmissionOptions, "allow" | "deny"> {
  /** Addresses and subnets; absent: all. */
  readonly allow?: readonly string[] | undefined;
  /** Addresses and subnets; absent: none. */
  readonly deny?: readonly string[] | undefined;
}

/** A service of `protocol: tcp`. */
export interface TcpServiceSnapshot extends CommonServiceSnapshot {
  readonly kind: "tcp";
  /** The upstream for clients whose name leads nowhere else. Absent only where there are `names`. */
  readonly upstream?: string | undefined;
  /** Upstreams by the server name, or wildcard, of the ClientHello; absent: no name is read. */
  readonly names?: ReadonlyMap<string, string> | undefined;
}

/** A service of `protocol: http`. */
export interface HttpServiceSnapshot extends CommonServiceSnapshot {
  readonly kind: "http";
  /** Routes lead to upstreams of the same {@linkcode Snapshot}. */
  readonly http: HttpServiceOptions;
}

/** One upstream. Its backends are those that the control side has found; they are checked there, too. */
export interface UpstreamSnapshot extends Omit<UpstreamOptions, "health"> {
  /** The TLS that is spoken with the backends; absent: none. */
  readonly tls?: BackendCredentials | undefined;
  /** Whether the backends are checked, so that one is `unknown` until `setHealth` tells its state. */
  readonly externalHealth: boolean;
}
