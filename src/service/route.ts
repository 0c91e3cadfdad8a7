import type { TlsGate } from "../tls/gate.ts";
import type { SniMap } from "../net/client_hello/sni_map.ts";
import type { Upstream } from "../upstream/upstream.ts";

/** Where the connections of a service go, and through what. */
export interface Route {
  /** The TLS that is spoken with clients; absent: none. */
  readonly gate?: TlsGate | undefined;
  /** For everybody, or for those whose name is unknown; absent: these are refused. */
  readonly upstream?: Upstream | undefined;
  /** By the name in the client's ClientHello; absent: no name is read. */
  readonly names?: SniMap<Upstream> | undefined;
}
