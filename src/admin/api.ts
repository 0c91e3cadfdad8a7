import { ConfigError } from "../config/problem/problem.ts";
import { formatAddress, parseAddress } from "../net/address.ts";
import type { RequestHead } from "../http/request_head.ts";
import { quoteText } from "../core/escape_text.ts";
import { AdminError } from "./admin_error.ts";
import type { AllowedHosts } from "./allowed_hosts.ts";
import { errorResponse, type HttpResponse, jsonResponse } from "./http_response.ts";
import type { HttpHandler, HttpRequest } from "./http_session.ts";
import { METRICS_TYPE, renderMetrics } from "./metrics/render.ts";
import { parseJson } from "./parse_json.ts";
import { findRoute, type Route } from "./routes.ts";
import { statusDescription } from "./status/description.ts";
import type { AdminTarget } from "./target.ts";

/** Options of {@linkcode AdminApi}. */
export interface AdminApiOptions {
  /** What is shown and changed. */
  readonly target: AdminTarget;
  /** What clients may call us. */
  readonly hosts: AllowedHosts;
}

/** What a route is run with. */
interface Call {
  readonly target: AdminTarget;
  readonly parameters: Readonly<Record<string, string>>;
  /** What the body says; `undefined` for a route without one. */
  readonly body: unknown;
}

type Run = (call: Call) => HttpResponse | Promise<HttpResponse>;

const BACKENDS = "/api/upstreams/:upstream/backends";

const ROUTES: readonly Route<Run>[] = [
  { method: "GET", pattern: "/healthz", run: () => jsonResponse(200, { status: "ok" }) },
  { method: "GET", pattern: "/readyz", run: ready },
  { method: "GET", pattern: "/metrics", run: metrics },
  { method: "GET", pattern: "/api/status", run: ({ target }) => jsonResponse(200, target.status()) },
  { method: "GET", pattern: "/api/status/schema", run: () => jsonResponse(200, statusDescription()) },
  { method: "PUT", pattern: BACKENDS, body: true, run: replaceBackends },
  { method: "POST", pattern: `${BACKENDS}/*address/drain`, run: drainBackend },
  { method: "POST", pattern: `${BACKENDS}/*address/enable`, run: enableBackend },
  { method: "POST", pattern: "/api/reload", run: reload },
];

/**
 * The admin API: from a request to its answer, over an {@linkcode AdminTarget}. It knows no connection.
 *
 * Every error is told as JSON, `{"error": {"code": …, "message": …}}`.
 */
export class AdminApi implements HttpHandler {
  readonly #target: AdminTarget;
  readonly #hosts: AllowedHosts;

  constructor(options: AdminApiOptions) {
    this.#target = options.target;
    this.#hosts = options.hosts;
  }

  /** The refusal of a request by its head alone; `undefined` if it may come in. */
  admit(head: RequestHead): HttpResponse | undefined {
    try {
      this.#checkSender(head);
    } catch (error) {
      return tellError(error);
    }
    const found = findRoute(ROUTES, head);
    const where = quoteText(head.path);
    if (found.kind === "none") return tellError(new AdminError("not_found", `Cannot find ${where}`));
    if (found.kind === "wrong-method") return wrongMethod(head, found.allowed);
    try {
      checkBody(head, found.route.body ?? false);
    } catch (error) {
      return tellError(error);
    }
    return undefined;
  }

  /** Answers. Rejects only with what is a bug. */
  async handle(request: HttpRequest): Promise<HttpResponse> {
    const refusal = this.admit(request);
    if (refusal !== undefined) return refusal;
    const found = findRoute(ROUTES, request);
    if (found.kind !== "route") throw new TypeError("admitted, and yet there is no route");
    const { route, parameters } = found;
    try {
      const body = route.body ? parseJson(request.body) : undefined;
      return await route.run({ target: this.#target, parameters, body });
    } catch (error) {
      return tellError(error);
    }
  }

  /** Who lets a browser ask us must be one of our own pages. */
  #checkSender({ method, headers }: RequestHead): void {
    const host = headers.get("host");
    // No browser leaves it out, and it can only be absent in HTTP/1.0.
    if (host !== undefined && !this.#hosts.isHost(host)) {
      throw new AdminError(
        "foreign_host",
        `Cannot answer for the host ${quoteText(host)}: it is not this one`,
      );
    }
    const origin = headers.get("origin");
    if (origin !== undefined && !this.#hosts.isOrigin(origin)) {
      throw new AdminError("foreign_origin", `Cannot answer a page of ${quoteText(origin)}`);
    }
    const site = headers.get("sec-fetch-site") ?? "none";
    const looks = method === "GET" || method === "HEAD";
    if (!looks && site !== "none" && site !== "same-origin") {
      throw new AdminError(
        "foreign_origin",
        `Cannot change anything for a page of another origin (${quoteText(site)})`,
      );
    }
  }
}

function checkBody({ headers, contentLength = 0 }: RequestHead, hasBody: boolean): void {
  if (!hasBody) {
    if (contentLength === 0) return;
    throw new AdminError("unexpected_body", `Cannot take a body of ${contentLength} bytes: expected none`);
  }
  if (!headers.has("content-length")) {
    throw new AdminError("length_required", "Cannot read the body: expected a Content-Length");
  }
  const type = headers.get("content-type");
  if (type === undefined || /^application\/json *(;|$)/i.test(type)) return;
  throw new AdminError("bad_content_type", `Cannot read ${quoteText(type)}: expected application/json`);
}

function wrongMethod({ method, path }: RequestHead, allowed: readonly string[]): HttpResponse {
  const allow = allowed.join(", ");
  const message = `Cannot ${quoteText(method)} ${quoteText(path)}: expected ${allow}`;
  return errorResponse(405, { code: "method_not_allowed", message }, { "Allow": allow });
}

function ready({ target }: Call): HttpResponse {
  const { ready, reasons } = target.ready();
  return jsonResponse(ready ? 200 : 503, { ready, reasons });
}

async function metrics({ target }: Call): Promise<HttpResponse> {
  const body = await renderMetrics({ status: target.status(), ready: target.ready().ready });
  return { status: 200, headers: { "Content-Type": METRICS_TYPE }, body };
}

async function replaceBackends({ target, parameters, body }: Call): Promise<HttpResponse> {
  return jsonResponse(200, await target.replaceBackends(parameters.upstream!, body));
}

async function drainBackend({ target, parameters }: Call): Promise<HttpResponse> {
  return jsonResponse(200, await target.drainBackend(parameters.upstream!, readAddress(parameters.address!)));
}

async function enableBackend({ target, parameters }: Call): Promise<HttpResponse> {
  return jsonResponse(
    200,
    await target.enableBackend(parameters.upstream!, readAddress(parameters.address!)),
  );
}

/** Written as backends' addresses are. */
function readAddress(text: string): string {
  try {
    return formatAddress(parseAddress(text));
  } catch {
    const message = `Cannot read address ${quoteText(text)}: expected host:port, [ipv6]:port or unix:/path`;
    throw new AdminError("bad_address", message);
  }
}

async function reload({ target }: Call): Promise<HttpResponse> {
  const result = await target.reload();
  if (result.ok) return jsonResponse(200, { ok: true, generation: result.generation });
  const { code, message } = result.error;
  const problems = result.error instanceof ConfigError ? result.error.problems : [];
  return errorResponse(422, { code, message, problems });
}

/** The answer for what was thrown. Throws what is none of the errors that are meant for clients. */
function tellError(error: unknown): HttpResponse {
  if (error instanceof ConfigError) {
    return errorResponse(422, { code: "bad_backends", message: error.message, problems: error.problems });
  }
  if (!(error instanceof AdminError)) throw error;
  const { status, code, message, problems } = error;
  return errorResponse(status, { code, message, ...(problems.length === 0 ? {} : { problems }) });
}
