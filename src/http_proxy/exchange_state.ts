import type { FieldTable } from "../http/field_table.ts";
import { fieldId } from "../http/known_fields.ts";
import type { HeadWriter } from "../http/head_writer.ts";
import type { Backend } from "../upstream/backend.ts";
import type { ClientSession } from "./client_session.ts";
import type { IncomingFields, RequestOrigin } from "./forwarded.ts";
import type { FieldValues } from "./header_rules.ts";
import type { HttpExchange } from "./hooks.ts";
import type { HttpReason } from "./http_reason.ts";
import { writeFields } from "./message_heads.ts";
import type { HttpPlan, Messages, PlannedRoute } from "./plan.ts";
import type { ProxyError } from "./proxy_error.ts";
import { newRequestId } from "./request_id.ts";
import { lastChunk } from "./upload.ts";

const IDEMPOTENCY_KEY = fieldId("idempotency-key");

/** What is known of an exchange, for its parts and for the line in the log. */
export abstract class ExchangeState {
  readonly session: ClientSession;
  /** What holds for it, whatever is reloaded meanwhile. */
  readonly plan: HttpPlan;
  readonly messages: Messages;
  method = "";
  /** Host and port as the client wrote them. */
  authority = "";
  /** The host as it is compared with routes. */
  host = "";
  path = "";
  query = "";
  route: PlannedRoute | undefined;
  /** Path and query for the backend. */
  target = "";
  origin: RequestOrigin | undefined;
  /** Backends that were tried: sent the request, or could not be reached. */
  attempt = 0;
  backend: Backend | undefined;
  /** What Max-Forwards says to the backend; absent: nothing, or what the client said. */
  maxForwards: number | undefined;
  /** Status of the answer; 0: the client got none. */
  status = 0;
  reason: HttpReason = "ok";
  failure: ProxyError | undefined;
  /** Bytes of the request's body and of the answer's that were passed on. */
  bytesUp = 0;
  bytesDown = 0;
  /** Milliseconds from the start to the whole head, the connection, the first byte of the answer. */
  headMs: number | undefined;
  connectMs: number | undefined;
  firstByteMs: number | undefined;
  /** Whether the client's connection may carry another request. */
  keep = false;
  /** The client may still be sending when it is answered: it is listened to for a while. */
  lingers = false;
  /** When bytes have moved last, to the wheel's tick. */
  activeMs: number;
  /** The head of the final answer is being sent, or has been. */
  answering = false;
  /** Why it is to end, whatever it is doing. */
  protected stopped: ProxyError | undefined;
  readonly #startedMs = performance.now();
  #requestId: string | undefined;
  #incoming: IncomingFields | undefined;

  constructor(session: ClientSession, plan: HttpPlan) {
    this.session = session;
    this.plan = plan;
    this.messages = plan.takeMessages();
    this.activeMs = session.wheel.nowMs;
  }

  /** As hooks see it. */
  get view(): HttpExchange {
    const { attempt, backend, method, authority: host, path, query, origin, session } = this;
    const client = origin?.clientIp ?? session.client.address.ip;
    return Object.freeze({ attempt, backend: backend?.key, method, host, path, query, client });
  }

  /** What the client asked for, as a URL. */
  get clientUrl(): string {
    return `${this.origin!.scheme}://${this.authority || "localhost"}${this.path}${this.query}`;
  }

  /** Ends it, with this answer where none has begun. */
  abstract stop(error: ProxyError): void;

  /** Why it was stopped. */
  get stopReason(): HttpReason {
    return this.stopped?.code ?? "cut";
  }

  /** Throws why it was stopped, if it was. */
  throwStop(): void {
    if (this.stopped !== undefined) throw this.stopped;
  }

  /** When its first byte came: as of `Date.now`. */
  get time(): number {
    return performance.timeOrigin + this.#startedMs;
  }

  /** Bytes have moved. */
  touch(): void {
    this.activeMs = this.session.wheel.nowMs;
  }

  /** Milliseconds since it began. */
  elapsedMs(): number {
    return performance.now() - this.#startedMs;
  }

  /** What the log, the client and the backend call it. */
  get requestId(): string {
    return this.#requestId ??= newRequestId();
  }

  /** The same, if it has been sent to a peer; else `undefined`. */
  get knownRequestId(): string | undefined {
    return this.#requestId;
  }

  /** What the client says of where it comes from, and of what it is; for the log. */
  get referer(): string | undefined {
    return this.method === "" ? undefined : this.messages.request.fields.joined("referer");
  }

  /** The same of the program. */
  get userAgent(): string | undefined {
    return this.method === "" ? undefined : this.messages.request.fields.joined("user-agent");
  }

  /** Whether the client says that the request may be repeated. */
  get hasIdempotencyKey(): boolean {
    return this.messages.request.fields.indexOf(IDEMPOTENCY_KEY) !== -1;
  }

  /** Whether it is the backend's turn, though the body is still to come: it was asked for `100 Continue`. */
  get awaitsContinue(): boolean {
    return this.messages.request.expectsContinue && this.bytesUp === 0 && this.firstByteMs === undefined;
  }

  /** Marks the fields of the head or the trailers of the request that are not passed on. */
  dropFields(fields: FieldTable, { requestRules }: PlannedRoute): void {
    this.session.view.dropSet(this.plan).apply(fields);
    requestRules?.drop.apply(fields);
  }

  /** The last chunk of the request's body, with the trailer fields that are passed on. */
  lastRequestChunk(route: PlannedRoute): Uint8Array {
    const { requestBody } = this.messages;
    if (requestBody.trailers !== undefined) this.dropFields(requestBody.trailers, route);
    return lastChunk(requestBody);
  }

  /** Appends the fields that are added to the request. */
  writeRequestFields(head: HeadWriter, { requestRules }: PlannedRoute): void {
    const { session, plan, messages: { request } } = this;
    const { forwarding } = plan;
    const facts = session.view.facts(plan);
    session.view.write(head, forwarding.fields(facts, this.origin!, this.#incoming));
    const via = forwarding.via(`1.${request.minor}`, plan.options.via && request.fields.joined("via"));
    if (via !== undefined) head.field("Via", via);
    if (plan.options.requestId) head.field("X-Request-Id", this.requestId);
    if (this.maxForwards !== undefined) head.field("Max-Forwards", String(this.maxForwards));
    if (requestRules !== undefined) writeFields(head, requestRules.rules.fields(this.values()));
  }

  /** What the variables of rules stand for. */
  values(): FieldValues {
    const { session, origin, method, path, query, plan, authority } = this;
    const { ip, port, identity } = session.view.facts(plan);
    return {
      "client.ip": origin?.clientIp ?? ip,
      "client.port": String(port),
      "client.identity": identity,
      "request.id": this.requestId,
      "scheme": origin?.scheme,
      "host": authority,
      ...{ method, path, query },
    };
  }

  /** The address of the client, behind trusted proxies. */
  protected findOrigin(): void {
    const { plan, session, authority } = this;
    const facts = session.view.facts(plan);
    if (!facts.isTrusted) {
      this.origin = session.view.origin(plan, authority);
      return;
    }
    this.#incoming = incomingFields(this);
    this.origin = plan.forwarding.origin(facts, authority, this.#incoming);
    if (!plan.options.requestId) return;
    this.#requestId = plan.forwarding.requestId(facts, this.messages.request.fields.joined("x-request-id"));
  }
}

function incomingFields({ messages }: ExchangeState): IncomingFields {
  const { fields } = messages.request;
  return {
    forwardedFor: fields.joined("x-forwarded-for"),
    forwardedHost: fields.joined("x-forwarded-host"),
    forwardedProto: fields.joined("x-forwarded-proto"),
    forwardedPort: fields.joined("x-forwarded-port"),
    forwarded: fields.joined("forwarded"),
  };
}
