import { formatDuration } from "../core/units.ts";
import { formatAddress } from "../net/address.ts";
import { formatMode, type ListenAddress } from "../net/socket_access.ts";
import { DEFAULT_SOURCE_PREFIX } from "../net/source_key.ts";
import { DEFAULT_HANDSHAKE_GRACE_MS, type Timeouts } from "../service/options.ts";
import type { AdminConfig, Config, LogConfig, ServiceConfig, ServiceTls } from "./config.ts";
import { describeHttpTimeouts, httpRows } from "./describe_http.ts";
import { describeRule, describeVersions, type Row, upstreamRows } from "./describe_upstream.ts";
import { upstreamNames } from "./upstream_names.ts";

/**
 * What a configuration would do, for people to read: every service and upstream, with what holds after defaults.
 * Ends with a line end.
 */
export function describeConfig(config: Config): string {
  const used = new Set(config.services.flatMap(upstreamNames));
  const sections = [
    section("log", logRows(config.log)),
    ...(config.workers === 1 ? [] : [section("workers", [["threads", [describeWorkers(config.workers)]]])]),
    ...(config.admin === undefined ? [] : [section("admin", adminRows(config.admin))]),
    ...config.services.map((service) =>
      section(`service ${service.name} (${service.http ? "http" : "tcp"})`, serviceRows(service))
    ),
    ...[...config.upstreams.values()].map((upstream) => {
      const unused = used.has(upstream.name) ? "" : " (not used by any service)";
      return section(`upstream ${upstream.name}${unused}`, upstreamRows(upstream));
    }),
    ...testSections(config),
  ];
  return `${sections.join("\n\n")}\n`;
}

function testSections({ tests = [] }: Config): string[] {
  if (tests.length === 0) return [];
  const count = tests.length === 1 ? "1 policy test" : `${tests.length} policy tests`;
  return [section("tests", [["check", [`${count}, which check runs`]]])];
}

function section(title: string, rows: readonly Row[]): string {
  const lines = rows.flatMap(([name, values]) =>
    values.map((value, index) => `  ${(index === 0 ? name : "").padEnd(13)} ${value}`)
  );
  return [title, ...lines].join("\n");
}

function logRows({ level, format, access, accessFormat = format }: LogConfig): Row[] {
  const isWritten = level === "debug" || level === "info";
  const lines = !access ? "no" : isWritten ? "yes" : `no, as they are at info and the level is ${level}`;
  return [["level", [level]], ["format", [format]], ["access lines", [
    accessFormat === format ? lines : `${lines}; of requests: ${accessFormat}`,
  ]]];
}

function describeWorkers(workers: number | "auto"): string {
  return workers === "auto" ? "one for each core that the program may use" : String(workers);
}

function adminRows({ listen, tls, allow }: AdminConfig): Row[] {
  const rules = (level: "read" | "write") =>
    allow?.[level].map((rule) => `${level}: ${describeRule(rule)}`) ?? [];
  const rights: Row[] = allow === undefined ? [] : [["allow", [...rules("read"), ...rules("write")]]];
  return [["listen", [describeListener(listen)]], ["tls", tlsLines(tls)], ...rights];
}

function serviceRows(service: ServiceConfig): Row[] {
  const { http } = service;
  return [
    ["listen", service.listen.map(describeListener)],
    ["clients", clientLines(service)],
    ["timeouts", [describeTimeouts(service.timeouts), ...http ? [describeHttpTimeouts(http.timeouts)] : []]],
    ["tls", tlsLines(service.tls)],
    ...(http ? httpRows(http) : [["upstream", routeLines(service)] as Row]),
  ];
}

function describeListener(address: ListenAddress): string {
  const { mode, group } = address.access ?? {};
  const rights = [
    ...(mode === undefined ? [] : [`mode ${formatMode(mode)}`]),
    ...(group === undefined ? [] : [`group ${group}`]),
  ];
  return [formatAddress(address), ...rights].join(", ");
}

function tlsLines(tls: ServiceTls | undefined): string[] {
  if (tls === undefined) return ["none"];
  const { certPath, keyPath, alpn, starttls, native = false, clientAuth } = tls;
  const how = [
    `${describeVersions(tls)}${native ? ", the runtime's own" : ""}`,
    ...(alpn.length === 0 ? [] : [`for ${alpn.join(", ")}`]),
    ...(starttls === undefined ? [] : [`asked for in ${starttls}`]),
  ];
  const lines = [
    how.join(", "),
    `as ${certPath}, with the key ${keyPath}`,
  ];
  if (clientAuth === undefined) return [...lines, "no client certificates"];
  const { mode, caPath, crlPaths, trustDomains = {}, allow } = clientAuth;
  const issuers = caPath ?? "trust domains";
  lines.push(`client certificates of ${issuers}, ${mode === "require" ? "required" : "optional"}`);
  if (caPath !== undefined) lines.push(revocation(crlPaths));
  for (const [domain, { caPath, crlPaths }] of Object.entries(trustDomains)) {
    lines.push(`SPIFFE IDs of ${domain} by ${caPath}, ${revocation(crlPaths)}`);
  }
  lines.push(...crlLines(clientAuth));
  return [...lines, ...allow.map((rule) => `allows ${describeRule(rule)}`)];
}

function revocation(crlPaths: readonly string[] | undefined): string {
  return crlPaths === undefined ? "revocation is not checked" : `revoked ones by ${crlPaths.join(", ")}`;
}

function crlLines({ crlCheck, crlMaxAgeMs }: NonNullable<ServiceTls["clientAuth"]>): string[] {
  return [
    ...(crlCheck === "leaf" ? ["CRLs are for clients' certificates and not for those of their CAs"] : []),
    ...(crlMaxAgeMs === undefined ? [] : [
      `CRLs without nextUpdate are used for ${formatDuration(crlMaxAgeMs)}`,
    ]),
  ];
}

function routeLines({ upstream, names }: ServiceConfig): string[] {
  const byName = [...names ?? []].map(([pattern, name]) => `${name} for ${pattern}`);
  if (names === undefined) return [upstream!];
  return [...byName, upstream === undefined ? "other names are refused" : `${upstream} for other names`];
}

function clientLines({ allow, deny, trusted, admission }: ServiceConfig): string[] {
  const { maxConnections, maxHandshakes, handshakeGraceMs = DEFAULT_HANDSHAKE_GRACE_MS, rate } = admission;
  const { ipv4, ipv6 } = admission.sourcePrefix ?? DEFAULT_SOURCE_PREFIX;
  const from = allow === undefined
    ? "all clients"
    : allow.length === 0
    ? "no client"
    : `from ${allow.join(", ")}`;
  const lines = [deny.length === 0 ? from : `${from}, but not from ${deny.join(", ")}`];
  lines.push(
    maxConnections === 0 ? "any number of connections" : `at most ${maxConnections} connections at once`,
  );
  lines.push(
    `${
      maxHandshakes === 0 ? "any number" : `at most ${maxHandshakes}`
    } of them before their handshake is over; older than ${
      formatDuration(handshakeGraceMs)
    }, the oldest is evicted first`,
    `addresses of one /${ipv4} (IPv4) or /${ipv6} (IPv6) are one source`,
  );
  if (rate !== undefined) {
    const { connections, perMs, burst } = rate;
    lines.push(
      `${connections} new connections in ${formatDuration(perMs)} from each source, ${burst} in a burst`,
    );
  }
  if (trusted !== undefined) lines.push(`named by a PROXY header, which ${trusted.join(", ")} must send`);
  return lines;
}

function describeTimeouts(timeouts: Timeouts): string {
  const off = (ms: number) => ms === 0 ? "off" : formatDuration(ms);
  return [
    `connect ${formatDuration(timeouts.connectMs)}`,
    `handshake ${formatDuration(timeouts.handshakeMs)}`,
    `idle ${off(timeouts.idleMs)}`,
    `halfClose ${off(timeouts.halfCloseMs)}`,
    `lifetime ${off(timeouts.lifetimeMs)}`,
    // Here 0 is no timer that is off: what is live when the drain begins is cut.
    `drain ${timeouts.drainMs === 0 ? "at once" : formatDuration(timeouts.drainMs)}`,
  ].join(", ");
}
