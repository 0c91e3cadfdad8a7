import { CulvertError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import { type TimerWheel, WheelTimer } from "../../core/timer_wheel.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { type ClientAddress, clientAddress } from "../../net/client_address.ts";
import { formatIp, parseIp } from "../../net/ip.ts";
import { DEFAULT_TIMEOUTS } from "../../service/options.ts";
import type { HttpHooks } from "../hooks.ts";
import { HttpService } from "../http_service.ts";
import type { HttpServiceOptions } from "../options.ts";
import type { HandleOptions, HttpPoolOptions } from "../pool/options.ts";
import type { PoolPath } from "../pool/pool_path.ts";
import { FetchConnection } from "./fetch_connection.ts";
import { readRequestedUrl, RequestBytes } from "./request_bytes.ts";

/** A client is watched from then on: most responses are there before. */
const WATCH_AFTER_MS = 200;

/** Where requests go. */
export interface FetchRouting {
  readonly http: HttpServiceOptions;
  /** The backends by the paths that they serve. */
  readonly backends: ReadonlyMap<string, PoolPath>;
}

/** What a {@linkcode FetchService} works with. */
export interface FetchServiceParts {
  readonly name: string;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly log: Log;
}

/** An HTTP service whose clients are a program's own: each has one `Request`, and gets a `Response`. */
export class FetchService {
  readonly #options: HttpPoolOptions;
  readonly #parts: FetchServiceParts;
  readonly #service: HttpService;
  readonly #hooks: HttpHooks;
  readonly #connections = new Map<FetchConnection, number>();
  readonly #timer: WheelTimer;
  #routing: FetchRouting;

  /** @throws {CulvertError} for options that can't be used. */
  constructor(
    options: HttpPoolOptions,
    { parts, routing }: { parts: FetchServiceParts; routing: FetchRouting },
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#routing = routing;
    this.#hooks = {
      onAttempt: options.onAttempt,
      onError: (error, exchange, connection) => {
        const { code, status, attempt, message } = error;
        const { method, backend } = exchange;
        parts.log.debug("request failed", {
          ...{ pool: parts.name, method, backend, attempt, reason: code, status, error: message },
        });
        (connection as FetchConnection).failed(error, exchange);
      },
    };
    this.#service = new HttpService(this.#serviceOptions(), { ...parts, routing: this.#httpRouting() });
    this.#timer = new WheelTimer((nowMs) => this.#watch(nowMs));
  }

  /** Takes other routes. Requests under way end with those that they began with. */
  route(routing: FetchRouting): void {
    this.#routing = routing;
    this.#service.update(this.#serviceOptions(), this.#httpRouting());
  }

  /** The backends that serve a URL; `undefined`: none does. */
  backendsFor(url: string): PoolPath | undefined {
    const { pathname } = new URL(url);
    const result = this.#service.plan.router.match("", pathname, "GET");
    return result.kind === "route" ? this.#routing.backends.get(result.route.upstream!) : undefined;
  }

  /** Carries a request. See `HttpPool.handle`. */
  async handle(request: Request, { client }: HandleOptions): Promise<Response> {
    const address = addressOf(client);
    const url = readRequestedUrl(request);
    const { onError: onFailure } = this.#options;
    const connection = new FetchConnection({ request, onFailure });
    const { wheel, name } = this.#parts;
    this.#connections.set(connection, wheel.now());
    if (!this.#timer.running) wheel.start(this.#timer, wheel.tickMs);
    try {
      await connection.open(RequestBytes.of(request, url));
    } catch (error) {
      this.#ended(connection);
      throw error;
    }
    void this.#service.serve({
      ...{ connection, address, listener: name, encrypted: url.isTls },
      localAddr: { transport: "tcp", hostname: "", port: url.port },
    }).then(() => this.#ended(connection));
    return await connection.response;
  }

  /** Lets requests under way finish, and cuts those that have not in time; resolves to how many. */
  async drain(): Promise<number> {
    return await this.#service.drain();
  }

  /** Ends requests under way now. */
  async destroy(): Promise<void> {
    for (const connection of this.#connections.keys()) connection.cutUnopened();
    await this.#service.destroy();
  }

  #ended(connection: FetchConnection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#parts.wheel.stop(this.#timer);
    connection.settle();
  }

  #watch(nowMs: number): number {
    for (const [connection, sinceMs] of this.#connections) {
      if (nowMs - sinceMs <= WATCH_AFTER_MS) break; // Those behind it are younger.
      connection.watch();
    }
    return nowMs + this.#parts.wheel.tickMs;
  }

  #serviceOptions(): ConstructorParameters<typeof HttpService>[0] {
    return {
      name: this.#parts.name,
      admission: { maxConnections: 0, maxHandshakes: 0 },
      timeouts: { ...DEFAULT_TIMEOUTS, ...this.#options.timeouts },
    };
  }

  #httpRouting(): ConstructorParameters<typeof HttpService>[1]["routing"] {
    const { http, backends } = this.#routing;
    return {
      http,
      upstream: (name) => backends.get(name)!,
      onAccess: this.#options.onAccess,
      hooks: this.#hooks,
    };
  }
}

/** @throws {CulvertError} `bad_address`. */
function addressOf(client: HandleOptions["client"]): ClientAddress {
  if (typeof client !== "string") return clientAddress(client);
  const ip = parseIp(client);
  if (ip !== undefined) return { ip: formatIp(ip), port: 0 };
  throw new CulvertError(
    "bad_address",
    `Cannot use the client ${JSON.stringify(client)}: expected an IP address`,
  );
}
