import { BackendRequest } from "./backend_request.ts";
import type { ClientSession } from "./client_session.ts";
import { ExchangeState } from "./exchange_state.ts";
import { findRoute, type FoundRoute } from "./find_route.ts";
import { countForward } from "./max_forwards.ts";
import { answerByRoute, answerFailure, answerItself, answerRedirect, readOwnBody } from "./own_answers.ts";
import type { HttpPlan, PlannedRoute } from "./plan.ts";
import { asProxyError, clientLeft, ProxyError, refusal, stalled } from "./proxy_error.ts";
import { Reply } from "./reply.ts";
import { tunnelUpgrade } from "./upgrade.ts";

/** From then on there is an eye on a client that waits for its answer: it may leave. */
const WATCH_AFTER_MS = 200;

/**
 * One request of a client and its answer, from the first byte to the line in the log: {@linkcode Exchange.run} shows the
 * way. Meanwhile its session asks it for its deadlines ({@linkcode Exchange.check}), and may end it at any moment.
 */
export class Exchange extends ExchangeState {
  readonly #startedTickMs: number;
  #reading = true;
  #request: BackendRequest | undefined;
  #onStop: (() => void) | undefined;

  constructor(session: ClientSession, plan: HttpPlan) {
    super(session, plan);
    this.#startedTickMs = session.wheel.nowMs;
  }

  /** From the first byte of the request to the last one of the answer. Never rejects. */
  async run(): Promise<void> {
    try {
      if (!this.#parseHead()) await this.#readHead();
      this.#begin();
      const route = this.#findRoute();
      const own = this.#answerItself(route);
      if (own !== undefined) await own;
      else {
        const request = this.#request = new BackendRequest(this, route);
        await request.run();
        if (this.messages.response.isUpgrade) await tunnelUpgrade(this, request);
        else {
          const reply = new Reply(this, request);
          reply.sent(await this.session.send(reply.begin()));
          if (!reply.isOver) await reply.finish();
        }
      }
    } catch (error) {
      await this.#fail(error as Error);
    }
    this.#request?.end();
  }

  /** Answers what no backend is asked for; `undefined`: one is. */
  #answerItself(route: PlannedRoute): Promise<void> | undefined {
    if (route.upstream === undefined) return answerByRoute(this, route);
    const location = route.upstream.traits?.redirect(this.clientUrl);
    if (location !== undefined) return answerRedirect(this, location);
    const own = countForward(this);
    return own && answerItself(this, own);
  }

  /** Ends it, with this answer where none has begun. */
  stop(error: ProxyError): void {
    if (this.stopped !== undefined) return;
    this.stopped = error;
    this.#onStop?.();
    this.#request?.abort();
    if (this.answering) this.session.abort();
  }

  /** Handles the deadlines. Called with each tick of the service. */
  check(nowMs: number): void {
    const { handshakeMs, idleMs } = this.plan.timeouts;
    const sinceMs = nowMs - this.#startedTickMs;
    if (this.#reading) {
      if (handshakeMs > 0 && sinceMs > handshakeMs) this.stop(lateHead(handshakeMs));
    } else if (this.#request === undefined) {
      const isStuck = this.answering && idleMs > 0 && nowMs - this.activeMs > idleMs;
      if (isStuck) this.stop(stalled("client", { answering: true, idleMs }));
    } else if (!this.#request.isTunnel) {
      const { requestMs } = this.route!.timeouts;
      if (requestMs > 0 && sinceMs > requestMs) return this.stop(lateWhole(requestMs));
      this.#request.check(nowMs);
      if (sinceMs > WATCH_AFTER_MS && this.messages.requestBody.done) this.session.watchClient(nowMs);
    }
  }

  /** Whether the head is there, as it mostly is with the first read. */
  #parseHead(): boolean {
    const { request } = this.messages;
    request.begin();
    if (!request.parse(this.session.source.input)) return false;
    this.headMs = 0;
    return true;
  }

  async #readHead(): Promise<void> {
    const { request } = this.messages;
    const { source } = this.session;
    while (source.input.length === 0 || !request.parse(source.input)) {
      const stopped = new Promise<boolean>((resolve) => this.#onStop = () => resolve(false));
      const came = await Promise.race([source.fill(), stopped]);
      this.throwStop();
      if (!came) throw clientLeft(source.error);
    }
    this.headMs = this.elapsedMs();
  }

  /** The head is there. */
  #begin(): void {
    const { request, requestBody } = this.messages;
    this.#reading = false;
    this.session.client.end();
    this.method = request.method;
    this.authority = request.authority;
    this.host = request.host;
    this.path = request.path;
    this.query = request.query;
    this.findOrigin();
    requestBody.begin(request);
  }

  #findRoute(): PlannedRoute {
    let found: FoundRoute;
    try {
      found = findRoute(this.plan, this);
    } catch (error) {
      if (error instanceof ProxyError && error.op === "route") readOwnBody(this);
      throw error;
    }
    this.target = found.target;
    return this.route = found.route;
  }

  /** Tells the hook. What it throws is a failure itself. */
  #report(failure: ProxyError): ProxyError {
    failure.attempt = this.attempt;
    try {
      this.plan.hooks.onError?.(failure, this.view, this.session.client.connection);
      return failure;
    } catch (error) {
      return asProxyError(error as Error);
    }
  }

  /** Answers for what went wrong, where no answer has begun; else the client is cut off. */
  async #fail(error: Error): Promise<void> {
    const failure = this.#report(this.stopped ?? asProxyError(error, this.answering));
    this.failure = failure;
    this.reason = failure.code;
    this.keep = false;
    if (failure.status === 0 || this.answering) return this.session.abort();
    this.#request?.abort();
    await answerFailure(this, failure);
  }
}

function lateHead(timeoutMs: number): ProxyError {
  return refusal("request-timeout", 408, `its head was not complete within ${timeoutMs}ms`);
}

function lateWhole(timeoutMs: number): ProxyError {
  const message = `Cannot answer the request: it took longer than ${timeoutMs}ms`;
  return new ProxyError("request-lifetime", message, { op: "answer", status: 504 });
}
