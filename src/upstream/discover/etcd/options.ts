import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { BackendSpec } from "../../options.ts";

/** Options of {@linkcode etcdSource}. */
export interface EtcdSourceOptions {
  /** The servers' URLs, such as `http://127.0.0.1:2379`: members of one cluster, the preferred one first. */
  readonly endpoints: readonly string[];
  /**
   * Keys that begin with this are backends. End it with a slash, as `/culvert/db` is a beginning of
   * `/culvert/db-test/a` as well.
   */
  readonly prefix: string;
  /** Makes a backend of a key's value, which was JSON; throws when it is none. */
  readonly parse: (value: unknown) => BackendSpec;
  /** Whom to be, where etcd asks for it. @default nobody */
  readonly user?: EtcdUser | undefined;
  /** For endpoints with `https`. @default the runtime's roots, and no certificate of our own */
  readonly tls?: EtcdTls | undefined;
  /** Where it says what it leaves out and when it changes servers. @default {silentLog} */
  readonly log?: Log | undefined;
  /** Tells and keeps the time. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** How requests are sent. @default {fetch} */
  readonly fetch?: typeof fetch | undefined;
  /** How often it is checked that the server answers and the watch is told everything, in ms. @default {10_000} */
  readonly checkMs?: number | undefined;
  /** How long one request may take, in milliseconds. @default {5_000} */
  readonly requestMs?: number | undefined;
  /** How long the watch may lag behind what a check has seen, in milliseconds. @default {2_000} */
  readonly graceMs?: number | undefined;
}

/** A user of etcd's. */
export interface EtcdUser {
  /** Its name. */
  readonly name: string;
  /**
   * The password. A function is asked each time that a token is needed, so that a file may change; it should not
   * take long.
   */
  readonly password: string | (() => string | Promise<string>);
}

/** TLS towards etcd. */
export interface EtcdTls {
  /** CAs that are trusted, in PEM, besides the runtime's roots. */
  readonly ca?: string | undefined;
  /** Our client certificate in PEM, and after it those between it and the root. Needs `key`. */
  readonly cert?: string | undefined;
  /** Its private key in PEM. */
  readonly key?: string | undefined;
}
