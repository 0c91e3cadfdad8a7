import * as v from "valibot";
import { count, field, list, object, optional, text, time } from "./fields.ts";

const problem = object({
  kind: field(
    v.picklist(["syntax", "unknown_key", "missing", "bad_value", "bad_file", "more"]),
    "`syntax`, `unknown_key`, `missing`, `bad_value`, `bad_file`, or `more`: `value` further problems",
  ),
  path: field(v.string(), "Key of the configuration, such as `services[0].listen`; empty for the whole file"),
  value: optional(v.string(), "What stands there, shortened"),
  expected: field(v.string(), "What is expected"),
  nearest: optional(v.string(), "Known key or value with a similar spelling"),
  line: optional(count, "Line of the file"),
  column: optional(count, "Column of that line; only for syntax errors"),
});

const error = object({
  code: field(text, "Stable error code, such as `bad_config` or `listen_failed`"),
  message: field(text, "Error message, with one line for each problem"),
});

/** The schema of the last reload. */
export const reloadSchema = object({
  generation: field(
    v.pipe(count, v.minValue(1)),
    "Number of the running configuration: 1 after the start, incremented by each successful reload",
  ),
  appliedAt: field(time, "When the running configuration was applied"),
  at: field(time, "When the last reload was attempted"),
  ok: field(v.boolean(), "Whether it succeeded; if not, the previous configuration is kept"),
  why: field(text, "What caused it: `start`, `SIGHUP`, `admin`, or which file has changed"),
  refused: optional(count, "Reloads that have failed since the start; absent: none has"),
  error: optional(error, "Why it failed; absent if it succeeded"),
  problems: optional(
    v.pipe(list(problem), v.nonEmpty()),
    "Every problem of the configuration; absent if it is valid",
  ),
});

/** How the last reload went. */
export interface ReloadStatus extends v.InferOutput<typeof reloadSchema> {}
