import type { TimerWheel } from "../core/timer_wheel.ts";
import type { HeadWriter } from "../http/head_writer.ts";
import type { InputBuffer } from "../http/input_buffer.ts";
import { CR, LF } from "../http/octets.ts";
import type { BufferPool } from "../net/buffers.ts";
import { abortQuietly } from "../net/connection.ts";
import type { ClientHandshake } from "../service/client_handshake.ts";
import { proxyHeaderInfo } from "../service/proxy_header_info.ts";
import type { SessionActivity, SessionState } from "../service/live_session.ts";
import type { Reason } from "../service/reason.ts";
import type { ServiceSession } from "../service/service.ts";
import type { Backend } from "../upstream/backend.ts";
import type { ProxyHeaderInfo } from "../upstream/client_header.ts";
import { ClientView } from "./client_view.ts";
import type { ClientSession } from "./client_session.ts";
import { Exchange } from "./exchange.ts";
import type { ExchangeState } from "./exchange_state.ts";
import type { HttpPlan } from "./plan.ts";
import { clientLeft, ProxyError } from "./proxy_error.ts";
import { Source } from "./source.ts";

/** How long, and how much, a client is listened to that has been answered before it had said everything. */
const LINGER_MS = 2000;
const LINGER_BYTES = 1024 * 1024;
/** How long an idle client may still send a request, which is its last one, when the service drains. */
const DRAIN_GRACE_MS = 1000;
/** How long after its end of stream a client that waits is asked whether it is there. */
const PROBE_AFTER_MS = 250;
const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n");
const CRLF = new TextEncoder().encode("\r\n");

/** What a session needs of its service. */
export interface SessionHost {
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  /** The generation that new exchanges work with. */
  readonly plan: HttpPlan;
  /** For heads that are written and sent, or copied, at once. */
  readonly scratch: HeadWriter;
  /** An exchange is over. */
  finished(exchange: ExchangeState): void;
}

/** What a session is doing: waiting for a request, at one, or listening to a client that has been answered. */
type State = "idle" | "busy" | "lingering" | "over";

/**
 * An admitted connection of a client, on which requests follow one another: each is answered before the next one is
 * looked at.
 */
export class HttpSession implements ServiceSession, ClientSession {
  readonly client: ClientHandshake;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  /** As of {@linkcode ServiceSession}. */
  connectMs: number | undefined;
  backend: Backend | undefined;
  tries = 0;
  failure: unknown;
  readonly uniqueId = undefined;
  /** Bytes of messages that were passed on to the client. */
  bytesDown = 0;
  /** Requests that have ended. */
  requests = 0;
  readonly #host: SessionHost;
  #source: Source | undefined;
  #view: ClientView | undefined;
  #state: State = "idle";
  #sinceMs: number;
  #startedMs: number;
  #exchange: Exchange | undefined;
  #drainSinceMs = 0;
  /** Why it ended, where that was not the client's doing. */
  #reason: Reason | undefined;
  #clientEndedMs = 0;
  #leavesAtEnd = false;
  #probe: "none" | "half" | "whole" = "none";
  #writing: Promise<unknown> | undefined;

  constructor(client: ClientHandshake, host: SessionHost) {
    this.client = client;
    this.#host = host;
    this.wheel = host.wheel;
    this.buffers = host.buffers;
    this.#startedMs = this.#sinceMs = host.wheel.now();
  }

  /** What the client sends. */
  get source(): Source {
    return this.#source!;
  }

  /** What is known of the client. */
  get view(): ClientView {
    return this.#view!;
  }

  get scratch(): HeadWriter {
    return this.#host.scratch;
  }

  /** Bytes that the client has sent. */
  get bytesUp(): number {
    return this.#source?.bytesRead ?? 0;
  }

  /** Whether a request is under way. */
  get isBusy(): boolean {
    return this.#exchange !== undefined;
  }

  /** As of {@linkcode ServiceSession}. */
  activity(): SessionActivity {
    const exchange = this.#exchange;
    if (exchange === undefined || exchange.method === "") return { state: this.#activityState() };
    const { method, host, path, backend } = exchange;
    return { state: this.#activityState(), request: { method, host, path }, backend };
  }

  #activityState(): SessionState {
    if (this.#drainSinceMs > 0) return "draining";
    if (this.client.pending) return "handshake";
    return this.#exchange === undefined ? "idle" : "open";
  }

  /** What a PROXY header tells backends. */
  tellBackend(): ProxyHeaderInfo {
    return proxyHeaderInfo(this.client);
  }

  /** Whether the connection ends behind the answer to a request that began with `plan`. */
  isClosing(plan: HttpPlan): boolean {
    return this.#drainSinceMs > 0 || plan !== this.#host.plan;
  }

  /** Serves until the connection has ended; resolves to why. Never rejects. */
  async run(): Promise<Reason> {
    const host = this.#host;
    const source = this.#source = new Source(this.client.connection, { buffers: this.buffers });
    this.#view = new ClientView(this.client, host.plan);
    while (this.#state !== "over") {
      if (isEmpty(source.input)) {
        this.#enter("idle");
        if (source.ended || !await source.fill()) break;
        continue;
      }
      this.#enter("busy");
      // Not in a variable, which would hold it while the client is idle.
      await (this.#exchange = new Exchange(this, host.plan)).run();
      const { keep, lingers } = this.#finishExchange();
      if (keep) continue;
      if (lingers) await this.#linger();
      break;
    }
    this.#close();
    return this.#reason ?? (source.error === undefined ? "client-closed" : "client-reset");
  }

  /** As of {@linkcode ClientSession}. */
  send(bytes: Uint8Array): Promise<number> {
    if (this.#writing !== undefined || this.#probe === "half") return this.#sendBehindProbe(bytes);
    return this.source.connection.write(bytes);
  }

  /** As of {@linkcode ClientSession}. */
  async write(bytes: Uint8Array): Promise<void> {
    let sent = await this.send(bytes);
    while (sent < bytes.length) {
      this.#exchange?.touch();
      sent += await this.source.connection.write(bytes.subarray(sent));
    }
    this.bytesDown += sent;
  }

  /** The exchange is over. Returns what becomes of the connection. */
  #finishExchange(): { keep: boolean; lingers: boolean } {
    const exchange = this.#exchange!;
    this.#exchange = undefined;
    this.#clientEndedMs = 0;
    this.#leavesAtEnd = false;
    this.#probe = "none";
    this.source.onRead = undefined;
    this.#host.finished(exchange);
    exchange.plan.giveMessages(exchange.messages);
    this.requests++;
    return exchange;
  }

  /** Handles the deadlines. Called with each tick of the service. */
  check(nowMs: number): void {
    if (this.#source === undefined) return; // The handshake has a deadline of its own.
    const { timeouts } = this.#host.plan;
    const { lifetimeMs, drainMs } = timeouts;
    if (lifetimeMs > 0 && nowMs - this.#startedMs > lifetimeMs) return this.destroy("lifetime");
    if (this.#drainSinceMs > 0 && nowMs - this.#drainSinceMs > drainMs) return this.destroy("cut");
    if (this.#state === "busy") this.#exchange?.check(nowMs);
    else if (this.#state === "lingering") {
      if (nowMs - this.#sinceMs > LINGER_MS) this.#close();
    } else if (this.#state === "idle") this.#checkIdle(nowMs);
  }

  /** Reads from a client that waits for its answer, to see whether it leaves. */
  watchClient(nowMs: number): void {
    if (this.source.ended) this.#probeClient(nowMs);
    else this.expectEnd();
  }

  /** As of {@linkcode ClientSession}. */
  expectEnd(): void {
    const { source } = this;
    const { input } = source;
    if (source.ended || source.pending !== undefined) return;
    if (input.length > 0 && input.end === input.bytes.length) return;
    this.#exchange!.messages.hold();
    source.onRead = () => {
      if (source.error !== undefined) this.#exchange?.stop(clientLeft(source.error));
    };
    void source.fill();
  }

  /** As of {@linkcode ClientSession}. */
  endMeansLeaving(): void {
    this.#leavesAtEnd = !this.source.ended;
  }

  drain(): void {
    if (this.#drainSinceMs === 0) this.#drainSinceMs = this.wheel.now();
  }

  onDrainChanged(): void {
    // Looked at with each tick.
  }

  destroy(reason: Reason): void {
    this.#reason ??= reason;
    if (this.#source === undefined) return this.client.abort(reason);
    if (this.#exchange === undefined) return this.#close();
    const code = reason === "lifetime" || reason === "no-descriptors" || reason === "closed-by-admin"
      ? reason
      : "cut";
    const message = "Cannot answer the request: the connection was cut";
    this.#exchange.stop(new ProxyError(code, message, { op: "answer", status: 0 }));
  }

  /** Ends the connection so that the client can tell that it was cut off. */
  abort(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.source.release();
    abortQuietly(this.source.connection);
  }

  #enter(state: State): void {
    if (this.#state === "over") return;
    this.#state = state;
    this.#sinceMs = this.wheel.nowMs;
  }

  #checkIdle(nowMs: number): void {
    const { handshakeMs, idleMs } = this.#host.plan.timeouts;
    const quietMs = nowMs - this.#sinceMs;
    if (this.#drainSinceMs > 0 && nowMs - this.#drainSinceMs > DRAIN_GRACE_MS) return this.#end("drained");
    if (this.requests > 0) {
      if (idleMs > 0 && quietMs > idleMs) this.#end("idle");
    } else if (handshakeMs > 0 && nowMs - this.#startedMs > handshakeMs) this.#end("handshake");
  }

  #end(reason: Reason): void {
    this.#reason ??= reason;
    this.#close();
  }

  /**
   * Says that nothing more will come, and throws away what still comes for a while: closed with bytes that were not
   * read, the connection would be reset, and the answer lost on its way.
   */
  async #linger(): Promise<void> {
    if (this.#state === "over") return;
    const { source } = this;
    this.#enter("lingering");
    try {
      await source.connection.closeWrite();
    } catch {
      return;
    }
    const limit = source.bytesRead + LINGER_BYTES;
    while (!source.ended && source.bytesRead < limit) {
      if (source.pending === undefined) source.input.clear();
      if (!await source.fill()) return;
    }
  }

  #close(): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.source.close();
  }

  /**
   * A client has ended its side in the middle of its answer. Behind a further request it reads on, as where it had ended
   * it before the answer.
   */
  #leaveAtEnd(): void {
    if (this.#leavesAtEnd && this.source.input.length === 0) this.#exchange!.stop(clientLeft());
  }

  /**
   * A client has ended its side while it waits. It has left, or reads on: only a write tells. An interim answer in two
   * pieces does no harm to one that reads; if it has left, the first one brings a reset, and the second one fails.
   */
  #probeClient(nowMs: number): void {
    const exchange = this.#exchange!;
    if (this.#clientEndedMs === 0) this.#clientEndedMs = nowMs;
    if (exchange.answering) return this.#leaveAtEnd();
    if (exchange.messages.request.minor === 0 || this.#writing !== undefined) return;
    if (this.#probe === "none" && nowMs - this.#clientEndedMs >= PROBE_AFTER_MS) {
      this.#probe = "half";
      void this.#write(CONTINUE);
    } else if (this.#probe === "half") void this.#finishProbe();
  }

  async #sendBehindProbe(bytes: Uint8Array): Promise<number> {
    if (this.#writing !== undefined) await this.#writing;
    if (this.#probe === "half") await this.#finishProbe();
    return await this.source.connection.write(bytes);
  }

  #finishProbe(): Promise<void> {
    this.#probe = "whole";
    return this.#write(CRLF);
  }

  async #write(bytes: Uint8Array): Promise<void> {
    try {
      await (this.#writing = this.source.connection.write(bytes));
    } catch (error) {
      this.#exchange?.stop(clientLeft(error));
    } finally {
      this.#writing = undefined;
    }
  }
}

/** Whether no request has begun: there is nothing, or the empty line that some clients send behind a body. */
function isEmpty({ bytes, start, length }: InputBuffer): boolean {
  if (length === 0) return true;
  if (length > 2 || bytes[start] !== CR) return false;
  return length === 1 || bytes[start + 1] === LF;
}
