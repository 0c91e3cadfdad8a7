import { CulvertError } from "../../core/errors.ts";
import type { Address } from "../../net/address.ts";
import { type Connection, writeAll } from "../../net/connection.ts";
import type { Dial } from "../../net/dial.ts";
import { type Check, CheckFailedError, type CheckReport } from "./check.ts";
import { exchange } from "./exchange.ts";
import { formatRequest, requireHost, requireMethod, requirePath } from "./http_check_request.ts";
import { HttpCheckResponse, MAX_BODY_BYTES } from "./http_check_response.ts";
import { parseStatusRanges, type StatusRanges } from "./status_ranges.ts";

/** The request of an HTTP check, and the response that is expected. */
export interface HttpCheckSpec {
  /** The method, in capital letters. @default {"GET"} */
  readonly method?: string | undefined;
  /** The path, which may have a query. @default {"/"} */
  readonly path?: string | undefined;
  /** The `Host` field. @default the backend's address */
  readonly host?: string | undefined;
  /** The expected status codes, in the form of {@linkcode parseStatusRanges}. @default {"200-399"} */
  readonly expect?: string | undefined;
  /** A text that must occur in the first 64 KiB of the body; not with `HEAD`. Absent: the body is not read. */
  readonly body?: string | undefined;
}

/** Options of {@linkcode HttpCheck}. */
export interface HttpCheckOptions extends HttpCheckSpec {
  /** Opens the connections, with or without TLS. */
  readonly dial: Dial;
}

/**
 * Succeeds if the backend responds to a request as expected. HTTP/1.1, with a new connection for each check.
 *
 * @example
 * ```ts
 * import { dial, HttpCheck } from "@culvert/culvert";
 *
 * await using backend = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, () => new Response("ok"));
 * const address = { kind: "tcp", host: "127.0.0.1", port: backend.addr.port } as const;
 * const check = new HttpCheck({ dial, path: "/healthz", body: "ok" });
 * const { detail } = await check.run(address, AbortSignal.timeout(2_000));
 * console.log(detail); // answered 200
 * ```
 */
export class HttpCheck implements Check {
  readonly #dial: Dial;
  readonly #method: string;
  readonly #path: string;
  readonly #host: string | undefined;
  readonly #expect: StatusRanges;
  readonly #body: string | undefined;

  /**
   * Opens nothing yet.
   *
   * @throws {CulvertError} `bad_check` or `bad_status_ranges` if the options are not valid.
   */
  constructor(options: HttpCheckOptions) {
    const { dial, method = "GET", path = "/", host, expect = "200-399", body } = options;
    this.#dial = dial;
    this.#method = requireMethod(method);
    this.#path = requirePath(path);
    this.#host = host === undefined ? undefined : requireHost(host);
    this.#expect = parseStatusRanges(expect);
    this.#body = body === undefined ? undefined : requireBody(body, method);
  }

  async run(address: Address, signal: AbortSignal): Promise<CheckReport> {
    const options = { dial: this.#dial, address, signal };
    return await exchange(options, (connection) => this.#ask(connection, address));
  }

  async #ask(connection: Connection, address: Address): Promise<CheckReport> {
    const [method, expect, body] = [this.#method, this.#expect, this.#body];
    await writeAll(connection, formatRequest({ method, path: this.#path, host: this.#host, address }));
    const response = new HttpCheckResponse(connection, { method });
    const head = await response.readHead();
    const answered = `answered ${head.status}`;
    if (!expect.includes(head.status)) throw new CheckFailedError(`${answered}, expected ${expect.text}`);
    if (body !== undefined) await response.findInBody(head, body);
    return { detail: answered };
  }
}

/**
 * Checks that a text can occur in the response to a request with this method.
 *
 * @throws {CulvertError} `bad_check`
 */
export function requireBody(body: string, method: string): string {
  const length = new TextEncoder().encode(body).length;
  if (method === "HEAD") throw badBody("the answer to HEAD has none");
  if (length === 0) throw badBody("there is nothing to look for");
  if (length > MAX_BODY_BYTES) throw badBody(`no more than ${MAX_BODY_BYTES} bytes are searched`);
  return body;
}

function badBody(why: string): CulvertError {
  return new CulvertError("bad_check", `Cannot look for a text in the body: ${why}`);
}
