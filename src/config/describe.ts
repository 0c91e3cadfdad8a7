import { formatDuration } from "../core/units.ts";
import { formatAddress } from "../net/address.ts";
import type { Timeouts } from "../tcp/options.ts";
import type { BackendSpec } from "../upstream/backend.ts";
import type { PoolOptions, UpstreamOptions } from "../upstream/options.ts";
import type { Config, ServiceConfig } from "./config.ts";

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
  const used = new Set(config.services.map(({ upstream }) => upstream));
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
    ["upstream", [service.upstream]],
  ];
}

function clientLines({ allow, deny, admission: { maxConnections, rate } }: ServiceConfig): string[] {
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

function upstreamRows({ balance, backends, pool, retries, onRemove }: UpstreamOptions): Row[] {
  return [
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
