import type { TimerWheel } from "../core/timer_wheel.ts";
import { BodyReader } from "../http/body.ts";
import { RequestHead } from "../http/request.ts";
import { ResponseHead } from "../http/response.ts";
import type { Timeouts } from "../service/options.ts";
import { DropSet } from "./drop_set.ts";
import { type ClientFacts, Forwarding } from "./forwarded.ts";
import type { HttpHooks } from "./hooks.ts";
import { CompiledRules } from "./header_rules.ts";
import {
  DEFAULT_HTTP_RETRIES,
  type HttpRoute,
  type HttpServiceOptions,
  type HttpTimeouts,
  type RetryOptions,
} from "./options.ts";
import { compileRedirect, type Redirect } from "./redirect.ts";
import type { RequestBackends } from "./request_backends.ts";
import type { RetryBudget } from "./retry.ts";
import { compileRoutes, type Router } from "./router.ts";

/** Rules for the fields of one kind of message, and the names of what they take out. */
export interface PlannedRules {
  readonly rules: CompiledRules;
  readonly drop: DropSet;
}

/** A route, ready for use. */
export interface PlannedRoute {
  readonly route: HttpRoute;
  /** Absent: the route answers by itself. */
  readonly upstream: RequestBackends | undefined;
  readonly budget: RetryBudget;
  readonly retries: RetryOptions;
  readonly timeouts: HttpTimeouts;
  readonly redirect: Redirect | undefined;
  readonly requestRules: PlannedRules | undefined;
  readonly responseRules: PlannedRules | undefined;
}

/** The parsers of one exchange. They are used again and again. */
export class Messages {
  readonly request: RequestHead;
  readonly response: ResponseHead;
  readonly requestBody: BodyReader;
  readonly responseBody: BodyReader;

  /** With the bounds of a service. */
  constructor({ limits, encodedSlashes, underscores }: HttpServiceOptions) {
    const { headerSize, headers, bodySize } = limits;
    this.request = new RequestHead({ headerSize, headers, encodedSlashes, underscores });
    this.response = new ResponseHead();
    this.requestBody = new BodyReader({ side: "request", headerSize, headers, bodySize });
    this.responseBody = new BodyReader({ side: "response" });
  }

  /** What the request's head tells holds from now on, whatever becomes of the bytes that it was read from. */
  hold(): void {
    const { fields, length } = this.request;
    if (fields.base === 0 && fields.bytes.length === length) return;
    fields.bytes = fields.bytes.slice(fields.base, fields.base + length);
    fields.base = 0;
  }
}

/** What a plan is made of. */
export interface HttpPlanParts {
  readonly timeouts: Timeouts;
  readonly upstream: (name: string) => RequestBackends;
  readonly wheel: TimerWheel;
  /** The budget of retries of an upstream; of none, for routes that answer by themselves. */
  readonly budget: (upstream: string | undefined) => RetryBudget;
  /** @default none */
  readonly hooks?: HttpHooks | undefined;
}

/** Parsers that are kept for the next exchange, of 3.5 KiB each. To make them takes longer than an exchange itself. */
const MAX_SPARE = 2048;
/** Fields that frame or route a request; the proxy writes its own. */
const FRAMING = ["host", "content-length", "transfer-encoding", "connection"];

/** One generation of an HTTP service's configuration, compiled. An exchange works with one from its begin to its end. */
export class HttpPlan {
  readonly options: HttpServiceOptions;
  readonly timeouts: Timeouts;
  readonly router: Router;
  readonly forwarding: Forwarding;
  readonly hooks: HttpHooks;
  readonly #routes = new Map<HttpRoute, PlannedRoute>();
  readonly #spare: Messages[] = [];
  /** By the kind of the client. */
  readonly #drops: (DropSet | undefined)[] = [];

  /** @throws {CulvertError} for routes, rules, redirects or addresses that can't be used. */
  constructor(options: HttpServiceOptions, parts: HttpPlanParts) {
    this.options = options;
    this.timeouts = parts.timeouts;
    this.hooks = parts.hooks ?? {};
    this.router = compileRoutes(options.routes);
    this.forwarding = new Forwarding(options);
    for (const route of options.routes) this.#routes.set(route, planRoute(route, { options, parts }));
  }

  /** What belongs to a route of the options. */
  planned(route: HttpRoute): PlannedRoute {
    return this.#routes.get(route)!;
  }

  /** What of a client's requests is not passed on. */
  dropSet(facts: ClientFacts): DropSet {
    // Nothing else of a client makes a difference here.
    const kind = (facts.isTrusted ? 1 : 0) + (facts.fixed.length > 0 ? 2 : 0);
    return this.#drops[kind] ??= new DropSet([...FRAMING, ...this.forwarding.dropped(facts)]);
  }

  /** Parsers for an exchange, which gives them back. */
  takeMessages(): Messages {
    return this.#spare.pop() ?? new Messages(this.options);
  }

  /** Nothing uses them any more. */
  giveMessages(messages: Messages): void {
    if (this.#spare.length < MAX_SPARE) this.#spare.push(messages);
  }
}

/**
 * Does all that can fail of making a plan.
 *
 * @throws {CulvertError} for routes, rules, redirects or addresses that can't be used.
 */
export function checkHttpOptions(options: HttpServiceOptions): void {
  compileRoutes(options.routes);
  new Forwarding(options);
  for (const { redirect, headers } of options.routes) {
    if (redirect !== undefined) compileRedirect(redirect.to);
    if (headers?.request !== undefined) new CompiledRules(headers.request, "request");
    if (headers?.response !== undefined) new CompiledRules(headers.response, "response");
  }
}

function planRoute(
  route: HttpRoute,
  { options, parts }: { options: HttpServiceOptions; parts: HttpPlanParts },
): PlannedRoute {
  const { request, response } = route.headers ?? {};
  return {
    route,
    upstream: route.upstream === undefined ? undefined : parts.upstream(route.upstream),
    budget: parts.budget(route.upstream),
    retries: route.retries ?? DEFAULT_HTTP_RETRIES,
    timeouts: { ...options.timeouts, ...route.timeouts },
    redirect: route.redirect && compileRedirect(route.redirect.to),
    requestRules: request && planRules(new CompiledRules(request, "request")),
    responseRules: response && planRules(new CompiledRules(response, "response")),
  };
}

function planRules(rules: CompiledRules): PlannedRules {
  return { rules, drop: new DropSet(rules.dropped) };
}
