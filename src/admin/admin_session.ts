import { CulvertError, describeError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { closeQuietly, type Connection, writeAll } from "../net/connection.ts";
import { HttpError } from "../http/http_error.ts";
import type { PeerIdentity } from "../tls/x509/identity.ts";
import { type AdminResponse, errorResponse, formatResponse } from "./admin_response.ts";
import { type AdminRequestHead, RequestReader } from "./request_reader.ts";
import { StreamResponse } from "./stream_response.ts";

/** A request with its body, which is empty if there is none. */
export interface AdminRequest extends AdminRequestHead {
  readonly body: Uint8Array;
}

/** The client of a session. */
export interface AdminCaller {
  /** Its address. */
  readonly client: string;
  /** What its certificate says; absent: it has presented none. */
  readonly identity?: PeerIdentity | undefined;
}

/** Handles the requests of a session. */
export interface AdminHandler {
  /** Called before the body is read. A response rejects the request. Must not throw. */
  admit(head: AdminRequestHead, caller: AdminCaller): AdminResponse | undefined;
  /** Handles the request. A rejection is logged and answered as an internal error. */
  handle(request: AdminRequest, caller: AdminCaller): Promise<AdminResponse>;
}

/** The limits of a session. Times are in milliseconds. */
export interface AdminSessionLimits {
  /** For the head of a request, and for the first byte on a new connection. @default {10_000} */
  readonly headMs?: number;
  /** For the body of a request. @default {10_000} */
  readonly bodyMs?: number;
  /** Between two requests. @default {60_000} */
  readonly idleMs?: number;
  /** For the handler, which is not stopped then: its result is ignored. @default {60_000} */
  readonly handleMs?: number;
  /** For a client to receive a response. @default {30_000} */
  readonly sendMs?: number;
  /** The largest body, in bytes. @default {4_194_304} (4 MiB, enough for 10,000 backends) */
  readonly maxBodyBytes?: number;
}

/** What an {@linkcode AdminSession} works with. */
export interface AdminSessionParts extends AdminSessionLimits {
  readonly handler: AdminHandler;
  readonly wheel: TimerWheel;
  /** @default {silentLog} */
  readonly log?: Log;
  /** The address of the client, for the log. */
  readonly client?: string;
  /** Called with `true` when the session begins to wait for the client, with `false` when it handles a request. */
  readonly onWait?: (waiting: boolean) => void;
  /** What the client certificate says; absent: it has presented none. */
  readonly identity?: PeerIdentity | undefined;
}

/** After the last response, input is read and discarded for this time and up to this size. */
const LINGER_MS = 2000;
const LINGER_BYTES = 8 * 1024 * 1024;
const SEND_MS = 30_000;
const LOGGED_CHARS = 200;
const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** A time limit is exceeded, or the session is destroyed. */
class LateError extends CulvertError {
  override name = "LateError";

  constructor(message: string) {
    super("late", message);
  }
}

/**
 * HTTP/1.1 on one connection: reads requests and sends responses, strictly one after the other, until the client or a
 * limit ends it. Pipelined requests wait.
 */
export class AdminSession {
  readonly #connection: Connection;
  readonly #parts: AdminSessionParts;
  readonly #log: Log;
  readonly #reader: RequestReader;
  readonly #caller: AdminCaller;
  #first = true;
  /** No byte of the next request has been received. */
  #idle = true;
  #draining = false;
  #closed = false;
  /** The response whose body has no end yet. */
  #stream: StreamResponse | undefined;
  /** Ends the present wait. */
  #abortWait: ((reason: Error) => void) | undefined;

  /** Owns the connection and closes it at the end of {@linkcode AdminSession.run}. */
  constructor(connection: Connection, parts: AdminSessionParts) {
    this.#connection = connection;
    this.#parts = parts;
    this.#log = parts.log ?? silentLog;
    this.#reader = new RequestReader(connection);
    this.#caller = { client: parts.client ?? "", identity: parts.identity };
  }

  /** Serves the connection until it is closed. Never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#closed && await this.#awaitRequest() && await this.#exchange());
    } catch (error) {
      this.#log.debug("admin connection broken", { client: this.#parts.client, error: describeError(error) });
    } finally {
      this.destroy();
    }
  }

  /** Closes the connection: at once if it is idle or streams, otherwise after the next response. */
  drain(): void {
    this.#draining = true;
    this.#stream?.end();
    if (this.#idle) this.destroy();
  }

  /** Closes the connection now. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#abortWait?.(new LateError("The session is closed"));
    closeQuietly(this.#connection);
  }

  /** False if there is no further request. */
  async #awaitRequest(): Promise<boolean> {
    const { headMs = 10_000, idleMs = 60_000 } = this.#parts;
    this.#idle = this.#reader.buffered === 0;
    if (this.#idle && this.#draining) return false;
    try {
      const timeoutMs = this.#first ? headMs : idleMs;
      return await this.#within(this.#reader.awaitRequest(), { timeoutMs, what: "a request" });
    } catch (error) {
      if (error instanceof LateError) return false;
      throw error;
    } finally {
      this.#idle = false;
      this.#first = false;
    }
  }

  /** One request and its response. False if it was the last one. */
  async #exchange(): Promise<boolean> {
    let head: AdminRequestHead | undefined;
    let response: AdminResponse;
    let body: Uint8Array | undefined;
    let whole = false;
    let listening = true;
    try {
      head = await this.#readHead();
      const refusal = this.#parts.handler.admit(head, this.#caller);
      whole = refusal === undefined || (head.contentLength ?? 0) === 0;
      if (refusal === undefined) body = await this.#readBody(head);
      response = refusal ?? await this.#handle({ ...head, body: body! });
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      whole = false;
      listening = error.status !== 408; // Otherwise a read is still pending.
      response = errorResponse(error.status, { code: error.code, message: error.message });
    }
    this.#logRequest(head, { status: response.status, body });
    const { stream } = response;
    const headOnly = head?.method === "HEAD";
    const keep = whole && head!.keepAlive && !this.#draining && stream === undefined;
    await this.#send(formatResponse(response, { headOnly, close: !keep }));
    if (stream !== undefined && !headOnly) await this.#runStream(stream);
    else if (!keep && listening) await this.#linger();
    return keep;
  }

  /** It does not wait for its client, so it is not evicted for another one. The handler bounds the number of streams. */
  async #runStream(serve: NonNullable<AdminResponse["stream"]>): Promise<void> {
    const { wheel, onWait, sendMs = SEND_MS } = this.#parts;
    const stream = new StreamResponse({ connection: this.#connection, reader: this.#reader, wheel, sendMs });
    this.#stream = stream;
    onWait?.(false);
    if (this.#draining) stream.end();
    await stream.run(serve);
  }

  async #readHead(): Promise<AdminRequestHead> {
    const { headMs = 10_000 } = this.#parts;
    const what = "the request head";
    return await this.#received(this.#reader.readHead(), { timeoutMs: headMs, what });
  }

  async #readBody(head: AdminRequestHead): Promise<Uint8Array> {
    const { bodyMs = 10_000, maxBodyBytes = 4 * 1024 * 1024 } = this.#parts;
    const { contentLength = 0, expectsContinue } = head;
    if (contentLength > maxBodyBytes) {
      const message = `Cannot read the body: ${contentLength} bytes exceed the limit of ${maxBodyBytes}`;
      throw new HttpError("body_too_large", message, { status: 413 });
    }
    if (expectsContinue && contentLength > 0 && this.#reader.buffered === 0) await this.#send(CONTINUE);
    const what = "the request body";
    return await this.#received(this.#reader.readBody(contentLength), { timeoutMs: bodyMs, what });
  }

  async #handle(request: AdminRequest): Promise<AdminResponse> {
    const { handler, handleMs = 60_000, onWait } = this.#parts;
    onWait?.(false);
    try {
      return await this.#within(handler.handle(request, this.#caller), {
        timeoutMs: handleMs,
        what: "the handler",
      });
    } catch (error) {
      if (this.#closed) throw error;
      if (error instanceof LateError) {
        const message = `Cannot respond within ${handleMs / 1000} s: the operation continues`;
        return errorResponse(503, { code: "timeout", message });
      }
      const { method, path } = request;
      const why = error instanceof Error ? error.stack : undefined;
      this.#log.error("admin request failed, please report this bug", {
        method,
        path: path.slice(0, LOGGED_CHARS),
        error: why ?? describeError(error),
      });
      return errorResponse(500, {
        code: "internal_error",
        message: "Cannot handle the request: internal error, see the log",
      });
    } finally {
      onWait?.(true);
    }
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { sendMs = SEND_MS } = this.#parts;
    await this.#within(writeAll(this.#connection, bytes), {
      timeoutMs: sendMs,
      what: "the client to receive the response",
    });
  }

  /**
   * Half-closes the connection and discards input for a while: closing it while the client still sends would reset it,
   * and the client might lose the response (RFC 9112, section 9.6).
   */
  async #linger(): Promise<void> {
    const discard = async () => {
      await this.#connection.closeWrite();
      await this.#reader.discard(LINGER_BYTES);
    };
    try {
      await this.#within(discard(), { timeoutMs: LINGER_MS, what: "the client to close the connection" });
    } catch {
      // The connection is broken or the client continues to send; it is closed in either case.
    }
  }

  /** Like `#within`, but a timeout is answered with 408. */
  async #received<T>(work: Promise<T>, options: { timeoutMs: number; what: string }): Promise<T> {
    try {
      return await this.#within(work, options);
    } catch (error) {
      if (!(error instanceof LateError) || this.#closed) throw error;
      throw new HttpError("request_timeout", error.message, { status: 408, cause: error });
    }
  }

  /** A timeout does not stop the work; closing the connection does. */
  async #within<T>(work: Promise<T>, { timeoutMs, what }: { timeoutMs: number; what: string }): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = new WheelTimer(() => {
      late.reject(new LateError(`Timed out while waiting for ${what}`));
      return 0;
    });
    this.#parts.wheel.start(timer, timeoutMs);
    this.#abortWait = late.reject;
    if (this.#closed) late.reject(new LateError("The session is closed"));
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      this.#parts.wheel.stop(timer);
      this.#abortWait = undefined;
    }
  }

  /** Requests that change something are logged at info, the others at debug. */
  #logRequest(
    head: AdminRequestHead | undefined,
    { status, body }: { status: number; body: Uint8Array | undefined },
  ): void {
    const readsOnly = head === undefined || head.method === "GET" || head.method === "HEAD";
    this.#log[readsOnly ? "debug" : "info"]("admin request", {
      method: head?.method.slice(0, LOGGED_CHARS),
      path: head?.path.slice(0, LOGGED_CHARS),
      body: body === undefined || body.length === 0 ? undefined : shortText(body),
      status,
      client: this.#parts.client,
      identity: this.#parts.identity?.subject,
    });
  }
}

/** What a request asks for, for the log. */
function shortText(body: Uint8Array): string {
  const text = new TextDecoder().decode(body.subarray(0, LOGGED_CHARS));
  return body.length > LOGGED_CHARS ? `${text}…` : text;
}
