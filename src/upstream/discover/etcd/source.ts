import { systemClock } from "../../../core/clock.ts";
import { CulvertError, describeError } from "../../../core/errors.ts";
import { silentLog } from "../../../core/log.ts";
import type { BackendSpec } from "../../options.ts";
import { EtcdError } from "./error.ts";
import { EtcdGateway, type EtcdLogin } from "./gateway.ts";
import { createEtcdClient, parseEtcdEndpoint } from "./http_client.ts";
import { EtcdKeys } from "./keys.ts";
import type { EtcdSourceOptions } from "./options.ts";
import { EtcdSession } from "./session.ts";
import type { BackendSource } from "../source.ts";

/** Consecutive compactions after which all keys are read again without changing the server. */
const MAX_COMPACTIONS = 3;

/**
 * The backends under a prefix in etcd, one for each key, in the order of the keys. Changes are followed by a watch. A key
 * whose value is not valid is ignored, and logged once for each of its revisions.
 *
 * If a server fails or does not answer in time, the next one is used at once; if all have failed in turn, the last error
 * is thrown, an {@linkcode EtcdError}.
 *
 * @throws {CulvertError} `bad_etcd_endpoint`, `bad_etcd_options` or `bad_etcd_tls` for options that can't be used.
 *
 * @example
 * ```ts
 * import { parseAddress } from "../../../net/address.ts";
 * import { etcdSource } from "./source.ts";
 *
 * const source = etcdSource({
 *   endpoints: ["http://127.0.0.1:2379"],
 *   prefix: "/culvert/db/",
 *   parse(value) {
 *     const { address } = value as { address: string };
 *     return { address: parseAddress(address), weight: 1, maxConnections: 0, backup: false };
 *   },
 * });
 * console.log(typeof source); // function
 * ```
 */
export function etcdSource(options: EtcdSourceOptions): BackendSource {
  const endpoints = checkedEndpoints(options);
  // The UTF-8 bytes, a character for each, as keys are stored.
  const bytes = new TextEncoder().encode(options.prefix);
  const prefix = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  if (prefix === "") throw new CulvertError("bad_etcd_options", "Cannot use etcd: the prefix is empty");
  const login = options.user === undefined ? undefined : { user: options.user, token: undefined };
  const context: Context = { options, endpoints, prefix, login, at: 0, keys: undefined };
  return (signal) => follow(context, signal);
}

/** The state that is kept between runs of the source. */
interface Context {
  readonly options: EtcdSourceOptions;
  readonly endpoints: readonly string[];
  readonly prefix: string;
  readonly login: EtcdLogin | undefined;
  /** The index of the current endpoint. */
  at: number;
  /** The keys of the last session. */
  keys: EtcdKeys | undefined;
}

async function* follow(context: Context, signal: AbortSignal): AsyncGenerator<readonly BackendSpec[], void> {
  const { options, login } = context;
  const { log = silentLog, tls, fetch = globalThis.fetch, clock = systemClock, requestMs = 5_000 } = options;
  let failures = 0;
  let compactions = 0;
  while (!signal.aborted) {
    const endpoint = context.endpoints[context.at]!;
    using gateway = new EtcdGateway(endpoint, { login, tls, fetch, clock, requestMs });
    const session = openSession(context, gateway);
    try {
      yield* session.sets(signal);
    } catch (error) {
      if (signal.aborted) return;
      if (session.steady) failures = compactions = 0;
      const compacted = error instanceof EtcdError && error.code === "etcd_compacted";
      if (compacted && compactions++ < MAX_COMPACTIONS) continue;
      context.at = (context.at + 1) % context.endpoints.length;
      if (!session.steady && ++failures >= context.endpoints.length) throw error;
      log.warn("etcd server failed", { endpoint, error: describeError(error) });
    }
  }
}

function openSession(context: Context, gateway: EtcdGateway): EtcdSession {
  const { parse, log = silentLog, clock = systemClock } = context.options;
  const { checkMs = 10_000, requestMs = 5_000, graceMs = 2_000 } = context.options;
  const keys = new EtcdKeys({ parse, log }, context.keys);
  return new EtcdSession({
    ...{ gateway, keys, prefix: context.prefix, clock, checkMs, requestMs, graceMs },
    onLoaded: () => {
      context.keys = keys;
      log.debug("read the backends from etcd", { endpoint: gateway.endpoint, keys: keys.size });
    },
  });
}

function checkedEndpoints({ endpoints, tls }: EtcdSourceOptions): readonly string[] {
  const checked = endpoints.map(parseEtcdEndpoint);
  const [first] = checked;
  if (first === undefined) {
    throw new CulvertError("bad_etcd_options", "Cannot use etcd: there is no endpoint");
  }
  if (tls !== undefined) {
    const secure = checked.find((endpoint) => endpoint.startsWith("https:"));
    if (secure === undefined) {
      throw new CulvertError("bad_etcd_options", "Cannot use etcd: tls is given, but no endpoint has https");
    }
    createEtcdClient(secure, tls).close(); // Fails here, not at the first connection.
  }
  return checked;
}
