import { REFERENCE, type Summary } from "./summary.ts";

/** What Culvert should reach. */
interface Target {
  label: string;
  /** @default "culvert" */
  proxy?: string;
  key: string;
  atLeast?: number;
  atMost?: number;
  /** Of an absolute value. @default none: it is a ratio against HAProxy */
  unit?: string;
}

/** Whether a target was reached; `reached` is `undefined` where it was not measured. */
export interface Verdict {
  label: string;
  wanted: string;
  found: string;
  reached: boolean | undefined;
}

const TARGETS: readonly Target[] = [
  { label: "Bulk, client to backend", key: "bulkUp", atLeast: 1.5 },
  { label: "Bulk, backend to client", key: "bulkDown", atLeast: 1.5 },
  { label: "Small exchanges", key: "exchanges", atLeast: 1.0 },
  { label: "Small exchanges, 99th percentile", key: "exchangesP99", atMost: 1.5 },
  { label: "512 busy connections, 99th percentile", key: "busy512P99", atMost: 3 },
  { label: "New connections", key: "connections", atLeast: 0.85 },
  { label: "HTTP, 64 connections", key: "http64", atLeast: 0.95 },
  { label: "HTTP, 512 connections", key: "http512", atLeast: 0.9 },
  { label: "HTTP, 1,000 connections", key: "http1000", atLeast: 0.9 },
  { label: "HTTP, 64 connections, 99th percentile", key: "http64P99", atMost: 1.5 },
  { label: "HTTP, 1,000 connections, 99th percentile", key: "http1000P99", atMost: 3 },
  { label: "HTTP, responses of 100 KiB", key: "http100K", atLeast: 1.0 },
  { label: "HTTP, responses of 1 MiB", key: "http1M", atLeast: 1.2 },
  { label: "HTTP, a connection per request", key: "httpNew", atLeast: 0.8 },
  { label: "HTTP, a response of 1 GiB", key: "httpDown1G", atLeast: 1.2 },
  { label: "HTTP, a request of 1 GiB", key: "httpUp1G", atLeast: 1.2 },
  { label: "HTTP, a request of 1 GiB in chunks", key: "httpChunked1G", atLeast: 1.2 },
  { label: "HTTP, 1,000 routes", key: "httpRoutes", atLeast: 0.95 },
  { label: "HTTP, processor time that the access log adds", key: "httpLogCost", atMost: 5, unit: " %" },
  { label: "HTTP, resident memory of an idle client", key: "httpIdleKiB", atMost: 16, unit: " KiB" },
  { label: "Resident memory of an idle tunnel", key: "idleKiB", atMost: 20, unit: " KiB" },
  { label: "TLS, native: bulk, client to backend", proxy: "culvert-native", key: "tlsBulkUp", atLeast: 1.3 },
  {
    label: "TLS, native: bulk, backend to client",
    proxy: "culvert-native",
    key: "tlsBulkDown",
    atLeast: 1.3,
  },
  { label: "TLS, native: round trips", proxy: "culvert-native", key: "tlsRoundTrips", atLeast: 0.9 },
  { label: "Mutual TLS: bulk, client to backend", key: "mtlsBulkUp", atLeast: 1.0 },
  { label: "Mutual TLS: bulk, backend to client", key: "mtlsBulkDown", atLeast: 1.0 },
  { label: "Mutual TLS: round trips", key: "mtlsRoundTrips", atLeast: 0.75 },
  { label: "Mutual TLS: full handshakes", key: "mtlsFull", atLeast: 1.2 },
  { label: "Mutual TLS: resident memory of an idle tunnel", key: "mtlsIdleKiB", atMost: 80, unit: " KiB" },
];

/** Holds Culvert's medians against the targets. */
export function judge(summary: Summary): Verdict[] {
  return TARGETS.map(({ label, proxy = "culvert", key, atLeast, atMost, unit }) => {
    const value = unit === undefined
      ? summary.ratio(proxy, REFERENCE, key)?.ofMedians
      : summary.median(proxy, key);
    const suffix = unit ?? "×";
    const wanted = atLeast === undefined ? `≤ ${atMost}${suffix}` : `≥ ${atLeast}${suffix}`;
    if (value === undefined) return { label, wanted, found: "–", reached: undefined };
    const reached = value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity);
    return { label, wanted, found: `${value.toFixed(2)}${suffix}`, reached };
  });
}
