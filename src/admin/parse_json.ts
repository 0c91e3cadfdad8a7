import { describeError } from "../core/errors.ts";
import { AdminError } from "./admin_error.ts";

/** More than any request of the API needs. Later code may recurse through the value. */
const MAX_DEPTH = 32;

/**
 * Parses JSON in UTF-8.
 *
 * @throws {AdminError} `bad_json` for anything else, and for more than 32 levels of nesting.
 */
export function parseJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw badJson("not UTF-8");
  }
  try {
    checkDepth(text);
    return JSON.parse(text);
  } catch (error) {
    throw error instanceof AdminError ? error : badJson(describeError(error));
  }
}

function checkDepth(text: string): void {
  let depth = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i];
    if (quoted) {
      if (char === "\\") i++;
      else if (char === '"') quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === "[" || char === "{") {
      if (++depth > MAX_DEPTH) throw badJson(`more than ${MAX_DEPTH} levels of nesting`);
    } else if (char === "]" || char === "}") depth--;
  }
}

function badJson(why: string): AdminError {
  return new AdminError("bad_json", `Cannot parse the body as JSON: ${why}`);
}
