import { dirname } from "node:path";
import { readBackend } from "../../config/backend_list.ts";
import type { DiscoverConfig } from "../../config/config.ts";
import { readLargeBackendList } from "../../config/large_backend_list.ts";
import type { Clock } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { formatAddress } from "../../net/address.ts";
import { parseAddressSet } from "../../net/address_set.ts";
import { boundedSource } from "../../upstream/discover/bounded_source.ts";
import { dnsSource } from "../../upstream/discover/dns/source.ts";
import { etcdSource } from "../../upstream/discover/etcd/source.ts";
import type { EtcdTls } from "../../upstream/discover/etcd/options.ts";
import { fileSource } from "../../upstream/discover/file_source.ts";
import type { NamedSource } from "../../upstream/discover/source_run.ts";
import { fileVersion } from "../watch/file_version.ts";
import { watchFile } from "../watch/watch.ts";

/** After failures DNS is asked at least once in so many intervals. */
const RETRY_INTERVALS = 3;

/** What sources work with. */
export interface SourceParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly etcdTls?: EtcdTls | undefined;
}

/** The sources that a configuration asks for. */
export function makeSources(discover: DiscoverConfig, parts: SourceParts): NamedSource[] {
  const { dns, filePath, etcd, within } = discover;
  const sources = [
    ...(dns === undefined ? [] : [ofDns(dns)]),
    ...(filePath === undefined ? [] : [ofFile(filePath, parts)]),
    ...(etcd === undefined ? [] : [ofEtcd(etcd, parts)]),
  ];
  if (within === undefined) return sources;
  const bounds = parseAddressSet(within);
  return sources.map(({ name, source, ...more }) => ({
    name,
    ...more,
    source: boundedSource(source, { within: bounds, name, log: parts.log }),
  }));
}

function ofDns({ name, type, port, intervalMs, server }: NonNullable<DiscoverConfig["dns"]>): NamedSource {
  const options = { name, type, intervalMs, ...(port === undefined ? {} : { port }) };
  const source = dnsSource(server === undefined ? options : { ...options, server });
  const asked = server === undefined ? "" : ` at ${formatAddress(server)}`;
  const retryMaxMs = Math.min(30_000, RETRY_INTERVALS * intervalMs);
  return { name: `dns ${type} ${name}${asked}`, source, retryMaxMs };
}

function ofFile(path: string, { clock, log }: SourceParts): NamedSource {
  const folder = dirname(path);
  const source = fileSource({
    path,
    clock,
    parse: (text) => readLargeBackendList(text, { name: path, folder }),
    watch: async (path, onChange) => {
      const seen = await fileVersion(path);
      return await watchFile({ path, folder }, { onChange, log, clock, seen });
    },
  });
  return { name: `file ${path}`, source };
}

function ofEtcd(
  { endpoints, prefix, user, passwordPath }: NonNullable<DiscoverConfig["etcd"]>,
  { clock, log, etcdTls }: SourceParts,
): NamedSource {
  const password = async () => (await Deno.readTextFile(passwordPath!)).replace(/\r?\n$/, "");
  const source = etcdSource({
    endpoints,
    prefix,
    // There is no folder that a path of a unix socket could be relative to.
    parse: (value) => readBackend(value, { name: "value", folder: "/" }),
    user: user === undefined ? undefined : { name: user, password },
    tls: etcdTls,
    clock,
    log,
  });
  return { name: `etcd ${prefix}`, source };
}
