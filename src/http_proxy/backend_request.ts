import type { LiveConnection } from "../upstream/backend.ts";
import type { BodyReader } from "../http/body.ts";
import type { HeadWriter } from "../http/head_writer.ts";
import type { InputBuffer } from "../http/input_buffer.ts";
import { writeAll } from "../net/connection.ts";
import type { Tunnel } from "../net/tunnel.ts";
import { hostForBackend, namesBackend } from "./backend_host.ts";
import type { HttpReason } from "./http_reason.ts";
import { BackendChoice } from "./backend_choice.ts";
import { type BackendConnection, KeptConnections } from "./connections.ts";
import type { ExchangeState } from "./exchange_state.ts";
import { InterimResponses } from "./interim_responses.ts";
import { writeRequestHead } from "./message_heads.ts";
import type { PlannedRoute } from "./plan.ts";
import {
  asBackendError,
  asProxyError,
  backendEnded,
  backendGone,
  clientLeft,
  closedByAdmin,
  lateResponse,
  type ProxyError,
  stalled,
} from "./proxy_error.ts";
import type { RequestBackends, Rewriter } from "./request_backends.ts";
import { isRepeatable, Replay, Retries } from "./retry.ts";
import type { Source } from "./source.ts";
import { Upload } from "./upload.ts";

/** What of a body goes out in one write with the head, at the most. */
const MAX_WITH_HEAD = 16 * 1024;

/**
 * Sends a request to a backend, and once more to another where that may be, until the head of a final answer is there.
 * The body is carried meanwhile, and beyond that.
 */
export class BackendRequest implements LiveConnection {
  readonly #exchange: ExchangeState;
  readonly #route: PlannedRoute;
  readonly #upstream: RequestBackends;
  readonly #choice: BackendChoice;
  readonly #retries: Retries;
  #interim: InterimResponses | undefined;
  #connection: BackendConnection | undefined;
  #upload: Upload | undefined;
  /** The writer of the head that has been sent, which is the same for every backend. */
  #head: HeadWriter | undefined;
  #headLength = 0;
  #replay: Replay | undefined;
  readonly #repeatable: boolean;
  /** Whether a backend may have got anything of the request. */
  #written = false;
  /** Why the backend is not to be waited for any longer. */
  #gone: ProxyError | undefined;
  #tunnel: Tunnel<HttpReason> | undefined;
  #waiting = false;
  #stale = false;
  /** The response had begun before the request was fully sent. */
  #early = false;
  /** The connection was given up because the response did not come in time. */
  #late = false;

  constructor(exchange: ExchangeState, route: PlannedRoute) {
    this.#exchange = exchange;
    this.#route = route;
    this.#upstream = route.upstream!;
    this.#retries = new Retries(route);
    this.#choice = new BackendChoice({
      ...{ exchange, backends: route.upstream!, retries: this.#retries, owner: this },
    });
    this.#repeatable = isRepeatable(exchange.method) ||
      (route.retries.idempotencyKey === true && exchange.hasIdempotencyKey);
    if (this.#headsDiffer) exchange.messages.hold();
  }

  /** The connection that the answer comes from. */
  get connection(): BackendConnection {
    return this.#connection!;
  }

  /** How the backend is spoken to. */
  get scheme(): "http" | "https" {
    const { speaksTls, traits } = this.#upstream;
    return traits?.scheme(this.#choice.current!) ?? (speaksTls ? "https" : "http");
  }

  /** How URLs of the backend are mapped; `undefined`: as the route says. */
  get rewriter(): Rewriter | undefined {
    return this.#upstream.traits?.rewriter(this.#choice.current!);
  }

  /** Why a connection has ended with `error`, or without one. */
  endOf(error: unknown): ProxyError {
    return this.#gone ?? backendEnded(error);
  }

  /** The Host that the backend gets. */
  get host(): string {
    return hostForBackend(this.#route, { exchange: this.#exchange, backend: this.#choice.current! });
  }

  /** Whether the backend has been sent the whole request. */
  get isSent(): boolean {
    return this.#exchange.messages.requestBody.done && (this.#upload === undefined || this.#upload.over);
  }

  /** Resolves when there is the head of a final answer. */
  async run(): Promise<void> {
    const exchange = this.#exchange;
    const { response, responseBody, request } = exchange.messages;
    this.#route.budget.count();
    for (;;) {
      const connection = this.#connection = this.#choice.takeKept() ?? await this.#choice.connect();
      const { source, connection: to } = connection;
      this.#countAttempt();
      try {
        exchange.throwStop();
        const bytes = this.#prepare(connection);
        const sent = await to.write(bytes);
        this.#written = true;
        if (sent < bytes.length) await writeAll(to, bytes.subarray(sent));
        this.#isSending(connection);
        response.begin(exchange.method, request.upgrade);
        for (;;) {
          if (source.input.length === 0 || !response.parse(source.input)) {
            if (!await source.fill()) this.#throwEnd(source);
          } else if (response.isInterim) await (this.#interim ??= new InterimResponses(exchange)).pass();
          else break;
        }
        responseBody.begin(response, { decode: request.minor === 0 });
        if (!this.#retriesStatus()) return this.#received();
      } catch (error) {
        if (!this.#retriesAfter(connection)) throw this.#gone ?? asBackendError(error as Error);
      }
      this.#giveUp();
    }
  }

  /** Aborts the request. Its callers find the exchange stopped. */
  abort(): void {
    this.#tunnel?.destroy(this.#exchange.stopReason);
    this.#choice.abort();
    this.#upload?.stop();
    this.#connection?.discard();
  }

  /** The exchange is over: the connection is kept for the next one, if it is clean. */
  end(): void {
    const connection = this.#connection;
    const backend = this.#choice.current;
    this.#upload?.stop();
    if (this.#tunnel !== undefined) connection!.lease.closed();
    else if (connection !== undefined && backend !== undefined) {
      const { response, responseBody } = this.#exchange.messages;
      const isClean = responseBody.done && response.reusable && !this.#early && this.isSent &&
        this.#exchange.failure === undefined;
      if (isClean && !this.#upstream.sendsProxyHeader) {
        KeptConnections.of(backend, this.#exchange.session.wheel).keep(connection);
      } else connection.discard();
    }
    this.#choice.release();
  }

  /** Whether the connection has become a tunnel, which reads from both sides and has timers of its own. */
  get isTunnel(): boolean {
    return this.#tunnel !== undefined;
  }

  /** The connection has become a tunnel, which ends it. */
  becomeTunnel(tunnel: Tunnel<HttpReason>): void {
    this.#tunnel = tunnel;
  }

  /** Handles the deadlines of sending and of receiving. */
  check(nowMs: number): void {
    const exchange = this.#exchange;
    const { answering } = exchange;
    const { idleMs } = exchange.plan.timeouts;
    const { responseMs } = this.#route.timeouts;
    const quietMs = nowMs - exchange.activeMs;
    const uploads = this.#upload !== undefined && !this.#upload.over;
    const isLate = responseMs > 0 && quietMs > responseMs;
    if (isLate && (uploads ? exchange.awaitsContinue : this.#waiting)) this.#responseIsLate(responseMs);
    else if (uploads || answering) {
      const side = uploads && this.#upload!.readsClient ? "client" : "backend";
      if (idleMs > 0 && quietMs > idleMs) exchange.stop(stalled(side, { answering, idleMs }));
    }
  }

  /** The head of the response has not come in time: another backend is asked, or the client gets 504. */
  #responseIsLate(responseMs: number): void {
    this.#upstream.outlier.broke(this.#choice.current!);
    const { firstByteMs } = this.#exchange;
    const isRepeatable = this.#repeatable && this.#replay?.isWhole !== false && firstByteMs === undefined;
    this.#late = isRepeatable && this.#retries.spend(504);
    if (this.#late) this.#connection!.discard();
    else this.#exchange.stop(lateResponse(responseMs));
  }

  onBackendRemoved(): void {
    // A request finishes with the backend that it began with, unless its set says otherwise.
    if (this.#tunnel !== undefined) this.#tunnel.destroy("backend-removed");
    else if (this.#upstream.traits?.endsRequests === true) this.#leave("backend-removed");
  }

  onBackendDown(): void {
    if (this.#tunnel !== undefined) this.#tunnel.destroy("backend-down");
    else this.#leave("backend-down");
  }

  onClosedByAdmin(): void {
    this.#exchange.stop(closedByAdmin());
  }

  drain(): void {} // The session sees to that.

  /** Ends the connection. The request is sent to another backend, if it may be. */
  #leave(code: "backend-removed" | "backend-down"): void {
    if (this.#connection === undefined) return;
    this.#gone = backendGone(code);
    this.#connection.discard();
  }

  #countAttempt(): void {
    const exchange = this.#exchange;
    if (!this.#stale) exchange.attempt++;
    this.#stale = false;
    exchange.plan.hooks.onAttempt?.(exchange.view);
  }

  /** What is sent first: the head, and what is there of the body. */
  #prepare({ head }: BackendConnection): Uint8Array {
    const exchange = this.#exchange;
    const { requestBody: body } = exchange.messages;
    const { input } = exchange.session.source;
    head.begin();
    if (this.#head === undefined) this.#writeHead(head);
    else head.range(this.#head.bytes, 0, this.#headLength);
    if (this.#replay !== undefined) { for (const piece of this.#replay.pieces) head.raw(piece); }
    if (!body.done && input.length > 0 && input.length <= MAX_WITH_HEAD) {
      const at = head.length;
      this.#readBody(body, input);
      head.range(input.bytes, body.passStart, body.passEnd);
      if (body.done && body.needsEnd) head.raw(exchange.lastRequestChunk(this.#route));
      (this.#replay ??= new Replay()).keep(head.bytes.subarray(at, head.length));
      exchange.bytesUp += head.length - at;
    }
    return head.written;
  }

  /** Reads on in the body. A fault in it is the client's: no other backend is tried. */
  #readBody(body: BodyReader, input: InputBuffer): void {
    try {
      body.read(input);
    } catch (error) {
      this.#exchange.stop(asProxyError(error as Error));
      this.#exchange.throwStop();
    }
  }

  #writeHead(head: HeadWriter): void {
    const exchange = this.#exchange;
    const { request } = exchange.messages;
    exchange.dropFields(request.fields, this.#route);
    writeRequestHead(head, { request, method: exchange.method, target: exchange.target, host: this.host });
    exchange.writeRequestFields(head, this.#route);
    head.endLine();
    if (this.#headsDiffer) return;
    this.#head = head;
    this.#headLength = head.length;
  }

  /** Whether the head of the request is another one for each backend. */
  get #headsDiffer(): boolean {
    return this.#upstream.traits !== undefined || namesBackend(this.#route, this.#exchange);
  }

  /** What is sent first has been sent. */
  #isSending(connection: BackendConnection): void {
    this.#exchange.touch();
    this.#waiting = true;
    if (!this.#exchange.messages.requestBody.done) this.#startUpload(connection);
  }

  #startUpload(connection: BackendConnection): void {
    const exchange = this.#exchange;
    exchange.messages.hold();
    this.#upload = new Upload({
      client: exchange.session.source,
      body: exchange.messages.requestBody,
      to: connection,
      lastChunk: () => exchange.lastRequestChunk(this.#route),
      onBytes: (bytes) => {
        exchange.bytesUp += bytes.length;
        if (this.#repeatable) (this.#replay ??= new Replay()).add(bytes);
      },
      onProgress: () => exchange.touch(),
      onClientFailure: (error) => {
        exchange.stop(error === undefined ? clientLeft(exchange.session.source.error) : asProxyError(error));
      },
    });
    void this.#upload.run();
  }

  /** The head of the final answer is there. */
  #received(): void {
    const exchange = this.#exchange;
    exchange.firstByteMs ??= exchange.elapsedMs();
    exchange.touch();
    this.#waiting = false;
    this.#early = !this.isSent;
  }

  #throwEnd({ error }: Source): never {
    this.#exchange.throwStop();
    throw this.endOf(error);
  }

  /** Whether this final answer is not the one for the client, but another backend is asked. */
  #retriesStatus(): boolean {
    const { status } = this.#exchange.messages.response;
    this.#upstream.outlier.responded(this.#choice.current!, status);
    const isRepeatable = this.#repeatable && this.#replay?.isWhole !== false && this.isSent;
    if (!isRepeatable || !this.#route.retries.on.includes(status)) return false;
    return this.#retries.spend(status);
  }

  /** Whether the request is sent once more, after a connection has failed. */
  #retriesAfter(connection: BackendConnection): boolean {
    const exchange = this.#exchange;
    exchange.throwStop();
    if (this.#late) {
      this.#late = false;
      this.#choice.exclude();
      return true;
    }
    const answered = exchange.firstByteMs !== undefined || connection.source.input.length > 0;
    const isRepeatable = !this.#written || (this.#repeatable && this.#replay?.isWhole !== false);
    const isGone = this.#gone !== undefined;
    // A close while the connection was idle is not a failure of the backend.
    const isStale = !answered && isRepeatable && connection.isReused && !isGone;
    if (isStale) return this.#choice.wantsFresh = this.#stale = true;
    if (!answered && !isGone) this.#upstream.outlier.broke(this.#choice.current!);
    if (answered || !isRepeatable) return false;
    this.#choice.exclude();
    return this.#retries.spend("connect");
  }

  /** The connection is of no use any more, and the backend is free of the request. */
  #giveUp(): void {
    this.#waiting = false;
    this.#gone = undefined;
    this.#upload?.stop();
    this.#upload = undefined;
    this.#connection?.discard();
    this.#connection = undefined;
    this.#choice.release();
  }
}
