import type { Server } from "./server.ts";

/** What every proxy and every measurement is handed. */
export interface Bench {
  /** Fires when the run is interrupted; ends every program that was started. */
  signal: AbortSignal;
  /** How long each timed part lasts. */
  seconds: number;
  /** A directory for configuration files and certificates that the run removes at its end. */
  directory: string;
  /** How many connections each proxy is configured to hold. */
  maxConnections: number;
}

/**
 * What clients speak to the proxy: plain TCP, TLS, or TLS in which they must show a certificate; or HTTP, which the proxy
 * reads and logs.
 */
export type Mode = "plain" | "http" | TlsMode;

/** The modes with TLS. */
export type TlsMode = "tls" | "mtls";

/** The one cipher suite that is used: HAProxy and nginx take no other, and all clients prefer it. */
export const TLS_CIPHER = "TLS_AES_256_GCM_SHA384";
/** The one key exchange that is used, likewise. */
export const TLS_GROUP = "X25519";

/** From which port of loopback to which. To the backend it is plain TCP in every mode. */
export interface Route {
  listenPort: number;
  backendPort: number;
  mode: Mode;
  /** In the mode `http` alone. */
  http?: HttpSetting;
}

/** How a proxy that forwards HTTP differs from the plain case. */
export interface HttpSetting {
  /** Whether clients speak TLS. @default {false} */
  tls?: boolean;
  /** Whether requests are routed by the hosts and paths of `http_routes.ts`. @default {false}: one route for all */
  routes?: boolean;
  /** Whether each request is logged. @default {true} */
  accessLog?: boolean;
}

/** A proxy under test. */
export interface Proxy {
  name: string;
  label: string;
  version: string;
  /** In which modes it takes part. */
  modes: readonly Mode[];
  /** Starts a fresh process with one listener and one backend; the caller disposes of it. */
  start(route: Route, bench: Bench): Promise<Server>;
}

/** The figures of one measurement of one proxy in one round, by metric key. */
export type Figures = Record<string, number>;

/** One number that a measurement brings. */
export interface Metric {
  key: string;
  label: string;
  unit: string;
  /** Digits after the point where it is printed. */
  digits: number;
  /** Whether a ratio of two of them means anything. @default {true} */
  ratio?: boolean;
}

/** One measurement: starts its own origin and proxy, loads them, and ends both. */
export interface Measurement {
  name: string;
  mode: Mode;
  /** The programs that it cannot do without. */
  tools: readonly string[];
  metrics: readonly Metric[];
  run(proxy: Proxy, bench: Bench): Promise<Figures>;
}

/** The figures of one turn. */
export interface Sample {
  round: number;
  proxy: string;
  measurement: string;
  figures: Figures;
}

/** The core that the load generator and the origin share. */
export const LOAD_CORE = 0;
/** The core of the proxy under test; nothing else that this run starts is on it. */
export const PROXY_CORE = 1;
