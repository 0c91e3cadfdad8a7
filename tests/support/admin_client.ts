import { assertEquals } from "@std/assert";
import * as v from "valibot";
import type { Status } from "../../src/admin/status/status.ts";
import type { BackendStatus, UpstreamStatus } from "../../src/admin/status/upstream.ts";
import { statusSchema } from "../../src/admin/status/status.ts";
import { type Culvert, HEAD } from "./program.ts";
import { until } from "./wait.ts";

/** The head of a configuration with an admin listener. */
export const ADMIN_HEAD = `${HEAD}admin: {listen: "127.0.0.1:0"}\n`;

/** An answer of the admin API. */
export interface AdminAnswer {
  readonly status: number;
  // deno-lint-ignore no-explicit-any -- each path has an answer of its own
  readonly json: any;
}

/** What is asked, besides the path. */
export interface AdminRequest {
  /** @default {"GET"} */
  readonly method?: string;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** @default {"application/json"} */
  readonly contentType?: string;
}

/** Asks the admin API of a running program. */
export class AdminClient implements Disposable {
  readonly #base: string;
  readonly #client: Deno.HttpClient;
  /** The path of the unix socket that it listens on; absent: it does not. */
  readonly #socket: string | undefined;

  /** `keepAlive` keeps a connection open between requests, until the client is disposed of. */
  constructor(culvert: Culvert, { keepAlive = false }: { keepAlive?: boolean } = {}) {
    const { listener } = culvert.found({ message: "admin API" }).at(-1)!;
    this.#base = `http://${listener}`;
    this.#socket = /^unix:(.*)$/.exec(String(listener))?.[1];
    this.#client = Deno.createHttpClient({ poolMaxIdlePerHost: keepAlive ? 1 : 0 });
  }

  async ask(path: string, request: AdminRequest = {}): Promise<AdminAnswer> {
    if (this.#socket !== undefined) return await askUnix(this.#socket, path);
    const { method = "GET", body, contentType = "application/json" } = request;
    const sent = body === undefined ? {} : {
      body: typeof body === "string" ? body : JSON.stringify(body),
      headers: { "content-type": contentType },
    };
    const response = await fetch(`${this.#base}${path}`, { method, ...sent, client: this.#client });
    return { status: response.status, json: await response.json() };
  }

  /** `/api/status`, which must be as its schema says. */
  async status(): Promise<Status> {
    const { status, json } = await this.ask("/api/status");
    assertEquals(status, 200);
    return v.parse(statusSchema, json);
  }

  async upstream(name = "main"): Promise<UpstreamStatus> {
    return (await this.status()).upstreams.find((upstream) => upstream.name === name)!;
  }

  /** The backends of an upstream, by their address. */
  async backends(name = "main"): Promise<Map<string, BackendStatus>> {
    const { backends } = await this.upstream(name);
    return new Map(backends.map((backend) => [backend.address, backend]));
  }

  async backend(address: string): Promise<BackendStatus> {
    return (await this.backends()).get(address)!;
  }

  /** Replaces the set of `main`, which must succeed. */
  async put(backends: readonly unknown[]): Promise<BackendStatus[]> {
    const { status, json } = await this.ask("/api/upstreams/main/backends", {
      method: "PUT",
      body: backends,
    });
    assertEquals(status, 200, JSON.stringify(json));
    return json;
  }

  /** Takes a backend of `main` out by hand, or back, which must succeed. */
  async set(address: string, action: "drain" | "enable"): Promise<BackendStatus> {
    const path = `/api/upstreams/main/backends/${encodeURIComponent(address)}/${action}`;
    const { status, json } = await this.ask(path, { method: "POST" });
    assertEquals(status, 200, JSON.stringify(json));
    return json;
  }

  /** What `/readyz` says is wrong; empty when the program is ready. Its code and its words must agree. */
  async unready(): Promise<string[]> {
    const { status, json: { ready, reasons } } = await this.ask("/readyz");
    assertEquals([status, ready], reasons.length === 0 ? [200, true] : [503, false]);
    return reasons;
  }

  /** Resolves when `/readyz` says 200. */
  async ready(): Promise<void> {
    await until(async () => (await this.unready()).length === 0, { what: "readiness" });
  }

  /** Resolves when a backend of `main` is in a state. */
  async untilState(address: string, state: BackendStatus["state"]): Promise<BackendStatus> {
    let backend: BackendStatus | undefined;
    await until(async () => (backend = await this.backend(address))?.state === state, {
      what: `${address} to be ${state}`,
    });
    return backend!;
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** A GET by a unix socket. `fetch` takes these for proxies, and names the whole URL. */
async function askUnix(socket: string, path: string): Promise<AdminAnswer> {
  using connection = await Deno.connect({ transport: "unix", path: socket });
  const head = `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head));
  const text = await new Response(connection.readable).text();
  const [, status = ""] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? [];
  return { status: Number(status), json: JSON.parse(text.slice(text.indexOf("\r\n\r\n"))) };
}
