import * as v from "valibot";
import { formatDuration } from "../../core/units.ts";
import {
  choice,
  count,
  duration,
  type Field,
  file,
  filledList,
  flag,
  mapping,
  readWith,
  serverAddress,
  subnet,
} from "./fields.ts";
import { isHostName } from "./host.ts";

const DEFAULT_INTERVAL_MS = 10_000;
const DNS_NAME = "a name in the DNS, such as db.internal or _db._tcp.internal";

const dns = mapping({
  name: v.pipe(v.string(DNS_NAME), v.check(isHostName, DNS_NAME)),
  type: v.optional(choice(["A", "AAAA", "SRV"]), "A"),
  port: v.exactOptional(count({ min: 1, max: 65_535 })),
  interval: v.optional(duration({ zero: false }), formatDuration(DEFAULT_INTERVAL_MS)),
  server: v.exactOptional(serverAddress()),
}, "a mapping with the name to look up");

/** The TLS that is spoken with etcd. */
export const etcdTls = mapping({
  ca: v.exactOptional(file()),
  cert: v.exactOptional(file()),
  key: v.exactOptional(file()),
}, "a mapping of TLS settings");

const etcd = mapping({
  endpoints: filledList(endpoint(), "a list of one URL at least, such as http://127.0.0.1:2379"),
  prefix: v.pipe(
    v.string("the beginning of the keys"),
    v.nonEmpty("the beginning of the keys, which is not empty"),
  ),
  user: v.exactOptional(v.string("the name of a user")),
  passwordFile: v.exactOptional(file()),
  tls: v.exactOptional(etcdTls),
}, "a mapping with endpoints and a prefix");

/** Where backends come from. */
export const discover = mapping({
  dns: v.exactOptional(dns),
  file: v.exactOptional(file()),
  etcd: v.exactOptional(etcd),
  within: v.exactOptional(filledList(subnet(), "a list of IP addresses and subnets")),
  keepOnEmpty: v.optional(flag(), false),
}, "a mapping with dns, file or etcd");

/** The sources of an upstream of a document. */
export type DiscoverSection = v.InferOutput<typeof discover>;

/** An http or https URL with nothing behind the host and port. */
function endpoint(): Field<string> {
  return readWith((input) => {
    const url = typeof input === "string" ? URL.parse(input) : null;
    if (url === null || !/^https?:$/.test(url.protocol)) return undefined;
    const bare = url.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
    return bare ? url.origin : undefined;
  }, "a URL such as http://127.0.0.1:2379, without a path, a user or a query");
}
