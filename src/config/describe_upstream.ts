import { formatDuration } from "../core/units.ts";
import { formatAddress } from "../net/address.ts";
import type { AllowRule } from "../tls/rules.ts";
import type { BackendSpec } from "../upstream/backend.ts";
import type { HealthOptions } from "../upstream/check/options.ts";
import type { PoolOptions } from "../upstream/options.ts";
import { DEFAULT_OUTLIER, type OutlierOptions } from "../upstream/outlier.ts";
import type { DiscoverConfig, UpstreamConfig, UpstreamTls } from "./config.ts";

/** A name in the left column and what is said about it, a line each. */
export type Row = readonly [name: string, lines: readonly string[]];

/** Backends that are listed one by one. With more, the rest is only counted. */
const MAX_BACKENDS = 50;

/** What one upstream would do. */
export function upstreamRows(options: UpstreamConfig): Row[] {
  const { balance, backends, pool, retries, onRemove, onDown, proxyProtocol } = options;
  const { health, outlier, slowStartMs = 0, discover } = options;
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
    ["when down", [onDown === "close" ? "its connections are closed" : "its connections go on"]],
    ["checks", [healthLine(health)]],
    ["ejection", [outlierLine(outlier ?? DEFAULT_OUTLIER)]],
    ...(slowStartMs === 0 ? [] : [["slow start", [`over ${formatDuration(slowStartMs)}`]] as const]),
    ...(discover === undefined ? [] : [["discovery", discoverLines(discover)] as const]),
    ...(backends.length === 0 ? [] : [["backends", backendLines(backends)] as const]),
  ];
}

/** Whom a rule lets in. */
export function describeRule(rule: AllowRule): string {
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

function healthLine(health: HealthOptions | undefined): string {
  if (health === undefined) return "not checked";
  const { type, intervalMs, timeoutMs, rise, fall, port, http } = health;
  const what = http === undefined ? "" : ` (${http.method} ${http.path}, good: ${http.expect})`;
  return [
    `by ${type}${what}${port === undefined ? "" : ` on port ${port}`}`,
    `every ${formatDuration(intervalMs)}, within ${formatDuration(timeoutMs)}`,
    `down after ${fall}, up after ${rise}`,
  ].join(", ");
}

function outlierLine({ failures, ejectionMs, maxEjected }: OutlierOptions): string {
  if (failures === 0) return "nobody is ejected";
  return `after ${failures} failures in a row, for ${formatDuration(ejectionMs)} and more, ` +
    `at most ${Math.round(100 * maxEjected)}% of them`;
}

function discoverLines({ dns, filePath, etcd, within, keepOnEmpty }: DiscoverConfig): string[] {
  return [
    ...(dns === undefined ? [] : [dnsLine(dns)]),
    ...(filePath === undefined ? [] : [`from ${filePath}`]),
    ...(etcd === undefined ? [] : [`from etcd at ${etcd.endpoints.join(", ")}, below ${etcd.prefix}`]),
    ...(within === undefined ? [] : [`only within ${within.join(", ")}`]),
    ...(keepOnEmpty ? ["an empty answer keeps the last set"] : []),
  ];
}

function dnsLine({ name, type, port, intervalMs, server }: NonNullable<DiscoverConfig["dns"]>): string {
  const asked = server === undefined ? "the system's resolver" : formatAddress(server);
  const at = port === undefined ? "" : `, port ${port}`;
  return `${type} of ${name}${at}, from ${asked}, every ${formatDuration(intervalMs)} at least`;
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
