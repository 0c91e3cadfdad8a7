import { type AnswerOptions, contentBytes, ownAnswer } from "./answers.ts";
import type { ExchangeState } from "./exchange_state.ts";
import { fieldValue } from "./header_rules.ts";
import type { HttpReason } from "./http_reason.ts";
import type { PlannedRoute } from "./plan.ts";
import type { ProxyError } from "./proxy_error.ts";
import type { RedirectValues } from "./redirect.ts";

/** What Retry-After says, in seconds. */
const RETRY_AFTER = 1;
/** The status of a redirect that names none: it keeps the method. */
const REDIRECT = 308;
/** Reasons that say nothing against the connection: the request was read to its end. */
const NO_ROUTE: readonly HttpReason[] = ["no-route", "no-method"];
const encoder = new TextEncoder();

/** The start of a head of HEAD. */
const HEAD_START = encoder.encode("HEAD ");

/** Answers a request that could not be served, and closes the connection, unless it only had no route. */
export async function answerFailure(exchange: ExchangeState, { status, allow }: ProxyError): Promise<void> {
  const { request } = exchange.messages;
  const keep = NO_ROUTE.includes(exchange.reason) && mayKeep(exchange);
  exchange.keep = keep;
  exchange.lingers = !keep;
  await answer(
    exchange,
    status,
    ownAnswer(status, {
      accept: exchange.method === "" ? undefined : request.fields.joined("accept"),
      requestId: exchange.requestId,
      errors: exchange.plan.options.errors,
      retryAfter: status === 503 ? RETRY_AFTER : undefined,
      allow,
      isHead: isHead(exchange),
      close: !keep,
      keepAlive: keep && request.minor === 0,
    }),
  );
}

/** What a route without an upstream answers a request with. */
export function decideAnswer(
  { route: { redirect: to, respond }, redirect }: PlannedRoute,
  values: RedirectValues,
): { status: number; location: string | undefined; reason: "redirect" | "respond" } {
  const location = redirect?.(values);
  // A redirect to a host that the client did not name.
  const isImpossible = redirect !== undefined && location === undefined;
  const status = isImpossible ? 400 : respond?.status ?? to?.status ?? REDIRECT;
  return { status, location, reason: respond === undefined ? "redirect" : "respond" };
}

/** Answers by the redirect of the route, or with what it says. */
export async function answerByRoute(exchange: ExchangeState, planned: PlannedRoute): Promise<void> {
  const { path, query, origin } = exchange;
  const { respond } = planned.route;
  await answerItself(exchange, {
    ...decideAnswer(planned, { ...origin!, path, query }),
    fields: Object.entries(respond?.headers ?? {}),
    body: respond === undefined ? undefined : encoder.encode(respond.body ?? ""),
  });
}

/** Sends the client elsewhere. */
export async function answerRedirect(exchange: ExchangeState, to: string): Promise<void> {
  const location = fieldValue(to);
  // A program's own rewriter may return anything.
  if (location === undefined) throw new TypeError("Cannot redirect: the location has control characters");
  await answerItself(exchange, { status: REDIRECT, location, reason: "redirect" });
}

/** An answer that needs no backend. */
export interface OwnAnswer extends Pick<AnswerOptions, "location" | "fields" | "body"> {
  readonly status: number;
  readonly reason: HttpReason;
}

/** Answers without a backend. */
export async function answerItself(
  exchange: ExchangeState,
  { status, reason, ...content }: OwnAnswer,
): Promise<void> {
  const { request } = exchange.messages;
  readOwnBody(exchange);
  const keep = exchange.keep = mayKeep(exchange);
  exchange.lingers = !keep;
  exchange.reason = reason;
  await answer(
    exchange,
    status,
    ownAnswer(status, {
      ...content,
      accept: request.fields.joined("accept"),
      requestId: exchange.requestId,
      isHead: exchange.method === "HEAD",
      close: !keep,
      keepAlive: keep && request.minor === 0,
    }),
  );
}

/**
 * Reads what has come of the body of a request that no backend gets.
 *
 * @throws {HttpError} for a fault in it.
 */
export function readOwnBody({ messages: { requestBody }, session }: ExchangeState): void {
  const { input } = session.source;
  if (!requestBody.done && input.length > 0) requestBody.read(input);
}

/** Whether the connection may carry another request: the body of this one has come to its end. */
function mayKeep({ messages: { request, requestBody }, session, plan }: ExchangeState): boolean {
  return request.keepAlive && requestBody.done && !session.isClosing(plan);
}

/** Whether the request is HEAD. A head that was refused is not taken from the input, and begins with its method. */
function isHead({ method, session: { source: { input } } }: ExchangeState): boolean {
  if (method !== "") return method === "HEAD";
  return input.length >= HEAD_START.length &&
    HEAD_START.every((octet, i) => input.bytes[input.start + i] === octet);
}

async function answer(exchange: ExchangeState, status: number, bytes: Uint8Array): Promise<void> {
  exchange.answering = true;
  exchange.touch();
  try {
    await exchange.session.write(bytes);
    exchange.status = status;
    exchange.bytesDown = contentBytes(bytes);
  } catch {
    exchange.keep = false; // The client has gone.
    exchange.session.abort();
  }
}
