/// <reference lib="dom" />
import { plural } from "./format.ts";
import type { SessionOrder, SessionsReport } from "../../../dataplane/open_sessions.ts";

/** What the server has answered. */
export interface Answer {
  readonly ok: boolean;
  /** For people. */
  readonly text: string;
}

/** What is asked of the server. */
export interface Order {
  readonly method: "POST" | "PUT";
  readonly path: string;
  readonly body?: unknown;
}

/** Has the server do something. Never rejects. */
export async function order({ method, path, body }: Order): Promise<Answer> {
  try {
    const response = await fetch(path, {
      method,
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { "Content-Type": "application/json" } }),
    });
    const json = await response.json();
    if (response.ok) return { ok: true, text: describe(json) };
    const { code, message, problems = [] } = json.error;
    const lines = problems.map((problem: { path: string; line?: number; expected: string }) =>
      `${problem.path}${
        problem.line === undefined ? "" : ` (line ${problem.line})`
      }: expected ${problem.expected}`
    );
    return { ok: false, text: [`${response.status} ${code}: ${message}`, ...lines].join("\n") };
  } catch (error) {
    return { ok: false, text: `No answer: ${error instanceof Error ? error.message : error}` };
  }
}

/** The path of a backend. */
export function backendPath(upstream: string, address: string): string {
  return `/api/upstreams/${encodeURIComponent(upstream)}/backends/${encodeURIComponent(address)}`;
}

/** What this client may do. */
export async function fetchAccess(): Promise<{ access: string; identity?: string }> {
  return await (await fetch("/api/access")).json();
}

/** Open connections. Rejects when there is no answer. */
export async function fetchConnections(
  query: { search: string; order: SessionOrder; descending: boolean },
): Promise<SessionsReport> {
  const { search, order, descending } = query;
  const parameters = new URLSearchParams({ search, order, descending: String(descending) });
  const response = await fetch(`/api/connections?${parameters}`);
  if (!response.ok) throw new Error(`the server answers ${response.status}`);
  return await response.json();
}

// deno-lint-ignore no-explicit-any -- each order has an answer of its own
function describe(json: any): string {
  if (typeof json.closed === "number") return `${plural(json.closed, "connection")} closed.`;
  if (typeof json.generation === "number") {
    return `The configuration is in use, as generation ${json.generation}.`;
  }
  if (typeof json.level === "string") return `The log level is ${json.level}.`;
  if (typeof json.address !== "string") return "Done.";
  const { address, state, weight, active } = json;
  return `${address} is ${state}, with weight ${weight} and ${active} open.`;
}
