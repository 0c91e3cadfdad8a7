import type { Plan } from "../core/plan.ts";
import type { DataPlane } from "./data_plane.ts";
import type { BoundAddresses } from "./listeners.ts";
import type { BackendSets } from "./upstreams.ts";

/** A snapshot that has been prepared. */
export interface TrafficPlan extends Plan<BoundAddresses> {
  /** As `DataPlanePlan.commit`. Backends in `sets` take the place of those of the snapshot. */
  commit(options?: { sets?: BackendSets | undefined }): BoundAddresses;
}

/** What the control side is told and asked about traffic: of one data plane, or of several in workers. */
export type TrafficControl = Pick<
  DataPlane,
  | "setBackends"
  | "setHealth"
  | "setDisabled"
  | "setCredentials"
  | "setAdminAddress"
  | "freeDescriptors"
  | "report"
  | "reportUpstream"
  | "availability"
  | "traffic"
  | "sessions"
  | "closeSession"
  | "closeSessionsOf"
  | "failures"
  | "drain"
  | "destroy"
>;
