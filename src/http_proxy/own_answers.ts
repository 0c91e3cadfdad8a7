import { ownAnswer } from "./answers.ts";
import type { ExchangeState } from "./exchange_state.ts";
import type { PlannedRoute } from "./plan.ts";
import type { ProxyError } from "./proxy_error.ts";

/** What Retry-After says, in seconds. */
const RETRY_AFTER = 1;
const encoder = new TextEncoder();

/** Answers a request that could not be served, and closes the connection. */
export async function answerFailure(exchange: ExchangeState, { status, allow }: ProxyError): Promise<void> {
  const { request } = exchange.messages;
  exchange.lingers = true;
  exchange.keep = false;
  await answer(
    exchange,
    status,
    ownAnswer(status, {
      accept: exchange.method === "" ? undefined : request.fields.joined("accept"),
      requestId: exchange.requestId,
      errors: exchange.plan.options.errors,
      retryAfter: status === 503 ? RETRY_AFTER : undefined,
      allow,
      isHead: exchange.method === "HEAD",
      close: true,
    }),
  );
}

/** Answers by the redirect of the route, or with what it says. */
export async function answerByRoute(
  exchange: ExchangeState,
  { route, redirect }: PlannedRoute,
): Promise<void> {
  const { messages: { request, requestBody }, session, path, query, host, origin } = exchange;
  const { input } = session.source;
  if (!requestBody.done && input.length > 0) requestBody.read(input);
  const keep = exchange.keep = request.keepAlive && requestBody.done && !session.isClosing(exchange.plan);
  exchange.lingers = !keep;
  const location = redirect?.({ scheme: origin!.scheme, host, path, query });
  // A redirect to a host that the client did not name.
  const isImpossible = redirect !== undefined && location === undefined;
  const { respond } = route;
  const status = isImpossible ? 400 : respond?.status ?? route.redirect?.status ?? 308;
  exchange.reason = respond === undefined ? "redirect" : "respond";
  await answer(
    exchange,
    status,
    ownAnswer(status, {
      accept: request.fields.joined("accept"),
      requestId: exchange.requestId,
      location,
      isHead: exchange.method === "HEAD",
      close: !keep,
      keepAlive: keep && request.minor === 0,
      fields: Object.entries(respond?.headers ?? {}),
      body: respond === undefined ? undefined : encoder.encode(respond.body ?? ""),
    }),
  );
}

async function answer(exchange: ExchangeState, status: number, bytes: Uint8Array): Promise<void> {
  exchange.answering = true;
  exchange.touch();
  try {
    await exchange.session.write(bytes);
    exchange.status = status;
  } catch {
    exchange.keep = false; // The client has gone.
    exchange.session.abort();
  }
}
