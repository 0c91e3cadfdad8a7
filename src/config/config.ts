import type { LogLevel } from "../core/log.ts";
import type { Address } from "../net/address.ts";
import type { ListenAddress } from "../net/socket_access.ts";
import type { HttpServiceOptions } from "../http_proxy/options.ts";
import type { ServiceOptions } from "../service/options.ts";
import type { AllowRule } from "../tls/authorize/rules.ts";
import type { StartTlsName } from "../tls/starttls/protocol.ts";
import type { TlsVersion } from "../tls/session/server_context.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

/** What is written, in which form. */
export interface LogConfig {
  /** The least important lines that are written. @default {"info"} */
  readonly level: LogLevel;
  /** For people or for programs. @default {"text"} */
  readonly format: "text" | "json";
  /** One line for every finished connection. @default {true} */
  readonly access: boolean;
  /** The form of the lines of HTTP requests. @default {format} */
  readonly accessFormat?: "text" | "json" | "combined";
}

/** How clients are verified. Paths are resolved. */
export interface ClientAuthConfig {
  /** Absent only where there are `trustDomains`. */
  readonly caPath?: string;
  readonly mode: "require" | "optional";
  /** Files and folders of CRLs; absent: revocation is not checked. */
  readonly crlPaths?: readonly string[];
  /** Which certificates of a chain are checked by the CRLs. @default {"chain"} */
  readonly crlCheck?: "chain" | "leaf";
  /** How long a CRL without nextUpdate may be used; absent: not at all. */
  readonly crlMaxAgeMs?: number;
  /** By their names. */
  readonly trustDomains?: Readonly<Record<string, TrustDomainPaths>>;
  /** The `ca` of a rule is the path of a file. */
  readonly allow: readonly AllowRule[];
}

/** The TLS that a service speaks with its clients. Paths are resolved. */
export interface ServiceTls {
  readonly certPath: string;
  readonly keyPath: string;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  readonly alpn: readonly string[];
  /** The protocol in which clients ask for TLS. @default TLS is spoken from the first byte on */
  readonly starttls?: StartTlsName;
  /**
   * The runtime's own TLS (`Deno.listenTls`) is spoken: it moves more bytes, but its listener has to change for a new
   * certificate to be used, and connections that arrive at that very moment may be reset. @default {false}
   */
  readonly native?: boolean;
  /** Mutual TLS; absent: clients show no certificates. */
  readonly clientAuth?: ClientAuthConfig;
}

/** The files of a SPIFFE trust domain. Paths are resolved. */
export interface TrustDomainPaths {
  readonly caPath: string;
  /** Files and folders of CRLs; absent: revocation is not checked. */
  readonly crlPaths?: readonly string[];
}

/** The TLS that is spoken with the backends of an upstream. Paths are resolved. */
export interface UpstreamTls {
  readonly caPath?: string;
  readonly certPath?: string;
  readonly keyPath?: string;
  readonly serverName?: string;
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** The protocols that are offered, the preferred one first. A backend need not select one. */
  readonly alpn: readonly string[];
  /** The protocol in which TLS is asked for. @default TLS is spoken from the first byte on */
  readonly starttls?: StartTlsName;
  readonly verify: boolean;
  /** The `ca` of a rule is the path of a file. */
  readonly allow?: readonly AllowRule[];
}

/** The TLS that is spoken with etcd. Paths are resolved. */
export interface EtcdTlsPaths {
  readonly caPath?: string;
  readonly certPath?: string;
  readonly keyPath?: string;
}

/** Where the backends of an upstream come from, besides those that are listed. Paths are resolved. */
export interface DiscoverConfig {
  readonly dns?: {
    readonly name: string;
    readonly type: "A" | "AAAA" | "SRV";
    /** The backends' port; there for `A` and `AAAA`, as an SRV record has its own. */
    readonly port?: number;
    readonly intervalMs: number;
    /** The DNS server that is queried. @default the system's resolver */
    readonly server?: Address;
  };
  /** A file with a list of backends. */
  readonly filePath?: string;
  readonly etcd?: {
    /** URLs without a path. */
    readonly endpoints: readonly string[];
    /** What the keys begin with. */
    readonly prefix: string;
    readonly user?: string;
    readonly passwordPath?: string;
    readonly tls?: EtcdTlsPaths;
  };
  /** The addresses and subnets where backends may be, as they are written; absent: anywhere. */
  readonly within?: readonly string[];
  /** An empty answer keeps the last set. @default {false} */
  readonly keepOnEmpty: boolean;
}

/** One upstream of the configuration. */
export interface UpstreamConfig extends UpstreamOptions {
  /** Absent: the backends are those that are listed. */
  readonly discover?: DiscoverConfig;
  /** Absent: backends are spoken with in plain. */
  readonly tls?: UpstreamTls;
}

/** What a service with `protocol: http` does. Paths are resolved. */
export interface HttpServiceConfig extends Omit<HttpServiceOptions, "errors"> {
  /** The files of {@linkcode HttpServiceOptions.errors}, by status. */
  readonly errorPaths: Readonly<Record<number, string>>;
}

/** One service of the configuration: its listeners, what it does, and the upstream that it leads to. */
export interface ServiceConfig extends ServiceOptions {
  /** At least one. Paths of unix sockets are resolved. */
  readonly listen: readonly ListenAddress[];
  /** The name of an upstream of the same {@linkcode Config}. Absent only where `names` or `http` is there. */
  readonly upstream?: string;
  /** Absent: what clients say goes on as it is. */
  readonly tls?: ServiceTls;
  /** Upstreams by the server name, or wildcard, that the client asks for; absent: no name is read. */
  readonly names?: ReadonlyMap<string, string>;
  /** Absent: the service forwards bytes as they are. */
  readonly http?: HttpServiceConfig;
  /** The addresses and subnets of `admission.allow` as they are written; absent: all clients are allowed. */
  readonly allow?: readonly string[];
  /** Those of `admission.deny`. */
  readonly deny: readonly string[];
  /** Those of `proxyFrom`; absent: no PROXY header is expected. */
  readonly trusted?: readonly string[];
}

/** Rules for the clients of the admin listener, without `ca`. */
export interface AdminAllow {
  /** Those that may see everything. */
  readonly read: readonly AllowRule[];
  /** Those that may change things as well. */
  readonly write: readonly AllowRule[];
}

/** The admin listener. */
export interface AdminConfig {
  readonly listen: ListenAddress;
  /** There at least where `listen` can be reached from elsewhere, and then with `clientAuth`. */
  readonly tls?: ServiceTls;
  /** What clients may do, by their certificates; absent: everything. There only with `tls.clientAuth`. */
  readonly allow?: AdminAllow;
}

/** A connection or request whose decision is tested by `culvert check`. Paths are resolved. */
export interface PolicyTest {
  /** What messages call it, besides its place. */
  readonly name?: string;
  /** The name of a service. */
  readonly service: string;
  /** The address of the client. @default {"127.0.0.1"} */
  readonly from?: string;
  /** The address of the proxy that names the client. @default the client connects by itself */
  readonly via?: string;
  /** The client's certificate and its chain. @default it sends none */
  readonly certPath?: string;
  readonly serverName?: string;
  /** The request; absent: there is none. */
  readonly request?: { readonly method: string; readonly url: string };
  /** The decision: what is given of it is compared. */
  readonly expect: {
    readonly verdict: string;
    readonly upstream?: string;
    readonly target?: string;
    readonly status?: number;
    readonly location?: string;
  };
}

/** A configuration, read, checked and complete: every default filled in, every name resolved. Immutable. */
export interface Config {
  /** What is written about all that happens. */
  readonly log: LogConfig;
  /** How many threads carry traffic; `auto`: as many as there are cores that the process may use. @default {1} */
  readonly workers: number | "auto";
  /** Absent: there is none. */
  readonly admin?: AdminConfig;
  /** By name. An upstream that is written in place has its service's name. */
  readonly upstreams: ReadonlyMap<string, UpstreamConfig>;
  /** At least one, each with a name of its own. */
  readonly services: readonly ServiceConfig[];
  /** In the order of the document. @default none */
  readonly tests?: readonly PolicyTest[];
}
