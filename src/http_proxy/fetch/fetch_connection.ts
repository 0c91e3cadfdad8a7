import type { Connection } from "../../net/connection.ts";
import type { HttpExchange } from "../hooks.ts";
import { clientLeft, type ProxyError } from "../proxy_error.ts";
import type { RequestBytes } from "./request_bytes.ts";
import { ResponseReceiver } from "./response_receiver.ts";

/** What becomes of a failure: a response in the place of the generated one; what it throws takes the place of both. */
export type OnFailure = (error: ProxyError, exchange: HttpExchange) => Response | void;

/** Options of a {@linkcode FetchConnection}. */
export interface FetchConnectionOptions {
  readonly request: Request;
  readonly onFailure: OnFailure | undefined;
}

/**
 * The connection of a client that has a `Request` and wants a `Response`, as the service sees it: it reads the bytes of
 * one request, and writes those of one response. So all rules of HTTP services hold for it.
 */
export class FetchConnection implements Connection {
  readonly #request: Request;
  /** Absent until {@linkcode FetchConnection.open}. */
  #bytes: RequestBytes | undefined;
  readonly #onFailure: OnFailure | undefined;
  readonly #receiver: ResponseReceiver;
  readonly #response = Promise.withResolvers<Response>();
  /** What the program answers in the place of the service: the rest of what that writes is thrown away. */
  #isReplaced = false;
  /** Why the request failed, or the response was cut short. */
  #failure: ProxyError | undefined;
  /** The client has left. */
  #left: { readonly reason: unknown } | undefined;
  #closed = false;
  /** Ends the read that waits. */
  #wake: ((error?: unknown) => void) | undefined;
  #watched: AbortSignal | undefined;

  constructor({ request, onFailure }: FetchConnectionOptions) {
    this.#request = request;
    this.#onFailure = onFailure;
    this.#receiver = new ResponseReceiver(request.method, (reason) => this.leave(reason));
    this.#response.promise.catch(() => {});
  }

  /** Rejects if there is none. */
  get response(): Promise<Response> {
    return this.#response.promise;
  }

  /**
   * Waits for the first bytes of the request. Before they are there, the service has nothing to read.
   *
   * @throws {ProxyError} if the client leaves, or {@linkcode FetchConnection.cutUnopened} is called.
   */
  async open(bytes: Promise<RequestBytes>): Promise<void> {
    this.#bytes = await new Promise<RequestBytes>((resolve, reject) => {
      this.#wake = (reason) => reject(clientLeft(reason));
      bytes.then(resolve, reject);
    }).finally(() => this.#wake = undefined);
  }

  /** Ends what the service has not got yet. */
  cutUnopened(): void {
    if (this.#bytes === undefined) this.leave(new Deno.errors.Interrupted("the pool was closed"));
  }

  /** From now on the signal of the request is looked at. */
  watch(): void {
    if (this.#watched !== undefined) return;
    const signal = this.#watched = this.#request.signal;
    if (signal.aborted) this.#onAbort();
    else signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    this.#throwEnd();
    const bytes = this.#bytes!;
    if (!bytes.done) {
      const count = await this.#interruptible(bytes.read(buffer));
      if (count > 0) return count;
    }
    if (this.#receiver.ended) return null;
    // The client waits for its response.
    await this.#interruptible(new Promise<never>(() => {}));
    return null;
  }

  async write(bytes: Uint8Array): Promise<number> {
    this.#throwEnd();
    if (this.#isReplaced) return bytes.length;
    const receiver = this.#receiver;
    const taken = receiver.push(bytes);
    if (receiver.response !== undefined) this.#response.resolve(receiver.response);
    await taken;
    if (receiver.ended) this.#wake?.();
    this.#throwEnd();
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    if (this.#isReplaced) this.#wake?.();
    return Promise.resolve();
  }

  close(): void {
    if (this.#closed) throw new Deno.errors.BadResource("the connection is closed");
    this.#closed = true;
    this.#bytes?.cancel("the response is there");
    this.#receiver.release();
    this.#wake?.(new Deno.errors.Interrupted("the connection is closed"));
  }

  /** The exchange has failed. Called before what is generated for that is written. */
  failed(error: ProxyError, exchange: HttpExchange): void {
    this.#failure = error;
    try {
      const own = this.#onFailure?.(error, exchange);
      if (own === undefined || this.#receiver.response !== undefined) return;
      this.#response.resolve(own);
    } catch (thrown) {
      this.#response.reject(thrown);
    }
    this.#isReplaced = true;
  }

  /** The service has done with it. */
  settle(): void {
    this.#watched?.removeEventListener("abort", this.#onAbort);
    const error = this.#left === undefined && this.#failure !== undefined
      ? this.#failure
      : clientLeft(this.#left?.reason);
    error.attempt = this.#failure?.attempt ?? 0;
    this.#response.reject(error);
    this.#receiver.fail(error);
  }

  readonly #onAbort = () => this.leave(this.#watched!.reason);

  /** The client wants no response any more. */
  leave(reason: unknown): void {
    if (this.#left !== undefined || this.#closed) return;
    this.#left = { reason };
    this.#bytes?.cancel(reason);
    this.#receiver.fail(reason);
    this.#wake?.(reason ?? new Deno.errors.Interrupted("the client has left"));
  }

  /** Waits for what is read, or until the response is complete, or either side has left. */
  #interruptible(reading: Promise<number>): Promise<number> {
    return new Promise<number>((resolve, reject) => {
      this.#wake = (error) => error === undefined ? resolve(0) : reject(error);
      reading.then(resolve, reject);
    }).finally(() => this.#wake = undefined);
  }

  #throwEnd(): void {
    if (this.#left !== undefined) {
      throw this.#left.reason ?? new Deno.errors.Interrupted("the client has left");
    }
    if (this.#closed) throw new Deno.errors.BadResource("the connection is closed");
  }
}
