import { formatDuration } from "../core/units.ts";
import { formatAddress } from "../net/address.ts";
import type { RuleCondition } from "../tls/authorize/rule_conditions.ts";
import type { AllowRule } from "../tls/authorize/rules.ts";
import {
  type BackendSpec,
  DEFAULT_OUTLIER,
  DEFAULT_QUEUE,
  type OutlierOptions,
  type QueueOptions,
} from "../upstream/options.ts";
import type { HealthOptions } from "../upstream/check/options.ts";
import type { ScriptStep } from "../upstream/check/script_steps.ts";
import { DEFAULT_MAX_USES, type PoolOptions } from "../upstream/pool/options.ts";
import type { DiscoverConfig, UpstreamConfig, UpstreamTls } from "./config.ts";
import { DEFAULT_PROXY_TLVS, proxySending } from "../upstream/proxy_sending.ts";
import { showValue } from "./problem/show_value.ts";

/** A name in the left column and what is said about it, a line each. */
export type Row = readonly [name: string, lines: readonly string[]];

/** Backends that are listed one by one. With more, the rest is only counted. */
const MAX_BACKENDS = 50;

/** What one upstream would do. */
export function upstreamRows(options: UpstreamConfig): Row[] {
  const { balance, backends, pool, retries, onRemove, onDown, proxyProtocol } = options;
  const { health, outlier, slowStartMs = 0, discover } = options;
  return [
    ["PROXY header", proxyLines(proxyProtocol)],
    ["tls", backendTls(options.tls)],
    ["balance", [balance]],
    ["retries", [retries === 1 ? "1 further backend" : `${retries} further backends`]],
    ["queue", [describeQueue(options.queue ?? DEFAULT_QUEUE)]],
    ["pool", [describePool(pool)]],
    ["when removed", [onRemove === "close" ? "its connections are closed" : "its connections may finish"]],
    ["when down", [onDown === "close" ? "its connections are closed" : "its connections go on"]],
    ["checks", healthLines(health)],
    ["ejection", [outlierLine(outlier ?? DEFAULT_OUTLIER)]],
    ["slow start", [slowStartMs === 0 ? "none" : `over ${formatDuration(slowStartMs)}`]],
    ...(discover === undefined ? [] : [["discovery", discoverLines(discover)] as const]),
    ...(backends.length === 0 ? [] : [["backends", backendLines(backends)] as const]),
  ];
}

function describeQueue({ max, timeoutMs }: QueueOptions): string {
  if (max === 0) return "none: where every backend is full, the next connection is refused";
  return `at most ${max} connections wait for a backend that is full, for ${formatDuration(timeoutMs)}`;
}

function proxyLines(option: UpstreamConfig["proxyProtocol"]): string[] {
  const sending = proxySending(option);
  if (sending === undefined) return ["none"];
  const { version, tlvs = DEFAULT_PROXY_TLVS, forwardTlvs = false } = sending;
  const line = `${version}, to every backend`;
  if (version === "v1") return [line];
  const lines = [`${line}${tlvs.length === 0 ? "" : `, with ${tlvs.join(", ")}`}`];
  if (forwardTlvs === true) return [...lines, "passes on the TLVs that clients come with"];
  if (forwardTlvs === false || forwardTlvs.length === 0) return lines;
  const types = forwardTlvs.map((type) => `0x${type.toString(16).padStart(2, "0")}`);
  return [...lines, `passes on the TLVs that clients come with of the types ${types.join(", ")}`];
}

/** The certificates that a rule allows. */
export function describeRule(rule: AllowRule): string {
  const { ca, ...what } = rule;
  const names = "all" in what ? what.all.map(describeCondition).join(" and ") : describeCondition(what);
  return ca === undefined ? names : `${names}, by ${ca}`;
}

function describeCondition(condition: RuleCondition): string {
  const [[kind, value]] = Object.entries(condition) as [[string, string]];
  return kind === "any" ? "all of them" : `${kind} ${value}`;
}

/** The versions of TLS that are spoken. */
export function describeVersions({ minVersion, maxVersion }: TlsVersions): string {
  return minVersion === maxVersion ? `TLS ${minVersion}` : `TLS ${minVersion} to ${maxVersion}`;
}

type TlsVersions = Pick<UpstreamTls, "minVersion" | "maxVersion">;

function backendTls(tls: UpstreamTls | undefined): string[] {
  if (tls === undefined) return ["none"];
  const { alpn, starttls } = tls;
  const how = [
    describeVersions(tls),
    ...(alpn.length === 0 ? [] : [`offering ${alpn.join(", ")}`]),
    ...(starttls === undefined ? [] : [`asked for in ${starttls}`]),
  ];
  return [how.join(", "), peerLine(tls)];
}

function peerLine({ caPath, certPath, keyPath, serverName, verify, allow }: UpstreamTls): string {
  const verified = allow === undefined
    ? `verified as ${serverName ?? "its address"}`
    : `verified by ${allow.map(describeRule).join(" or ")}`;
  return [
    verify ? `${verified}, with ${caPath ?? "the runtime's own roots"}` : "NOT verified",
    // Where it is not what is verified, it is still what is asked for.
    ...(serverName === undefined || (verify && allow === undefined) ? [] : [`asked for as ${serverName}`]),
    ...(certPath === undefined ? [] : [`as ${certPath}, with the key ${keyPath}`]),
  ].join(", ");
}

function healthLines(health: HealthOptions | undefined): string[] {
  if (health === undefined) return ["not checked"];
  const { type, intervalMs, timeoutMs, rise, fall, port, http, script } = health;
  const line = [
    `by ${type}${port === undefined ? "" : ` on port ${port}`}`,
    `every ${formatDuration(intervalMs)}, within ${formatDuration(timeoutMs)}`,
    `down after ${fall}, up after ${rise}`,
  ].join(", ");
  return [line, ...(type === "http" ? [httpLine(http)] : []), ...(script ?? []).map(stepLine)];
}

function httpLine(options: HealthOptions["http"] = {}): string {
  const { method = "GET", path = "/", host, expect = "200-399", body } = options;
  const good = body === undefined ? expect : `${expect} with ${showValue(body)}`;
  return `${method} ${path}${host === undefined ? "" : ` of ${host}`}, good: ${good}`;
}

function stepLine(step: ScriptStep): string {
  return Object.entries(step).map(([what, value]) => `${what} ${showValue(value)}`).join(", ");
}

function outlierLine({ failures, ejectionMs, maxEjected }: OutlierOptions): string {
  if (failures === 0) return "no backend is ejected";
  return `after ${failures} failures in a row, for ${formatDuration(ejectionMs)} and more, ` +
    `at most ${Math.round(100 * maxEjected)}% of them`;
}

function discoverLines({ dns, filePath, etcd, within, keepOnEmpty }: DiscoverConfig): string[] {
  return [
    ...(dns === undefined ? [] : [dnsLine(dns)]),
    ...(filePath === undefined ? [] : [`from ${filePath}`]),
    ...(etcd === undefined ? [] : [etcdLine(etcd)]),
    ...(within === undefined ? [] : [`only within ${within.join(", ")}`]),
    keepOnEmpty ? "an empty answer keeps the last set" : "an empty answer leaves no backend",
  ];
}

function etcdLine(
  { endpoints, prefix, user, passwordPath, tls }: NonNullable<DiscoverConfig["etcd"]>,
): string {
  return [
    `from etcd at ${endpoints.join(", ")}`,
    `below ${prefix}`,
    ...(user === undefined ? [] : [`as ${user} with the password in ${passwordPath}`]),
    ...(tls?.caPath === undefined ? [] : [`verified with ${tls.caPath}`]),
    ...(tls?.certPath === undefined ? [] : [`as ${tls.certPath}, with the key ${tls.keyPath}`]),
  ].join(", ");
}

function dnsLine({ name, type, port, intervalMs, server }: NonNullable<DiscoverConfig["dns"]>): string {
  const asked = server === undefined ? "the system's resolver" : formatAddress(server);
  const at = port === undefined ? "" : `, port ${port}`;
  return `${type} of ${name}${at}, from ${asked}, every ${formatDuration(intervalMs)} at least`;
}

function describePool(
  { maxIdle, minIdle, maxOpen, idleTimeoutMs, maxUses = DEFAULT_MAX_USES }: PoolOptions,
): string {
  return [
    `${minIdle} to ${maxIdle} idle for each backend`,
    maxOpen === 0 ? "any number open" : `at most ${maxOpen} open`,
    idleTimeoutMs === 0 ? "idle without end" : `idle for ${formatDuration(idleTimeoutMs)} at most`,
    ...(maxUses === DEFAULT_MAX_USES
      ? []
      : [maxUses === 0 ? "any number of requests" : `${maxUses} requests at most`]),
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
