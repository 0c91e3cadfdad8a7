import { WheelTimer } from "../core/timer_wheel.ts";
import { HeadWriter } from "../http/head_writer.ts";
import type { AcceptedConnection } from "../service/client_handshake.ts";
import type { ServiceOptions } from "../service/options.ts";
import { formatClient } from "../net/client_address.ts";
import { type Reason, reasonOf } from "../service/reason.ts";
import { Service, type ServiceParts } from "../service/service.ts";
import type { TlsGate } from "../tls/gate.ts";
import { type Failures, isFailure } from "../service/failures.ts";
import type { AccessRecord } from "./access_log.ts";
import { accessRecord } from "./access_record.ts";
import type { ExchangeState } from "./exchange_state.ts";
import type { HttpHooks } from "./hooks.ts";
import { HttpStats, type RequestCounters } from "./http_stats.ts";
import type { HttpServiceOptions } from "./options.ts";
import { HttpPlan } from "./plan.ts";
import type { RequestBackends } from "./request_backends.ts";
import { RetryBudget } from "./retry.ts";
import { HttpSession, type SessionHost } from "./session.ts";

/** What an HTTP service does with requests, and through what. */
export interface HttpRouting {
  readonly http: HttpServiceOptions;
  /** The TLS that is spoken with clients; absent: none. */
  readonly gate?: TlsGate | undefined;
  /** The backends of this name. */
  readonly upstream: (name: string) => RequestBackends;
  /** Called with each request that has ended. @default nothing is done */
  readonly onAccess?: ((record: AccessRecord) => void) | undefined;
  /** @default none */
  readonly hooks?: HttpHooks | undefined;
}

/** What an HTTP service works with. */
export interface HttpServiceParts extends ServiceParts {
  readonly routing: HttpRouting;
}

/** Serves the requests of each admitted connection, one after the other. */
export class HttpService extends Service implements SessionHost {
  readonly scratch: HeadWriter = new HeadWriter();
  #options: ServiceOptions;
  #plan: HttpPlan;
  #onAccess: HttpRouting["onAccess"];
  readonly #failures: Failures | undefined;
  readonly #requests = new HttpStats();
  readonly #budgets = new Map<string | undefined, RetryBudget>();
  readonly #timer: WheelTimer;

  /** @throws {CulvertError} for routes that can't be used. */
  constructor(options: ServiceOptions, parts: HttpServiceParts) {
    super(options, { policy: { gate: parts.routing.gate, staysPending: true }, parts });
    this.#options = options;
    this.#plan = this.#createPlan(options, parts.routing);
    this.#onAccess = parts.routing.onAccess;
    this.#failures = parts.failures;
    this.#timer = new WheelTimer((nowMs) => this.#check(nowMs));
  }

  /** The generation that requests to come are served by. */
  get plan(): HttpPlan {
    return this.#plan;
  }

  /** The counters of requests as they are now. */
  get requestCounters(): RequestCounters {
    let active = 0;
    for (const session of this.sessions) if ((session as HttpSession).isBusy) active++;
    return this.#requests.counters(active);
  }

  async serve(accepted: AcceptedConnection): Promise<void> {
    const { ip } = accepted.address;
    if (!this.admission.hasRoom(ip)) await this.admission.awaitRoom(ip);
    const client = this.admit(accepted);
    if (client === undefined) return;

    if (!this.#timer.running) this.wheel.start(this.#timer, this.wheel.tickMs);
    const session = new HttpSession(client, this);
    const entry = this.open(session);
    let reason: Reason;
    try {
      if (this.needsHandshake) await client.run(session);
      reason = await session.run();
    } catch (error) {
      session.failure = error;
      reason = reasonOf(error);
      client.close();
    }
    client.end();
    this.close(entry, reason);
    if (this.active === 0) this.wheel.stop(this.#timer);
  }

  /**
   * Takes a new configuration. Requests under way end with what they began with, and their connections with them.
   *
   * @throws {CulvertError} for routes that can't be used; nothing has changed then.
   */
  update(options: ServiceOptions, routing: HttpRouting): void {
    const plan = this.#createPlan(options, routing);
    this.#options = options;
    this.#plan = plan;
    this.#onAccess = routing.onAccess;
    this.setGate(routing.gate);
  }

  /** Speaks TLS by another gate with the clients to come. */
  setGate(gate: TlsGate | undefined): void {
    this.configure(this.#options, { gate, staysPending: true });
  }

  /** As of {@linkcode SessionHost}. */
  finished(exchange: ExchangeState): void {
    const durationMs = exchange.elapsedMs();
    this.#requests.ended(exchange, durationMs);
    // Of a connection that was kept alive it is 0.
    const { connectMs = 0, headMs = 0 } = exchange;
    if (connectMs > 0) this.stats.connected(connectMs - headMs);
    this.#onAccess?.(accessRecord(exchange, { service: this.name, durationMs }));
    if (this.#failures !== undefined && isFailure(exchange.reason)) {
      this.#keepFailure(this.#failures, exchange);
    }
  }

  #keepFailure(failures: Failures, exchange: ExchangeState): void {
    const { client, view } = exchange.session;
    const { method, path, status, reason, failure: error, plan, origin, backend } = exchange;
    failures.add({
      service: this.name,
      client: origin?.clientIp ?? formatClient(client.address),
      identity: view.facts(plan).identity,
      backend: backend?.key,
      ...(method === "" ? {} : { request: { method, path, status } }),
      reason,
      error,
    });
  }

  #check(nowMs: number): number {
    for (const session of this.sessions) (session as HttpSession).check(nowMs);
    return this.active === 0 ? 0 : nowMs + this.wheel.tickMs;
  }

  #createPlan({ timeouts }: ServiceOptions, { http, upstream, hooks }: HttpRouting): HttpPlan {
    const { wheel } = this;
    const budget = (name: string | undefined) => this.#budget(name);
    return new HttpPlan(http, { timeouts, upstream, wheel, budget, hooks });
  }

  #budget(upstream: string | undefined): RetryBudget {
    let budget = this.#budgets.get(upstream);
    if (budget === undefined) this.#budgets.set(upstream, budget = new RetryBudget(this.wheel));
    return budget;
  }
}
