import type { HealthRules } from "./health.ts";
import type { HttpCheckSpec } from "./http_check.ts";
import type { ScriptStep } from "./script_steps.ts";

/** The types of active checks. */
export type CheckType = "tcp" | "half-open" | "tls" | "http" | "script";

/** How the backends of an upstream are checked. */
export interface HealthOptions extends HealthRules {
  /** The type of the check. */
  readonly type: CheckType;
  /** The interval between the starts of two checks, in milliseconds. @default {5_000} */
  readonly intervalMs: number;
  /** The timeout of a check, in milliseconds. @default {2_000} */
  readonly timeoutMs: number;
  /** The port to check. @default the backend's */
  readonly port?: number;
  /** The request and expected response of `http`. */
  readonly http?: HttpCheckSpec;
  /** The steps of `script`; required for that type. */
  readonly script?: readonly ScriptStep[];
}

/** The defaults of {@linkcode HealthOptions}. */
export const DEFAULT_HEALTH = { intervalMs: 5_000, timeoutMs: 2_000, rise: 2, fall: 3 } as const;
