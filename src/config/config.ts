import type { LogLevel } from "../core/log.ts";
import type { Address } from "../net/address.ts";
import type { TcpServiceOptions } from "../tcp/options.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

/** What is written, in which form. */
export interface LogConfig {
  /** The least important lines that are written. @default {"info"} */
  readonly level: LogLevel;
  /** For people or for programs. @default {"text"} */
  readonly format: "text" | "json";
  /** One line for every finished connection. @default {true} */
  readonly access: boolean;
}

/** One service of the configuration: its listeners, what it does, and the upstream that it leads to. */
export interface ServiceConfig extends TcpServiceOptions {
  /** At least one. Paths of unix sockets are resolved. */
  readonly listen: readonly Address[];
  /** The name of an upstream of the same {@linkcode Config}. */
  readonly upstream: string;
  /** The addresses and subnets of `admission.allow` as they are written; absent: everybody may come in. */
  readonly allow?: readonly string[];
  /** Those of `admission.deny`. */
  readonly deny: readonly string[];
}

/** A configuration, read, checked and complete: every default filled in, every name resolved. Immutable. */
export interface Config {
  /** What is written about all that happens. */
  readonly log: LogConfig;
  /** By name. An upstream that is written in place has its service's name. */
  readonly upstreams: ReadonlyMap<string, UpstreamOptions>;
  /** At least one, each with a name of its own. */
  readonly services: readonly ServiceConfig[];
}
