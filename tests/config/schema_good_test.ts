import { assertEquals } from "@std/assert";
import type { Config, ServiceConfig } from "../../src/config/config.ts";
import type { UpstreamOptions } from "../../src/upstream/options.ts";
import { configWith, type ExtraKeys, parse } from "./support.ts";

const serviceOf = (config: Config): ServiceConfig => config.services[0]!;
const upstreamOf = (config: Config): UpstreamOptions => config.upstreams.get("db")!;

/** Where the text goes, what is written, and what is read. */
const GOOD: readonly (readonly [keys: ExtraKeys, read: (config: Config) => unknown, is: unknown])[] = [
  [{ top: "log: {level: debug}" }, ({ log }) => log.level, "debug"],
  [{ top: "log: {level: info}" }, ({ log }) => log.level, "info"],
  [{ top: "log: {level: warn}" }, ({ log }) => log.level, "warn"],
  [{ top: "log: {level: error}" }, ({ log }) => log.level, "error"],
  [{ top: "log: {format: json}" }, ({ log }) => log.format, "json"],
  [{ top: "log: {access: false}" }, ({ log }) => log.access, false],
  [{ top: "timeouts: {connect: 250ms}" }, (config) => serviceOf(config).timeouts.connectMs, 250],
  [{ top: "timeouts: {handshake: 5m}" }, (config) => serviceOf(config).timeouts.handshakeMs, 300_000],
  [{ top: 'timeouts: {idle: "0"}' }, (config) => serviceOf(config).timeouts.idleMs, 0],
  [{ top: "timeouts: {halfClose: 0}" }, (config) => serviceOf(config).timeouts.halfCloseMs, 0],
  [{ top: "timeouts: {lifetime: 576h}" }, (config) => serviceOf(config).timeouts.lifetimeMs, 2_073_600_000],
  [{ top: "timeouts: {drain: 0s}" }, (config) => serviceOf(config).timeouts.drainMs, 0],
  [
    { upstream: "backends: [{address: db-1.internal:1, weight: 65535, maxConnections: 7, backup: true}]" },
    (config) => upstreamOf(config).backends,
    [{
      address: { kind: "tcp", host: "db-1.internal", port: 1 },
      weight: 65_535,
      maxConnections: 7,
      backup: true,
    }],
  ],
  [
    { upstream: 'backends: [{address: "[::1]:65535", weight: 0}]' },
    (config) => upstreamOf(config).backends[0]?.address,
    { kind: "tcp", host: "::1", port: 65_535 },
  ],
  [{ upstream: "balance: round-robin" }, (config) => upstreamOf(config).balance, "round-robin"],
  [{ upstream: "balance: least-connections" }, (config) => upstreamOf(config).balance, "least-connections"],
  [{ upstream: "balance: random-two-choices" }, (config) => upstreamOf(config).balance, "random-two-choices"],
  [{ upstream: "balance: source-hash" }, (config) => upstreamOf(config).balance, "source-hash"],
  [{ upstream: "balance: first" }, (config) => upstreamOf(config).balance, "first"],
  [{ upstream: "pool: {maxIdle: 0}" }, (config) => upstreamOf(config).pool.maxIdle, 0],
  [{ upstream: "pool: {minIdle: 8}" }, (config) => upstreamOf(config).pool.minIdle, 8],
  [{ upstream: "pool: {maxOpen: 3, minIdle: 3}" }, (config) => upstreamOf(config).pool.maxOpen, 3],
  [{ upstream: "pool: {idleTimeout: 0}" }, (config) => upstreamOf(config).pool.idleTimeoutMs, 0],
  [{ upstream: "retries: 0" }, (config) => upstreamOf(config).retries, 0],
  [{ upstream: "retries: 100" }, (config) => upstreamOf(config).retries, 100],
  [{ upstream: "onRemove: drain" }, (config) => upstreamOf(config).onRemove, "drain"],
  [{ upstream: "onDown: keep" }, (config) => upstreamOf(config).onDown, "keep"],
  [{ upstream: "onDown: close" }, (config) => upstreamOf(config).onDown, "close"],
  [{ service: "name: Größe 1/2" }, (config) => serviceOf(config).name, "Größe 1/2"],
  [
    { service: 'listen: ["0.0.0.0:0", "[::1]:1", "localhost:2", ":0"]' },
    (config) => serviceOf(config).listen.map((at) => at.kind === "tcp" ? at.host : ""),
    ["0.0.0.0", "::1", "localhost", ""],
  ],
  [
    {
      service:
        'listen: [{address: "unix:/a", mode: "0660", group: www-data}, {address: "unix:/b", mode: 0666}, ' +
        '{address: "unix:/c", group: 33}, {address: "unix:/d"}]',
    },
    (config) => serviceOf(config).listen,
    [
      { kind: "unix", path: "/a", access: { mode: 0o660, group: "www-data" } },
      { kind: "unix", path: "/b", access: { mode: 0o666 } },
      { kind: "unix", path: "/c", access: { group: 33 } },
      { kind: "unix", path: "/d", access: {} },
    ],
  ],
  [{ service: "maxConnections: 0" }, (config) => serviceOf(config).admission.maxConnections, 0],
  [{ service: "deny: []" }, (config) => serviceOf(config).admission.deny, undefined],
  [
    { service: "rate: {connections: 5}" },
    (config) => serviceOf(config).admission.rate,
    { connections: 5, perMs: 1000, burst: 5 },
  ],
  [
    { service: "rate: {connections: 100, per: 1m, burst: 1, key: source}" },
    (config) => serviceOf(config).admission.rate,
    { connections: 100, perMs: 60_000, burst: 1 },
  ],
];

for (const [keys, read, is] of GOOD) {
  Deno.test(`${Object.values(keys).join(" ").replaceAll("\n", "; ")} is read`, () => {
    assertEquals(read(parse(configWith(keys))), is);
  });
}
