import { CulvertError, describeError } from "../../core/errors.ts";
import { concat } from "@std/bytes/concat";
import { ResponseParser } from "../../http/response_parser.ts";
import { BufferPool } from "../../net/buffers.ts";
import { type Connection, writeAll } from "../../net/connection.ts";
import { type Dial, dial } from "../../net/dial.ts";
import { tlsDial } from "../../tls/dial.ts";
import type { AdminAddress } from "./admin_address.ts";

/** The TLS that is spoken with an admin API, in PEM. */
export interface AdminTls {
  /** @default the runtime's roots */
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** What an admin API answered. */
export interface AdminAnswer {
  readonly status: number;
  /** Not JSON: `undefined`. */
  readonly json: unknown;
}

/** There is no admin API, or its answer can't be used. `code` is `admin_unreachable`. */
export class AdminUnreachableError extends CulvertError {
  override name = "AdminUnreachableError";

  constructor(address: string, cause: unknown) {
    super("admin_unreachable", `Cannot reach the admin API at ${address}: ${describeError(cause)}`, {
      cause,
    });
  }
}

const TIMEOUT_MS = 10_000;
/** Far more than the status of 100,000 backends. */
const MAX_BODY_BYTES = 256 * 1024 * 1024;
const READ_BYTES = 64 * 1024;

/** Asks an admin API, with a connection for each request. */
export class AdminClient {
  readonly #target: AdminAddress;
  readonly #name: string;
  readonly #dial: Dial;

  /**
   * @param options.name What messages call the API.
   * @throws {CulvertError} `bad_certificate` if the TLS material can't be used.
   */
  constructor(target: AdminAddress, { name, tls = {} }: { name: string; tls?: AdminTls }) {
    this.#target = target;
    this.#name = name;
    this.#dial = target.isTls ? tlsDial({ ...tls, dial, buffers: new BufferPool() }) : dial;
  }

  /** @throws {AdminUnreachableError} */
  async get(path: string): Promise<AdminAnswer> {
    return await this.#ask("GET", path);
  }

  /** @throws {AdminUnreachableError} */
  async post(path: string): Promise<AdminAnswer> {
    return await this.#ask("POST", path);
  }

  async #ask(method: string, path: string): Promise<AdminAnswer> {
    const stop = new AbortController();
    const timer = setTimeout(
      () => stop.abort(new Error(`timed out after ${TIMEOUT_MS / 1000}s`)),
      TIMEOUT_MS,
    );
    try {
      const connection = await this.#dial(this.#target.address, stop.signal);
      const close = () => connection.close();
      stop.signal.addEventListener("abort", close);
      try {
        return await exchange(connection, { method, path, host: this.#target.host });
      } finally {
        stop.signal.removeEventListener("abort", close);
        if (!stop.signal.aborted) close();
      }
    } catch (error) {
      if (error instanceof CulvertError && error.code === "permission_missing") throw error;
      throw new AdminUnreachableError(this.#name, stop.signal.aborted ? stop.signal.reason : error);
    } finally {
      clearTimeout(timer);
    }
  }
}

async function exchange(
  connection: Connection,
  { method, path, host }: { method: string; path: string; host: string },
): Promise<AdminAnswer> {
  const pieces: Uint8Array[] = [];
  let status = 0;
  let bytes = 0;
  let ended = false;
  const parser = new ResponseParser({
    onHead: (head) => status = head.status,
    onData: (data) => {
      if ((bytes += data.length) > MAX_BODY_BYTES) throw new Error("its answer is too large");
      pieces.push(data.slice());
    },
    onEnd: () => ended = true,
  });
  parser.expect({ method });
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
  await writeAll(connection, new TextEncoder().encode(head));
  const buffer = new Uint8Array(READ_BYTES);
  while (!ended) {
    const count = await connection.read(buffer);
    if (count === null) {
      parser.end();
      break;
    }
    parser.push(buffer.subarray(0, count));
  }
  if (status === 0) throw new Error("it has closed the connection without an answer");
  return { status, json: parseJson(concat(pieces)) };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
