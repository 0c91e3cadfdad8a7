import type { Clock } from "../../../core/clock.ts";
import type { Log } from "../../../core/log.ts";
import type { BackendSpec } from "../../options.ts";

/** Options of {@linkcode etcdSource}. */
export interface EtcdSourceOptions {
  /** The URLs of the members of one cluster, such as `http://127.0.0.1:2379`, the preferred one first. */
  readonly endpoints: readonly string[];
  /**
   * The prefix of the keys of the backends. It should end with a slash, as `/culvert/db` is also a prefix of
   * `/culvert/db-test/a`.
   */
  readonly prefix: string;
  /** Converts the value of a key, parsed as JSON, to a backend; throws if it is not valid. */
  readonly parse: (value: unknown) => BackendSpec;
  /** The user, if etcd requires authentication. @default none */
  readonly user?: EtcdUser | undefined;
  /** For endpoints with `https`. @default the runtime's roots, and no client certificate */
  readonly tls?: EtcdTls | undefined;
  /** Logs ignored keys and changes of the server. @default {silentLog} */
  readonly log?: Log | undefined;
  /** For timeouts and intervals. @default {systemClock} */
  readonly clock?: Clock | undefined;
  /** Sends the requests. @default {fetch} */
  readonly fetch?: typeof fetch | undefined;
  /** The interval of checks that the server answers and the watch misses nothing, in ms. @default {10_000} */
  readonly checkMs?: number | undefined;
  /** How long one request may take, in milliseconds. @default {5_000} */
  readonly requestMs?: number | undefined;
  /** How long the watch may lag behind a check, in milliseconds. @default {2_000} */
  readonly graceMs?: number | undefined;
}

/** A user of etcd. */
export interface EtcdUser {
  /** Its name. */
  readonly name: string;
  /**
   * The password. A function is called for each new token, so that a file may change; it should be quick.
   */
  readonly password: string | (() => string | Promise<string>);
}

/** TLS to etcd. */
export interface EtcdTls {
  /** CAs in PEM, trusted in addition to the runtime's roots. */
  readonly ca?: string | undefined;
  /** The client certificate in PEM, followed by its intermediates. Needs `key`. */
  readonly cert?: string | undefined;
  /** Its private key in PEM. */
  readonly key?: string | undefined;
}
