import { ConfigError } from "../config/problem/problem.ts";
import { formatAddress, parseAddress } from "../net/address.ts";
import { quoteText } from "../core/escape_text.ts";
import { AdminError } from "./admin_error.ts";
import type { AllowedHosts } from "./allowed_hosts.ts";
import { type AdminResponse, errorResponse, jsonResponse, largeJsonResponse } from "./admin_response.ts";
import type { AdminHandler, AdminRequest } from "./admin_session.ts";
import { METRICS_TYPE, renderMetrics } from "./metrics/render.ts";
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
}

/** A call of an endpoint. */
interface Call {
  readonly target: AdminTarget;
  /** The parameters in the path. */
  readonly parameters: Readonly<Record<string, string>>;
  /** The JSON value in the body; `undefined` for an endpoint without a body. */
  readonly body: unknown;
}

type Handle = (call: Call) => AdminResponse | Promise<AdminResponse>;

const BACKENDS = "/api/upstreams/:upstream/backends";

const ENDPOINTS: readonly Endpoint<Handle>[] = [
  { method: "GET", pattern: "/healthz", run: () => jsonResponse(200, { status: "ok" }) },
  { method: "GET", pattern: "/readyz", run: ready },
  { method: "GET", pattern: "/metrics", run: metrics },
  { method: "GET", pattern: "/api/status", run: status },
  { method: "GET", pattern: "/api/status/schema", run: () => jsonResponse(200, statusDescription()) },
  { method: "PUT", pattern: BACKENDS, body: true, run: replaceBackends },
  { method: "POST", pattern: `${BACKENDS}/*address/drain`, run: drainBackend },
  { method: "POST", pattern: `${BACKENDS}/*address/enable`, run: enableBackend },
  { method: "POST", pattern: "/api/reload", run: reload },
];

/**
 * The endpoints of the admin API, independent of connections. Every error is JSON,
 * `{"error": {"code": …, "message": …}}`.
 */
export class AdminApi implements AdminHandler {
  readonly #target: AdminTarget;
  readonly #hosts: AllowedHosts;

  constructor(options: AdminApiOptions) {
    this.#target = options.target;
    this.#hosts = options.hosts;
  }

  /** Checks the head of a request, before its body is read. `undefined` if the request is allowed. */
  admit(head: AdminRequestHead): AdminResponse | undefined {
    try {
      this.#checkSender(head);
      const found = findEndpoint(ENDPOINTS, head);
      if (found.kind === "none") throw new AdminError("not_found", `Cannot find ${quoteText(head.path)}`);
      if (found.kind === "wrong-method") return wrongMethod(head, found.allowed);
      checkBody(head, found.endpoint.body ?? false);
    } catch (error) {
      return answerError(error);
    }
  }

  /** Handles a request. Rejects only because of a bug. */
  async handle(request: AdminRequest): Promise<AdminResponse> {
    const refusal = this.admit(request);
    if (refusal !== undefined) return refusal;
    const found = findEndpoint(ENDPOINTS, request);
    if (found.kind !== "found") throw new TypeError("an allowed request has no endpoint");
    const { endpoint, parameters } = found;
    try {
      const body = endpoint.body ? parseJson(request.body) : undefined;
      return await endpoint.run({ target: this.#target, parameters, body });
    } catch (error) {
      return answerError(error);
    }
  }

  /** Rejects requests that a page of another origin makes a browser send (DNS rebinding, CSRF). */
  #checkSender({ method, headers }: AdminRequestHead): void {
    const host = headers.get("host");
    // It is absent only in HTTP/1.0, which no browser sends.
    if (host !== undefined && !this.#hosts.isHost(host)) {
      throw new AdminError(
        "foreign_host",
        `Cannot serve the host ${quoteText(host)}: not a name of this listener`,
      );
    }
    const origin = headers.get("origin");
    if (origin !== undefined && !this.#hosts.isOrigin(origin)) {
      throw new AdminError(
        "foreign_origin",
        `Cannot serve the origin ${quoteText(origin)}: not a name of this listener`,
      );
    }
    const site = headers.get("sec-fetch-site") ?? "none";
    const readsOnly = method === "GET" || method === "HEAD";
    if (!readsOnly && site !== "none" && site !== "same-origin") {
      throw new AdminError(
        "foreign_origin",
        `Cannot change anything for another origin: Sec-Fetch-Site is ${quoteText(site)}`,
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

async function replaceBackends({ target, parameters, body }: Call): Promise<AdminResponse> {
  return jsonResponse(200, await target.replaceBackends(parameters.upstream!, body));
}

async function drainBackend({ target, parameters }: Call): Promise<AdminResponse> {
  return jsonResponse(200, await target.drainBackend(parameters.upstream!, readAddress(parameters.address!)));
}

async function enableBackend({ target, parameters }: Call): Promise<AdminResponse> {
  return jsonResponse(
    200,
    await target.enableBackend(parameters.upstream!, readAddress(parameters.address!)),
  );
}

/** An address in the canonical notation of backends. */
function readAddress(text: string): string {
  try {
    return formatAddress(parseAddress(text));
  } catch {
    const message = `Cannot read address ${quoteText(text)}: expected host:port, [ipv6]:port or unix:/path`;
    throw new AdminError("bad_address", message);
  }
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
