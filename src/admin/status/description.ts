import { type JsonSchema, toJsonSchema } from "@valibot/to-json-schema";
import { statusSchema } from "./status.ts";

/** JSON Schema cannot express these; `format` and `type` cover them. */
const NOT_DESCRIBED = ["check", "finite", "readonly"];

/**
 * The description of `GET /api/status` as a JSON Schema (https://json-schema.org/draft/2020-12/schema). It names exactly
 * the keys that this version writes; a later version may add keys.
 */
export function statusDescription(): JsonSchema {
  return toJsonSchema(statusSchema, { target: "draft-2020-12", ignoreActions: NOT_DESCRIBED });
}
