import { onAbort } from "../../../core/wait.ts";
import type { Clock } from "../../../core/clock.ts";
import { describeError } from "../../../core/errors.ts";
import {
  plainText,
  type RangeAnswer,
  readFailure,
  readRangeAnswer,
  readToken,
  readWatchMessage,
  type WatchMessage,
} from "./answers.ts";
import { BadAnswerError, EtcdError, type EtcdErrorCode } from "./error.ts";
import { createEtcdClient } from "./http_client.ts";
import { readLines, readText } from "./lines.ts";
import type { EtcdTls, EtcdUser } from "./options.ts";

/** The longest answer, and the longest message of a watch, in bytes. */
const MAX_ANSWER_BYTES = 16 * 2 ** 20;
/** The most bytes that are read of an error answer. */
const MAX_FAILURE_BYTES = 16 * 1024;
/** The errors of etcd for a missing or expired token. */
const NEEDS_TOKEN = /invalid auth token|user name is empty|revision of auth store is old/;
const NO_AUTHENTICATION = /authentication is not enabled/;
const COMPACTED = /revision has been compacted/;

/** The user's token, shared by the gateways of one cluster, as it is valid for all members. */
export interface EtcdLogin {
  readonly user: EtcdUser;
  /** Empty: etcd requires none. `undefined`: not known yet. */
  token: string | undefined;
}

/** What {@linkcode EtcdGateway} needs. */
export interface EtcdGatewayOptions {
  readonly login: EtcdLogin | undefined;
  readonly tls: EtcdTls | undefined;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  /** How long a request may take, in milliseconds. */
  readonly requestMs: number;
}

/** The HTTP gateway of one server (`/v3/...`, etcd 3.4 and later). The owner disposes of it. */
export class EtcdGateway implements Disposable {
  /** Its URL, for errors and the log. */
  readonly endpoint: string;
  readonly #options: EtcdGatewayOptions;
  readonly #client: Deno.HttpClient;

  /** Opens no connection yet. */
  constructor(endpoint: string, options: EtcdGatewayOptions) {
    this.endpoint = endpoint;
    this.#options = options;
    this.#client = createEtcdClient(endpoint, options.tls);
  }

  /**
   * Requests a range of keys.
   *
   * @throws {EtcdError} if there is no valid answer in time.
   */
  range(request: Readonly<Record<string, unknown>>, signal: AbortSignal): Promise<RangeAnswer> {
    return this.#within(signal, async (signal) => {
      const response = await this.#authorized("kv/range", request, signal);
      return readRangeAnswer(await this.#json(response));
    });
  }

  /**
   * The messages of a watch, until the server ends it. There is no deadline: `signal` ends it.
   *
   * @throws {EtcdError} if an answer is not valid, or the connection breaks.
   */
  async *watch(
    request: Readonly<Record<string, unknown>>,
    signal: AbortSignal,
  ): AsyncGenerator<WatchMessage, void, undefined> {
    try {
      const response = await this.#authorized("watch", { create_request: request }, signal);
      for await (const line of readLines(response.body ?? emptyStream(), MAX_ANSWER_BYTES)) {
        const message = parseJson(line);
        const failure = readFailure(message);
        if (failure !== undefined) throw this.#refusal(`it ended the watch: ${failure}`);
        yield readWatchMessage(message);
      }
    } catch (error) {
      throw this.#explain(error, signal);
    }
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }

  /** Runs `work` with a signal that also aborts at the deadline. */
  async #within<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock, requestMs } = this.#options;
    const controller = new AbortController();
    using _outer = onAbort(signal, () => controller.abort(signal.reason));
    const late = () => controller.abort(this.#error("etcd_timeout", `no answer within ${requestMs}ms`));
    const cancel = clock.after(requestMs, late);
    try {
      return await work(controller.signal);
    } catch (error) {
      throw this.#explain(error, controller.signal);
    } finally {
      cancel();
    }
  }

  /** Sends a request, with a token if there is a user; again with a new one if the token has expired. */
  async #authorized(path: string, body: unknown, signal: AbortSignal): Promise<Response> {
    const { login } = this.#options;
    for (let attempt = 1;; attempt++) {
      if (login !== undefined) login.token ??= await this.#authenticate(login.user, signal);
      const token = login?.token;
      const response = await this.#post(path, body, { token, signal });
      if (response.ok) return response;
      const failure = await this.#failure(response);
      const renew = login !== undefined && attempt === 1 && NEEDS_TOKEN.test(failure.message);
      if (!renew) throw failure;
      if (login.token === token) login.token = undefined;
    }
  }

  /** A token; empty if authentication is disabled in etcd, as with etcd's own clients. */
  async #authenticate(user: EtcdUser, signal: AbortSignal): Promise<string> {
    let { password } = user;
    try {
      if (typeof password !== "string") password = await password();
    } catch (error) {
      throw this.#error("etcd_no_password", `no password: ${describeError(error)}`, error);
    }
    const response = await this.#post("auth/authenticate", { name: user.name, password }, { signal });
    if (response.ok) return readToken(await this.#json(response));
    const failure = await this.#failure(response);
    if (NO_AUTHENTICATION.test(failure.message)) return "";
    throw failure;
  }

  #post(
    path: string,
    body: unknown,
    { token, signal }: { token?: string | undefined; signal: AbortSignal },
  ): Promise<Response> {
    return this.#options.fetch(`${this.endpoint}/v3/${path}`, {
      method: "POST",
      body: JSON.stringify(body),
      headers: {
        "content-type": "application/json",
        "accept-encoding": "identity", // A compressing proxy may delay messages of a watch.
        ...(token === undefined || token === "" ? {} : { authorization: token }),
      },
      redirect: "error", // The token must not be sent elsewhere.
      signal,
      client: this.#client,
    });
  }

  async #json(response: Response): Promise<unknown> {
    return parseJson(await readText(response.body ?? emptyStream(), MAX_ANSWER_BYTES));
  }

  /** Reads an error answer. */
  async #failure(response: Response): Promise<EtcdError> {
    const text = await readText(response.body ?? emptyStream(), MAX_FAILURE_BYTES);
    let reason: string | undefined;
    try {
      reason = readFailure(JSON.parse(text));
    } catch {
      reason = plainText(text); // Perhaps of a proxy.
    }
    return this.#refusal(`it answered ${response.status}: ${reason || "nothing more"}`);
  }

  #refusal(what: string): EtcdError {
    return this.#error(COMPACTED.test(what) ? "etcd_compacted" : "etcd_refused", what);
  }

  #error(code: EtcdErrorCode, what: string, cause?: unknown): EtcdError {
    return new EtcdError(code, { endpoint: this.endpoint, what, cause });
  }

  /** Converts an error of `fetch` or of a parser. */
  #explain(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason; // The runtime may throw another error.
    if (error instanceof EtcdError) return error;
    if (error instanceof BadAnswerError) return this.#error("etcd_bad_answer", error.message, error);
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return this.#error("etcd_unreachable", plainText(describeError(cause)), error);
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new BadAnswerError("the answer is not JSON");
  }
}

function emptyStream(): ReadableStream<Uint8Array> {
  return new Blob().stream();
}
