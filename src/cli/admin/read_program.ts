import type { Status } from "../../admin/status/status.ts";
import { isMapping } from "../../config/schema/fields.ts";
import type { AdminAnswer, AdminClient } from "./admin_client.ts";
import { AdminUnreachableError } from "./admin_client.ts";

/** What a running program says of itself. */
export interface ProgramState {
  readonly status: Status;
  readonly ready: boolean;
  /** Why it is not ready. */
  readonly reasons: readonly string[];
}

/**
 * Asks a program for its status and readiness.
 *
 * @param name What messages call the API.
 * @throws {AdminUnreachableError} also for an answer that is not one of the admin API.
 */
export async function readProgram(client: AdminClient, name: string): Promise<ProgramState> {
  const [status, readiness] = [await client.get("/api/status"), await client.get("/readyz")];
  const { json } = status;
  if (status.status !== 200 || !isStatus(json)) throw unusable(name, status);
  if (!isReadiness(readiness.json)) throw unusable(name, readiness);
  return { status: json, ...readiness.json };
}

/** The message of an answer with an error, or what the answer was. */
export function answerText({ status, json }: AdminAnswer): string {
  const error = isMapping(json) ? json.error : undefined;
  const message = isMapping(error) ? error.message : undefined;
  return typeof message === "string" ? message : `it answered with status ${status}`;
}

function unusable(name: string, answer: AdminAnswer): AdminUnreachableError {
  return new AdminUnreachableError(name, new Error(answerText(answer)));
}

/** Later versions may add keys, so only what all of them have is looked at. */
function isStatus(json: unknown): json is Status {
  return isMapping(json) && Array.isArray(json.services) && Array.isArray(json.upstreams) &&
    Array.isArray(json.certificates) && Array.isArray(json.crls) && isMapping(json.reload);
}

function isReadiness(json: unknown): json is { ready: boolean; reasons: readonly string[] } {
  return isMapping(json) && typeof json.ready === "boolean" && Array.isArray(json.reasons);
}
