import { escapeText } from "../core/escape_text.ts";
import { type Address, formatAddress } from "../net/address.ts";
import { parseIp } from "../net/ip.ts";
import { GROUP_FILE } from "../net/socket_access.ts";
import { libcPaths } from "../upstream/check/half_open/libc_paths.ts";
import { RESOLV_CONF } from "../upstream/discover/dns/system_resolve.ts";
import type { Config, ServiceTls, UpstreamConfig } from "./config.ts";
import { ruleAuthorityPaths } from "./resolve_rules.ts";

/** The permissions of Deno that something needs, each as its flag names it. No wider than needed. */
export interface PermissionNeed {
  /** For `--allow-net`: `0.0.0.0:5432`, `db.internal:5432`, `[::1]:80`, `unix:/run/app.sock`. */
  readonly net: readonly string[];
  /** For `--allow-read`. */
  readonly read: readonly string[];
  /** For `--allow-write`. */
  readonly write: readonly string[];
  /** For `--allow-ffi`: the places where the C library may be, one of which is enough. @default none */
  readonly ffi?: readonly string[];
}

/**
 * What it takes to run `config`: to bind its listeners, to dial and check its backends, and to ask where there are
 * others. Reading the configuration itself is left to the caller; for backends that discovery brings, see
 * {@linkcode discoveryNeed}. A flag can name a unix socket only where its path is absolute, and so where the folder
 * that the configuration was read with is.
 */
export function requiredPermissions(config: Config): PermissionNeed {
  const upstreams = [...config.upstreams.values()];
  const listeners = [
    ...config.services.flatMap(({ listen }) => listen),
    ...(config.admin === undefined ? [] : [config.admin.listen]),
  ];
  const addresses = [...listeners, ...upstreams.flatMap(dialledAddresses)];
  const sockets = addresses.flatMap((address) => address.kind === "unix" ? [address.path] : []);
  const halfOpen = upstreams.some(({ health }) => health?.type === "half-open");
  return {
    net: unique([
      ...listeners.flatMap((address) => config.workers === 1 ? netNames(address) : sharedNames(address)),
      ...upstreams.flatMap(dialledAddresses).flatMap(netNames),
      ...upstreams.flatMap(askedNames),
    ]),
    read: unique([
      ...sockets,
      ...groupFiles(config),
      ...credentialPaths(config),
      ...upstreams.map(({ discover }) => discover?.filePath).filter((path) => path !== undefined),
    ]),
    write: unique(sockets),
    ...(halfOpen ? { ffi: libcPaths() } : {}),
  };
}

/** Where groups of sockets are looked up by their names. */
function groupFiles({ services, admin }: Config): string[] {
  const listeners = [
    ...services.flatMap(({ listen }) => listen),
    ...(admin === undefined ? [] : [admin.listen]),
  ];
  return listeners.some(({ access }) => typeof access?.group === "string") ? [GROUP_FILE] : [];
}

/** What discovery may use besides, which the program does not insist on. */
export interface DiscoveryNeed {
  /** For the backends that it may bring, and the servers that are queried for them. `any`: all of the network. */
  readonly net: readonly string[] | "any";
  readonly read: readonly string[];
}

/**
 * What discovery may use, no narrower than can be known from the configuration. The operator may know more exactly where backends are.
 *
 * @param nameServers The system's, as `host:port`.
 */
export function discoveryNeed(config: Config, nameServers: readonly string[]): DiscoveryNeed {
  const all = [...config.upstreams.values()];
  const asksSystem = all.some(({ discover }) =>
    discover?.dns !== undefined && discover.dns.server === undefined
  );
  const found = all.flatMap(foundNames);
  return {
    net: found.includes("any") ? "any" : unique([...(asksSystem ? nameServers : []), ...found]),
    read: asksSystem ? [RESOLV_CONF] : [],
  };
}

/** Where backends may be that an upstream discovers, and where they are checked. */
function foundNames({ discover, health }: UpstreamConfig): string[] {
  if (discover === undefined) return [];
  const { dns, filePath, etcd, within } = discover;
  const anyPort = filePath !== undefined || etcd !== undefined || dns?.type === "SRV";
  const ports = anyPort ? [undefined] : [dns?.port, dialledPort(health)].filter((port) => port !== undefined);
  // A record of one type alone brings addresses of one family alone.
  const family = anyPort ? undefined : dns?.type === "AAAA" ? 6 : 4;
  const networks = within?.filter((each) => family === undefined || familyOf(each) === family) ??
    (family === 4 ? ["0.0.0.0/0"] : undefined);
  // Flags can name single addresses, and networks of IPv4.
  if (networks === undefined || networks.some((each) => each.includes(":") && each.includes("/"))) {
    return ["any"];
  }
  const named = networks.map((network) => network.includes(":") ? `[${network}]` : network);
  return named.flatMap((network) => ports.map((port) => port === undefined ? network : `${network}:${port}`));
}

/** That of an entry of `within`; IPv4 in the form of IPv6 (`::ffff:10.0.0.1`) is IPv4 there too. */
function familyOf(network: string): number | undefined {
  return parseIp(network.replace(/\/\d+$/, ""))?.family;
}

/** The port of their own that checks dial. A half-open check asks for no permission of the network. */
function dialledPort(health: UpstreamConfig["health"]): number | undefined {
  return health?.type === "half-open" ? undefined : health?.port;
}

/** The backends that are listed, and where they are checked. */
function dialledAddresses({ backends, health }: UpstreamConfig): Address[] {
  const addresses = backends.map(({ address }) => address);
  const port = dialledPort(health);
  if (port === undefined) return addresses;
  return [
    ...addresses,
    ...addresses.map((address) => address.kind === "tcp" ? { ...address, port } : address),
  ];
}

/** The servers that are queried for backends. */
function askedNames({ discover }: UpstreamConfig): string[] {
  const { dns, etcd } = discover ?? {};
  const server = dns?.server === undefined ? [] : [formatAddress(dns.server)];
  const endpoints = (etcd?.endpoints ?? []).map((endpoint) => {
    const { hostname, port, protocol } = new URL(endpoint);
    return `${hostname}:${port || (protocol === "https:" ? 443 : 80)}`;
  });
  return [...server, ...endpoints];
}

/**
 * The flags for `deno run`, ready for a shell: `--allow-net=0.0.0.0:5432,10.0.0.11:5432`. What a shell would take
 * apart is quoted. Empty where nothing is needed.
 */
export function formatPermissions(
  { net, read, write, ffi = [] }: Omit<PermissionNeed, "net"> & { net: readonly string[] | "any" },
): string {
  const flags = Object.entries({
    "--allow-net": net === "any" ? [] : net,
    "--allow-read": read,
    "--allow-write": write,
    "--allow-ffi": ffi.slice(0, 1),
  });
  const named = flags
    .filter(([, values]) => values.length > 0)
    .map(([flag, values]) => quote(`${flag}=${values.join(",")}`));
  return [...(net === "any" ? ["--allow-net"] : []), ...named].join(" ");
}

/** Certificates, keys, CAs, CRLs and passwords, and the pages of HTTP services. */
export function credentialPaths(config: Config): string[] {
  const ofServices = [...config.services, config.admin].flatMap((listener) => {
    const tls = listener?.tls;
    return tls === undefined ? [] : [tls.certPath, tls.keyPath, ...clientAuthPaths(tls)];
  });
  const errorPages = config.services.flatMap(({ http }) => Object.values(http?.errorPaths ?? {}));
  const ofUpstreams = [...config.upstreams.values()].flatMap(({ tls, discover }) => {
    const etcd = discover?.etcd;
    const paths = [tls, etcd?.tls].flatMap((each) => [each?.caPath, each?.certPath, each?.keyPath]);
    return [...paths, ...ruleAuthorityPaths(tls?.allow), etcd?.passwordPath];
  });
  return unique([...ofServices, ...ofUpstreams, ...errorPages].filter((path) => path !== undefined));
}

function clientAuthPaths({ clientAuth }: ServiceTls): (string | undefined)[] {
  if (clientAuth === undefined) return [];
  const { caPath, crlPaths = [], trustDomains = {}, allow } = clientAuth;
  const ofDomains = Object.values(trustDomains).flatMap((
    domain,
  ) => [domain.caPath, ...domain.crlPaths ?? []]);
  return [caPath, ...crlPaths, ...ofDomains, ...ruleAuthorityPaths(allow)];
}

/** Where the system picks the port, workers bind whatever it has picked. */
function sharedNames(address: Address): string[] {
  const isPicked = address.kind === "tcp" && address.port === 0;
  return netNames(address).map((name) => isPicked ? name.replace(/:0$/, "") : name);
}

function netNames(address: Address): string[] {
  if (address.kind === "unix" || address.host !== "") return [formatAddress(address)];
  // All addresses are bound as [::], which takes both families, or as 0.0.0.0 where there is no IPv6.
  return [`[::]:${address.port}`, `0.0.0.0:${address.port}`];
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

/**
 * Leaves brackets alone: no shell finds files for such a word, and quotes would be in the way of
 * `deno run $(culvert permissions …)`, where they become part of the flag.
 */
function quote(word: string): string {
  // As bash, zsh and POSIX of 2024 read it: nothing that would reach the terminal as a command to it.
  if (escapeText(word) !== word) return `$'${escapeText(word.replaceAll(/[\\']/g, "\\$&"))}'`;
  return /^[\w\-=:./@%+,[\]]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
