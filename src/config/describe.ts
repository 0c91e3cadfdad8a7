import { formatDuration } from "../core/units.ts";
import { formatAddress } from "../net/address.ts";
import type { Timeouts } from "../tcp/options.ts";
import type { BackendSpec } from "../upstream/backend.ts";
import type { AllowRule } from "../tls/rules.ts";
import type { PoolOptions } from "../upstream/options.ts";
import type { Config, ServiceConfig, ServiceTls, UpstreamConfig, UpstreamTls } from "./config.ts";

/** A name in the left column and what is said about it, a line each. */
type Row = readonly [name: string, lines: readonly string[]];

/** Backends that are listed one by one. With more, the rest is only counted. */
const MAX_BACKENDS = 50;

/**
 * What a configuration would do, for people to read: every service and upstream, with what holds after defaults.
 * Ends with a line end.
 */
export function describeConfig(config: Config): string {
  const { level, format, access } = config.log;
  const used = new Set(
    config.services.flatMap(({ upstream, names }) => [upstream, ...names?.values() ?? []]),
  );
  const sections = [
    section("log", [["level", [level]], ["format", [format]], ["access lines", [access ? "yes" : "no"]]]),
    ...config.services.map((service) => section(`service ${service.name} (tcp)`, serviceRows(service))),
    ...[...config.upstreams.values()].map((upstream) => {
      const unused = used.has(upstream.name) ? "" : " (not used by any service)";
      return section(`upstream ${upstream.name}${unused}`, upstreamRows(upstream));
    }),
  ];
  return `${sections.join("\n\n")}\n`;
}

function section(title: string, rows: readonly Row[]): string {
  const lines = rows.flatMap(([name, values]) =>
    values.map((value, index) => `  ${(index === 0 ? name : "").padEnd(13)} ${value}`)
  );
  return [title, ...lines].join("\n");
}

function serviceRows(service: ServiceConfig): Row[] {
  return [
    ["listen", service.listen.map(formatAddress)],
    ["clients", clientLines(service)],
    ["timeouts", [describeTimeouts(service.timeouts)]],
    ...(service.tls === undefined ? [] : [["tls", tlsLines(service.tls)] as const]),
    ["upstream", routeLines(service)],
  ];
}

function tlsLines({ certPath, minVersion, maxVersion, alpn, clientAuth }: ServiceTls): string[] {
  const versions = minVersion === maxVersion ? `TLS ${minVersion}` : `TLS ${minVersion} to ${maxVersion}`;
  const lines = [`${versions}, as ${certPath}${alpn.length === 0 ? "" : `, for ${alpn.join(", ")}`}`];
  if (clientAuth === undefined) return lines;
  const { mode, caPath, crlPath, allow } = clientAuth;
  lines.push(`client certificates of ${caPath}, ${mode === "require" ? "required" : "if shown"}`);
  lines.push(crlPath === undefined ? "revocation is not looked at" : `revoked ones by ${crlPath}`);
  return [...lines, ...allow.map((rule) => `lets in ${describeRule(rule)}`)];
}

function describeRule(rule: AllowRule): string {
  const [[kind, value]] = Object.entries(rule) as [[string, string]];
  return kind === "any" ? "all of them" : `${kind} ${value}`;
}

function backendTls({ caPath, certPath, serverName, verify, allow }: UpstreamTls): string {
  const who = allow === undefined
    ? `verified as ${serverName ?? "its address"}`
    : `verified by ${allow.map(describeRule).join(" or ")}`;
  return [
    verify ? `${who}, with ${caPath ?? "the system's roots"}` : "NOT verified",
    ...(certPath === undefined ? [] : [`as ${certPath}`]),
  ].join(", ");
}

function routeLines({ upstream, names }: ServiceConfig): string[] {
  const byName = [...names ?? []].map(([pattern, name]) => `${name} for ${pattern}`);
  if (names === undefined) return [upstream!];
  return [...byName, upstream === undefined ? "other names are refused" : `${upstream} for other names`];
}

function clientLines({ allow, deny, trusted, admission }: ServiceConfig): string[] {
  const { maxConnections, rate } = admission;
  const from = allow === undefined ? "everybody" : allow.length === 0 ? "nobody" : `from ${allow.join(", ")}`;
  const lines = [deny.length === 0 ? from : `${from}, but not from ${deny.join(", ")}`];
  lines.push(
    maxConnections === 0 ? "any number of connections" : `at most ${maxConnections} connections at once`,
  );
  if (rate !== undefined) {
    const { connections, perMs, burst } = rate;
    lines.push(
      `${connections} new connections in ${formatDuration(perMs)} from each address, ${burst} in a burst`,
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

function upstreamRows(options: UpstreamConfig): Row[] {
  const { balance, backends, pool, retries, onRemove, proxyProtocol } = options;
  const told: Row[] = proxyProtocol === "none"
    ? []
    : [["PROXY header", [`${proxyProtocol}, to every backend`]]];
  return [
    ...told,
    ...(options.tls === undefined ? [] : [["tls", [backendTls(options.tls)]] as const]),
    ["balance", [balance]],
    ["retries", [retries === 1 ? "1 further backend" : `${retries} further backends`]],
    ["pool", [describePool(pool)]],
    ["when removed", [onRemove === "close" ? "its connections are closed" : "its connections may finish"]],
    ["backends", backendLines(backends)],
  ];
}

function describePool({ maxIdle, minIdle, maxOpen, idleTimeoutMs }: PoolOptions): string {
  return [
    `${minIdle} to ${maxIdle} idle for each backend`,
    maxOpen === 0 ? "any number open" : `at most ${maxOpen} open`,
    idleTimeoutMs === 0 ? "idle without end" : `idle for ${formatDuration(idleTimeoutMs)} at most`,
  ].join(", ");
}

function backendLines(backends: readonly BackendSpec[]): string[] {
  const shown = backends.slice(0, MAX_BACKENDS);
  const width = Math.max(...shown.map(({ address }) => formatAddress(address).length));
  const lines = shown.map(({ address, weight, maxConnections, backup }) =>
    [
      formatAddress(address).padEnd(width),
      `  weight ${weight}`,
      weight === 0 ? " (takes no new connections)" : "",
      maxConnections === 0 ? "" : `, at most ${maxConnections} connections`,
      backup ? ", backup" : "",
    ].join("")
  );
  return backends.length > shown.length ? [...lines, `… and ${backends.length - shown.length} more`] : lines;
}
