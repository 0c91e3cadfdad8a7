import { quoteText } from "../core/escape_text.ts";
import type { LogLevel } from "../core/log.ts";
import {
  MAX_LISTED,
  SESSION_ORDERS,
  type SessionOrder,
  type SessionQuery,
} from "../dataplane/open_sessions.ts";
import { AdminError } from "./admin_error.ts";
import { type AdminResponse, jsonResponse } from "./admin_response.ts";
import type { Call, Handle } from "./call.ts";
import type { Endpoint } from "./endpoints.ts";
import { EVENT_STREAM_TYPE } from "./live/event_stream.ts";

const LOG_LEVELS: readonly LogLevel[] = ["debug", "info", "warn", "error"];
const MAX_SEARCH_CHARS = 200;

/** The endpoints that the live page uses besides those of backends. */
export const LIVE_ENDPOINTS: readonly Endpoint<Handle>[] = [
  { method: "GET", pattern: "/api/live", run: live },
  { method: "GET", pattern: "/api/history", run: ({ target }) => jsonResponse(200, target.history.report()) },
  { method: "GET", pattern: "/api/access", run: access },
  { method: "GET", pattern: "/api/connections", run: connections },
  { method: "POST", pattern: "/api/connections/:id/close", run: closeConnection },
  { method: "PUT", pattern: "/api/log/level", body: true, run: setLogLevel },
];

function live({ feed }: Call): AdminResponse {
  if (!feed.hasRoom) {
    throw new AdminError("too_many_viewers", `Cannot serve another viewer: there are ${feed.size} already`);
  }
  const headers = { "Content-Type": EVENT_STREAM_TYPE };
  return { status: 200, headers, body: "", stream: (out) => feed.serve(out) };
}

function access({ caller: { client, identity }, access }: Call): AdminResponse {
  return jsonResponse(200, { access, client, ...(identity && { identity: identity.subject }) });
}

async function connections({ target, lists, query }: Call): Promise<AdminResponse> {
  const wanted = readQuery(query);
  return await lists.get(
    JSON.stringify(wanted),
    async () => jsonResponse(200, await target.connections(wanted)),
  );
}

async function closeConnection({ target, lists, parameters }: Call): Promise<AdminResponse> {
  await target.closeConnection(parameters.id!);
  lists.clear();
  return jsonResponse(200, { closed: 1 });
}

async function setLogLevel({ target, body }: Call): Promise<AdminResponse> {
  const { level } = (typeof body === "object" && body !== null ? body : {}) as { level?: unknown };
  const wanted = LOG_LEVELS.find((each) => each === level);
  if (wanted === undefined) {
    const message = `Cannot set the level of the log: expected {"level": …} with ${LOG_LEVELS.join(", ")}`;
    throw new AdminError("bad_value", message);
  }
  await target.setLogLevel(wanted);
  return jsonResponse(200, { level: wanted });
}

function readQuery(query: URLSearchParams): SessionQuery {
  for (const name of query.keys()) {
    if (!["search", "order", "descending", "limit"].includes(name)) {
      throw badQuery(name, "no such parameter; there are search, order, descending and limit");
    }
  }
  const [search = "", order = "age", descending = "false", limit = String(MAX_LISTED)] = [
    "search",
    "order",
    "descending",
    "limit",
  ].map((name) => query.get(name) ?? undefined);
  if (search.length > MAX_SEARCH_CHARS) {
    throw badQuery("search", `expected at most ${MAX_SEARCH_CHARS} characters`);
  }
  if (!(SESSION_ORDERS as readonly string[]).includes(order)) {
    throw badQuery("order", `expected ${SESSION_ORDERS.join(", ")}`);
  }
  if (descending !== "true" && descending !== "false") throw badQuery("descending", "expected true or false");
  if (!/^\d{1,3}$/.test(limit) || Number(limit) > MAX_LISTED) {
    throw badQuery("limit", `expected a whole number from 0 to ${MAX_LISTED}`);
  }
  return {
    search,
    order: order as SessionOrder,
    descending: descending === "true",
    limit: Number(limit),
  };
}

function badQuery(name: string, expected: string): AdminError {
  return new AdminError("bad_query", `Cannot read the parameter ${quoteText(name)}: ${expected}`);
}
