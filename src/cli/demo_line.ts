import type { ServiceReport } from "../dataplane/report.ts";
import type { Reason } from "../service/reason.ts";

/** What the line tells of a service. */
export type Flow = Pick<ServiceReport, "active" | "rejected" | "ended" | "bytesUp" | "bytesDown">;

/** One backend, and how many connections it has got. */
export interface Share {
  readonly name: string;
  readonly total: number;
}

/** Reasons of connections that were not refused and reached no backend. */
const FAILED: readonly Reason[] = ["no-backend", "backends-down", "connect-failed", "handshake"];

/**
 * One line about what has come to these services and what became of it: what the backends got, what was
 * refused, and what failed; empty before there is any.
 */
export function flowLine(flows: readonly Flow[], shares: readonly Share[]): string {
  const sum = (count: (flow: Flow) => number) => flows.reduce((total, flow) => total + count(flow), 0);
  const active = sum((flow) => flow.active);
  const served = shares.reduce((total, share) => total + share.total, 0);
  const refused = sum((flow) => flow.rejected);
  const failed = sum(({ ended }) => FAILED.reduce((total, reason) => total + (ended[reason] ?? 0), 0));
  if (active + served + refused + failed === 0) return "";
  return [
    `${active} active`,
    `${served} served (${shares.map(({ name, total }) => `${name} ${total}`).join(", ")})`,
    `${refused} refused`,
    ...(failed === 0 ? [] : [`${failed} failed`]),
    `${sum((flow) => flow.bytesUp)} bytes up`,
    `${sum((flow) => flow.bytesDown)} bytes down`,
  ].join(", ");
}
