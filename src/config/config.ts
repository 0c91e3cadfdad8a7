import type { LogLevel } from "../core/log.ts";
import type { Address } from "../net/address.ts";
import type { TcpServiceOptions } from "../tcp/options.ts";
import type { UpstreamOptions } from "../upstream/options.ts";

/** What is written, in which form. */
export interface LogConfig {
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** One line for every finished connection. */
  readonly access: boolean;
}

/** One service of the configuration: its listeners, what it does, and the upstream that it leads to. */
export interface ServiceConfig extends TcpServiceOptions {
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
  readonly log: LogConfig;
  /** By name. An upstream that is written in place has its service's name. */
  readonly upstreams: ReadonlyMap<string, UpstreamOptions>;
  readonly services: readonly ServiceConfig[];
}
