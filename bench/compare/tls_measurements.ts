import type { Measurement, TlsMode } from "./types.ts";
import { idle } from "./idle.ts";
import { load } from "./load.ts";
import { resumeSessions } from "./s_time.ts";
import { startEcho, startWeb } from "./origins.ts";
import { tlsBulk } from "./tls_bulk.ts";
import { tlsWork } from "./tls_work.ts";

/** All that is measured of TLS, with client certificates or without. */
export function tlsMeasurements(mode: TlsMode): Measurement[] {
  return [
    tlsBulk(mode),
    tlsWork(mode, {
      name: "round-trips",
      key: "RoundTrips",
      many: "Round trips of 64 bytes",
      one: "a round trip",
      unit: "µs",
      tools: [],
      startOrigin: startEcho,
      load: (target, bench) => load("round-trips", target, bench),
    }),
    tlsWork(mode, {
      name: "handshakes",
      key: "Full",
      many: "Full handshakes",
      one: "a full handshake",
      unit: "ms",
      tools: ["nginx"],
      startOrigin: startWeb,
      load: (target, bench) => load("handshakes", target, bench),
    }),
    tlsWork(mode, {
      name: "resumed",
      key: "Resumed",
      many: "Resumed handshakes",
      one: "a resumed handshake",
      unit: "ms",
      tools: ["openssl", "nginx"],
      startOrigin: startWeb,
      load: resumeSessions,
    }),
    idle(mode),
  ];
}
