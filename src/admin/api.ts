import { ConfigError } from "../config/problem/problem.ts";
import { quoteText } from "../core/escape_text.ts";
import { AdminError } from "./admin_error.ts";
import type { AllowedHosts } from "./allowed_hosts.ts";
import type { AccessLevel, AdminAccess } from "./admin_access.ts";
import { type AdminResponse, errorResponse, jsonResponse, largeJsonResponse } from "./admin_response.ts";
import type { AdminCaller, AdminHandler, AdminRequest } from "./admin_session.ts";
import { BACKEND_ENDPOINTS } from "./backend_endpoints.ts";
import type { Call, Handle } from "./call.ts";
import type { LiveFeed } from "./live/live_feed.ts";
import { LIVE_ENDPOINTS } from "./live_endpoints.ts";
import { PAGE_ENDPOINTS } from "./page_endpoints.ts";
import { METRICS_TYPE, renderMetrics } from "./metrics/render.ts";
import { SharedAnswers } from "./shared_answers.ts";
import { parseJson } from "./parse_json.ts";
import { type Endpoint, findEndpoint } from "./endpoints.ts";
import { statusDescription } from "./status/description.ts";
import type { AdminTarget } from "./admin_target.ts";
import type { AdminRequestHead } from "./request_reader.ts";

/** Options of {@linkcode AdminApi}. */
export interface AdminApiOptions {
  /** The program that the API shows and changes. */
  readonly target: AdminTarget;
  /** The allowed values of `Host` and `Origin`. */
  readonly hosts: AllowedHosts;
  /** Serves the viewers of the live page. */
  readonly feed: LiveFeed;
  /**
   * What clients may do by their certificates; asked for each request, because a reload may replace it.
   * @default everything
   */
  readonly access?: (() => AdminAccess | undefined) | undefined;
}

const ENDPOINTS: readonly Endpoint<Handle>[] = [
  { method: "GET", pattern: "/healthz", open: true, run: () => jsonResponse(200, { status: "ok" }) },
  { method: "GET", pattern: "/readyz", open: true, run: ready },
  { method: "GET", pattern: "/metrics", run: metrics },
  { method: "GET", pattern: "/api/status", run: status },
  { method: "GET", pattern: "/api/status/schema", run: () => jsonResponse(200, statusDescription()) },
  ...BACKEND_ENDPOINTS,
  ...LIVE_ENDPOINTS,
  ...PAGE_ENDPOINTS,
  { method: "POST", pattern: "/api/reload", run: reload },
];

/**
 * The endpoints of the admin API, independent of connections. Every error is JSON,
 * `{"error": {"code": …, "message": …}}`.
 */
export class AdminApi implements AdminHandler {
  readonly #options: AdminApiOptions;
  readonly #lists = new SharedAnswers();

  constructor(options: AdminApiOptions) {
    this.#options = options;
  }

  /** Checks the head of a request, before its body is read. `undefined` if the request is allowed. */
  admit(head: AdminRequestHead, caller: AdminCaller): AdminResponse | undefined {
    try {
      this.#checkSender(head);
      const found = findEndpoint(ENDPOINTS, head);
      if (found.kind === "none") throw new AdminError("not_found", `Cannot find ${quoteText(head.path)}`);
      if (found.kind === "wrong-method") return wrongMethod(head, found.allowed);
      this.#checkAccess(found.endpoint, caller);
      checkBody(head, found.endpoint.body ?? false);
    } catch (error) {
      return answerError(error);
    }
  }

  /** Handles a request. Rejects only because of a bug. */
  async handle(request: AdminRequest, caller: AdminCaller): Promise<AdminResponse> {
    const refusal = this.admit(request, caller);
    if (refusal !== undefined) return refusal;
    const found = findEndpoint(ENDPOINTS, request);
    if (found.kind !== "found") throw new TypeError("an allowed request has no endpoint");
    const { endpoint, parameters } = found;
    try {
      const body = endpoint.body ? parseJson(request.body) : undefined;
      const { target, feed } = this.#options;
      const query = new URLSearchParams(request.query);
      const access = this.#accessOf(caller);
      return await endpoint.run({
        target,
        feed,
        lists: this.#lists,
        parameters,
        query,
        body,
        caller,
        access,
      });
    } catch (error) {
      return answerError(error);
    }
  }

  #accessOf({ identity }: AdminCaller): AccessLevel {
    const access = this.#options.access?.();
    return access === undefined ? "write" : access.level(identity);
  }

  #checkAccess({ method, open = false }: Endpoint<Handle>, caller: AdminCaller): void {
    if (open) return;
    const access = this.#accessOf(caller);
    const needed = method === "GET" ? "read" : "write";
    if (access === "write" || access === needed) return;
    const name = caller.identity === undefined
      ? "a client without a certificate"
      : quoteText(caller.identity.subject);
    throw new AdminError("not_allowed", `Cannot serve ${name}: no rule of admin.allow.${needed} matches it`);
  }

  /** Rejects requests that a page of another origin makes a browser send (DNS rebinding, CSRF). */
  #checkSender({ method, path, headers }: AdminRequestHead): void {
    const host = headers.get("host");
    // It is absent only in HTTP/1.0, which no browser sends.
    if (host !== undefined && !this.#options.hosts.isHost(host)) {
      throw new AdminError(
        "foreign_host",
        `Cannot serve the host ${quoteText(host)}: not a name of this listener`,
      );
    }
    const origin = headers.get("origin");
    if (origin !== undefined && !this.#options.hosts.isOrigin(origin)) {
      throw new AdminError(
        "foreign_origin",
        `Cannot serve the origin ${quoteText(origin)}: not a name of this listener`,
      );
    }
    const site = headers.get("sec-fetch-site") ?? "none";
    // A page of another origin cannot read the live events, but could take the places of viewers.
    const readsOnly = (method === "GET" || method === "HEAD") && path !== "/api/live";
    if (!readsOnly && site !== "none" && site !== "same-origin") {
      throw new AdminError(
        "foreign_origin",
        `Cannot do this for another origin: Sec-Fetch-Site is ${quoteText(site)}`,
      );
    }
  }
}

function checkBody({ headers, contentLength = 0 }: AdminRequestHead, hasBody: boolean): void {
  if (!hasBody) {
    if (contentLength === 0) return;
    throw new AdminError("unexpected_body", `Cannot accept a body of ${contentLength} bytes: expected none`);
  }
  if (!headers.has("content-length")) {
    throw new AdminError("length_required", "Cannot read the body: expected a Content-Length");
  }
  const type = headers.get("content-type");
  if (type === undefined || /^application\/json *(;|$)/i.test(type)) return;
  throw new AdminError("bad_content_type", `Cannot read ${quoteText(type)}: expected application/json`);
}

function wrongMethod({ method, path }: AdminRequestHead, allowed: readonly string[]): AdminResponse {
  const allow = allowed.join(", ");
  const message = `Cannot ${quoteText(method)} ${quoteText(path)}: expected ${allow}`;
  return errorResponse(405, { code: "method_not_allowed", message }, { "Allow": allow });
}

async function status({ target }: Call): Promise<AdminResponse> {
  return await largeJsonResponse(200, await target.status());
}

async function ready({ target }: Call): Promise<AdminResponse> {
  const { ready, reasons } = await target.ready();
  return jsonResponse(ready ? 200 : 503, { ready, reasons });
}

async function metrics({ target }: Call): Promise<AdminResponse> {
  const [status, { ready }] = await Promise.all([target.status(), target.ready()]);
  const body = await renderMetrics({ status, ready });
  return { status: 200, headers: { "Content-Type": METRICS_TYPE }, body };
}

async function reload({ target }: Call): Promise<AdminResponse> {
  const result = await target.reload();
  if (result.ok) return jsonResponse(200, { ok: true, generation: result.generation });
  const { code, message } = result.error;
  const problems = result.error instanceof ConfigError ? result.error.problems : [];
  return errorResponse(422, { code, message, problems });
}

/** The response to an error that is meant for clients. Throws any other error. */
function answerError(error: unknown): AdminResponse {
  if (error instanceof ConfigError) {
    return errorResponse(422, { code: "bad_backends", message: error.message, problems: error.problems });
  }
  if (!(error instanceof AdminError)) throw error;
  const { status, code, message, problems } = error;
  return errorResponse(status, { code, message, ...(problems.length === 0 ? {} : { problems }) });
}
