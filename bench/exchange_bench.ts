// What an exchange costs without the kernel and the runtime's sockets: clients and a backend in memory, whose reads and
// writes settle at once. With and without an access line.
// `deno bench -A bench/exchange_bench.ts`
import { formatAccess } from "../src/http_proxy/access_log.ts";
import { HttpService } from "../src/http_proxy/http_service.ts";
import {
  DEFAULT_HTTP_LIMITS,
  DEFAULT_HTTP_TIMEOUTS,
  type HttpServiceOptions,
} from "../src/http_proxy/options.ts";
import type { Connection } from "../src/net/connection.ts";
import { DEFAULT_TIMEOUTS, type ServiceOptions } from "../src/service/options.ts";
import { DEFAULT_POOL } from "../src/upstream/pool/options.ts";
import { Upstream } from "../src/upstream/upstream.ts";

const CONNECTIONS = 64;
const REQUESTS = 100;
const REQUEST = new TextEncoder().encode("GET /some/path HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n");
const RESPONSE = new TextEncoder().encode(
  [
    "HTTP/1.1 200 OK",
    "Server: nginx/1.26.3",
    "Date: Sun, 29 Nov 2026 13:30:00 GMT",
    "Content-Type: text/plain",
    "Content-Length: 32",
    "Connection: keep-alive",
    "",
    "a small body of 32 bytes, fixed\n",
  ].join("\r\n"),
);

interface PeerOptions {
  /** Messages after which it ends. */
  readonly times: number;
  /** It sends the first one without having been written to. */
  readonly isClient: boolean;
}

/** A peer that sends the same message each time it has been written to. */
class Peer implements Connection {
  readonly #message: Uint8Array;
  #left: number;
  /** Messages that wait to be read. */
  #ready: number;
  #buffer: Uint8Array | undefined;
  #resolve: ((count: number | null) => void) | undefined;

  constructor(message: Uint8Array, { times, isClient }: PeerOptions) {
    this.#message = message;
    this.#left = times;
    this.#ready = isClient ? 1 : 0;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    this.#buffer = buffer;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      if (this.#ready > 0) this.#send();
    });
  }

  write(bytes: Uint8Array): Promise<number> {
    this.#ready++;
    if (this.#resolve !== undefined) this.#send();
    return Promise.resolve(bytes.length);
  }

  #send(): void {
    const resolve = this.#resolve!;
    this.#ready--;
    this.#resolve = undefined;
    if (this.#left-- === 0) return resolve(null);
    this.#buffer!.set(this.#message);
    resolve(this.#message.length);
  }

  closeWrite(): Promise<void> {
    return Promise.resolve();
  }

  close(): void {
    this.#resolve?.(null);
  }
}

const HTTP: HttpServiceOptions = {
  routes: [{ match: {}, upstream: "origin" }],
  limits: DEFAULT_HTTP_LIMITS,
  timeouts: DEFAULT_HTTP_TIMEOUTS,
  forwarded: "x",
  trusted: [],
  underscores: "drop",
  encodedSlashes: "reject",
  errors: {},
  requestId: false,
  clientCert: true,
};
const OPTIONS: ServiceOptions = {
  name: "web",
  admission: { maxConnections: 0 },
  timeouts: DEFAULT_TIMEOUTS,
};

/** A service whose backend is in memory. */
function createService(format: "text" | undefined): HttpService {
  const upstream = new Upstream({
    name: "origin",
    backends: [{
      address: { kind: "tcp", host: "127.0.0.1", port: 80 },
      weight: 1,
      maxConnections: 0,
      backup: false,
    }],
    balance: "round-robin",
    pool: DEFAULT_POOL,
    retries: 2,
    onRemove: "close",
    proxyProtocol: "none",
  }, { dial: () => Promise.resolve(new Peer(RESPONSE, { times: Infinity, isClient: false })) });
  let length = 0;
  return new HttpService(OPTIONS, {
    routing: {
      http: HTTP,
      upstream: () => upstream,
      onAccess: format && ((record) => length += formatAccess(record, format).length),
    },
  });
}

/** Serves one client to its end. */
async function serve(service: HttpService): Promise<void> {
  await service.serve({
    connection: new Peer(REQUEST, { times: REQUESTS, isClient: true }),
    address: { ip: "127.0.0.1", port: 1234 },
    listener: "127.0.0.1:8080",
  });
}

for (const format of [undefined, "text"] as const) {
  const service = createService(format);
  const name = `${CONNECTIONS * REQUESTS} exchanges, ${
    format === undefined ? "without access lines" : "with them"
  }`;
  Deno.bench(name, { group: "exchanges" }, async () => {
    await Promise.all(Array.from({ length: CONNECTIONS }, () => serve(service)));
  });
}
