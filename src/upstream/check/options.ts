import type { HealthRules } from "./health.ts";
import type { HttpCheckSpec } from "./http_check.ts";
import type { ScriptStep } from "./script_steps.ts";

/** The types of active checks. */
export type CheckType = "tcp" | "half-open" | "tls" | "http" | "script";

/** How the backends of an upstream are checked. */
export interface HealthOptions extends HealthRules {
  /** What it is checked by. */
  readonly type: CheckType;
  /** From the start of a check to the start of the next, in milliseconds. @default {5_000} */
  readonly intervalMs: number;
  /** The time that a check has, in milliseconds. @default {2_000} */
  readonly timeoutMs: number;
  /** The port that is checked. @default the backend's own */
  readonly port?: number;
  /** What `http` asks for and expects. */
  readonly http?: HttpCheckSpec;
  /** What `script` says and expects; that type needs it. */
  readonly script?: readonly ScriptStep[];
}

/** What holds where nothing else is said. */
export const DEFAULT_HEALTH = { intervalMs: 5_000, timeoutMs: 2_000, rise: 2, fall: 3 } as const;
