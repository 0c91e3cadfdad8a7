import { CulvertError, describeError } from "../core/errors.ts";
import { type Log, silentLog } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import { type Connection, writeAll } from "../net/connection.ts";
import { HttpRequestError, type RequestHead } from "../http/request_head.ts";
import { HttpRequestReader } from "../http/request_reader.ts";
import { errorResponse, formatResponse, type HttpResponse } from "./http_response.ts";

/** A request with its body, which is empty where it has none. */
export interface HttpRequest extends RequestHead {
  readonly body: Uint8Array;
}

/** Answers requests. */
export interface HttpHandler {
  /** Asked before any of the body is read: an answer here is the answer. Must not throw. */
  admit(head: RequestHead): HttpResponse | undefined;
  /** Answers. What it rejects with is logged, and told to the client as an internal error. */
  handle(request: HttpRequest): Promise<HttpResponse>;
}

/** The bounds of a session. Times are in milliseconds. */
export interface HttpLimits {
  /** For the head of a request, and for the first byte on a new connection. @default {10_000} */
  readonly headMs?: number;
  /** For the body of a request. @default {10_000} */
  readonly bodyMs?: number;
  /** Between two requests. @default {60_000} */
  readonly idleMs?: number;
  /** For the handler; it is not stopped, only not waited for any longer. @default {60_000} */
  readonly handleMs?: number;
  /** For a client to take an answer. @default {30_000} */
  readonly sendMs?: number;
  /** The largest body, in bytes. @default {4_194_304} (4 MiB: 10,000 backends, written generously) */
  readonly maxBodyBytes?: number;
}

/** What an {@linkcode HttpSession} works with. */
export interface HttpSessionParts extends HttpLimits {
  readonly handler: HttpHandler;
  readonly wheel: TimerWheel;
  /** Told of requests and of failed handlers. @default {silentLog} */
  readonly log?: Log;
  /** Who the client is, for the log. */
  readonly client?: string;
  /** Told when the client is waited for (`true`), and when a request of its is handled (`false`). */
  readonly onWait?: (waiting: boolean) => void;
  /** Who the client is by its certificate, for the log. */
  readonly identity?: string | undefined;
}

/** How long, and for how much, a client is listened to that has been answered for the last time. */
const LINGER_MS = 2000;
const LINGER_BYTES = 8 * 1024 * 1024;
const LOGGED_CHARS = 200;
const CONTINUE = new TextEncoder().encode("HTTP/1.1 100 Continue\r\n\r\n");

/** A time has run out. */
class LateError extends CulvertError {
  override name = "LateError";

  constructor(what: string) {
    super("late", `Cannot wait any longer for ${what}`);
  }
}

/**
 * HTTP/1.1 on one connection: reads a request, has it answered, and so on, strictly one after the other, until the
 * client has enough or a bound is met. What the client has sent ahead waits.
 */
export class HttpSession {
  readonly #connection: Connection;
  readonly #parts: HttpSessionParts;
  readonly #log: Log;
  readonly #reader: HttpRequestReader;
  #first = true;
  /** No byte of a request has come. */
  #idle = true;
  #draining = false;
  #closed = false;
  /** Gives up what is being waited for. */
  #giveUp: ((reason: Error) => void) | undefined;

  /** Owns the connection, and closes it at the end of {@linkcode HttpSession.run}. */
  constructor(connection: Connection, parts: HttpSessionParts) {
    this.#connection = connection;
    this.#parts = parts;
    this.#log = parts.log ?? silentLog;
    this.#reader = new HttpRequestReader(connection);
  }

  /** Answers all requests. Resolves when the connection has been closed. Never rejects. */
  async run(): Promise<void> {
    try {
      while (!this.#closed && await this.#awaitRequest() && await this.#exchange());
    } catch (error) {
      this.#log.debug("admin connection broken", { client: this.#parts.client, error: describeError(error) });
    } finally {
      this.destroy();
    }
  }

  /** Ends at once if nothing is under way, and else with the next answer. */
  drain(): void {
    this.#draining = true;
    if (this.#idle) this.destroy();
  }

  /** Ends now, whatever is under way. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#giveUp?.(new LateError("the end"));
    try {
      this.#connection.close();
    } catch {
      // It has gone already.
    }
  }

  /** False when there will be no further request. */
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

  /** One request and its answer. False when it was the last one. */
  async #exchange(): Promise<boolean> {
    let head: RequestHead | undefined;
    let response: HttpResponse;
    let whole = false;
    let listening = true;
    try {
      head = await this.#readHead();
      const refusal = this.#parts.handler.admit(head);
      whole = refusal === undefined || (head.contentLength ?? 0) === 0;
      response = refusal ?? await this.#handle({ ...head, body: await this.#readBody(head) });
    } catch (error) {
      if (!(error instanceof HttpRequestError)) throw error;
      whole = false;
      listening = error.status !== 408; // A read is still under way.
      response = errorResponse(error.status, { code: error.code, message: error.message });
    }
    this.#logRequest(head, response);
    const keep = whole && head!.keepAlive && !this.#draining;
    await this.#send(formatResponse(response, { headOnly: head?.method === "HEAD", close: !keep }));
    if (!keep && listening) await this.#linger();
    return keep;
  }

  async #readHead(): Promise<RequestHead> {
    const { headMs = 10_000 } = this.#parts;
    const what = "the head of the request";
    return await this.#received(this.#reader.readHead(), { timeoutMs: headMs, what });
  }

  async #readBody(head: RequestHead): Promise<Uint8Array> {
    const { bodyMs = 10_000, maxBodyBytes = 4 * 1024 * 1024 } = this.#parts;
    const { contentLength = 0, expectsContinue } = head;
    if (contentLength > maxBodyBytes) {
      const message = `Cannot read the body: it has ${contentLength} bytes, more than ${maxBodyBytes}`;
      throw new HttpRequestError("body_too_large", message, { status: 413 });
    }
    if (expectsContinue && contentLength > 0 && this.#reader.buffered === 0) await this.#send(CONTINUE);
    const what = "the body of the request";
    return await this.#received(this.#reader.readBody(contentLength), { timeoutMs: bodyMs, what });
  }

  async #handle(request: HttpRequest): Promise<HttpResponse> {
    const { handler, handleMs = 60_000, onWait } = this.#parts;
    onWait?.(false);
    try {
      return await this.#within(handler.handle(request), { timeoutMs: handleMs, what: "the answer" });
    } catch (error) {
      if (this.#closed) throw error;
      if (error instanceof LateError) {
        const message = `Cannot answer within ${handleMs / 1000} s: what was asked for is still being done`;
        return errorResponse(503, { code: "timeout", message });
      }
      const { method, path } = request;
      const why = error instanceof Error ? error.stack : undefined;
      this.#log.error("an admin request has failed; please report it", {
        method,
        path: path.slice(0, LOGGED_CHARS),
        error: why ?? describeError(error),
      });
      return errorResponse(500, {
        code: "internal_error",
        message: "Cannot answer: internal error, see the log",
      });
    } finally {
      onWait?.(true);
    }
  }

  async #send(bytes: Uint8Array): Promise<void> {
    const { sendMs = 30_000 } = this.#parts;
    await this.#within(writeAll(this.#connection, bytes), {
      timeoutMs: sendMs,
      what: "an answer to be taken",
    });
  }

  /**
   * Says that this was all, and listens for a while: to close while something is on its way here would reset the
   * connection, and the client might never see its answer (RFC 9112, section 9.6).
   */
  async #linger(): Promise<void> {
    const ending = async () => {
      await this.#connection.closeWrite();
      await this.#reader.discard(LINGER_BYTES);
    };
    try {
      await this.#within(ending(), { timeoutMs: LINGER_MS, what: "the client's end" });
    } catch {
      // It has broken, or goes on talking: enough of it.
    }
  }

  /** As `#within`, where the client is told that it was too slow. */
  async #received<T>(work: Promise<T>, options: { timeoutMs: number; what: string }): Promise<T> {
    try {
      return await this.#within(work, options);
    } catch (error) {
      if (!(error instanceof LateError) || this.#closed) throw error;
      throw new HttpRequestError("request_timeout", error.message, { status: 408, cause: error });
    }
  }

  /** What is given up is not stopped: closing the connection does that. */
  async #within<T>(work: Promise<T>, { timeoutMs, what }: { timeoutMs: number; what: string }): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer = new WheelTimer(() => {
      late.reject(new LateError(what));
      return 0;
    });
    this.#parts.wheel.start(timer, timeoutMs);
    this.#giveUp = late.reject;
    if (this.#closed) late.reject(new LateError(what));
    try {
      return await Promise.race([work, late.promise]);
    } finally {
      this.#parts.wheel.stop(timer);
      this.#giveUp = undefined;
    }
  }

  /** What changes something is told as it happens; what only looks, to who looks for a fault. */
  #logRequest(head: RequestHead | undefined, { status }: HttpResponse): void {
    const looks = head === undefined || head.method === "GET" || head.method === "HEAD";
    this.#log[looks ? "debug" : "info"]("admin request", {
      method: head?.method.slice(0, LOGGED_CHARS),
      path: head?.path.slice(0, LOGGED_CHARS),
      status,
      client: this.#parts.client,
      identity: this.#parts.identity,
    });
  }
}
