import type { Summary } from "./summary.ts";

/** What Culvert should reach. */
interface Target {
  label: string;
  key: string;
  /** A ratio against HAProxy, or an absolute value. */
  against: "haproxy" | undefined;
  atLeast?: number;
  atMost?: number;
  unit: string;
}

/** Whether a target was reached; `reached` is `undefined` where it was not measured. */
export interface Verdict {
  label: string;
  wanted: string;
  found: string;
  reached: boolean | undefined;
}

const TARGETS: readonly Target[] = [
  { label: "Bulk, client to backend", key: "bulkUp", against: "haproxy", atLeast: 1.5, unit: "×" },
  { label: "Bulk, backend to client", key: "bulkDown", against: "haproxy", atLeast: 1.5, unit: "×" },
  { label: "Small exchanges", key: "exchanges", against: "haproxy", atLeast: 1.0, unit: "×" },
  {
    label: "Small exchanges, 99th percentile",
    key: "exchangesP99",
    against: "haproxy",
    atMost: 1.5,
    unit: "×",
  },
  { label: "New connections", key: "connections", against: "haproxy", atLeast: 0.85, unit: "×" },
  {
    label: "Resident memory of an idle tunnel",
    key: "idleKiB",
    against: undefined,
    atMost: 20,
    unit: " KiB",
  },
];

/** Holds Culvert's medians against the targets. */
export function judge(summary: Summary): Verdict[] {
  return TARGETS.map(({ label, key, against, atLeast, atMost, unit }) => {
    const value = against === undefined
      ? summary.median("culvert", key)
      : summary.ratio("culvert", against, key)?.ofMedians;
    const wanted = atLeast === undefined ? `≤ ${atMost}${unit}` : `≥ ${atLeast}${unit}`;
    if (value === undefined) return { label, wanted, found: "–", reached: undefined };
    const reached = value >= (atLeast ?? -Infinity) && value <= (atMost ?? Infinity);
    return { label, wanted, found: `${value.toFixed(2)}${unit}`, reached };
  });
}
