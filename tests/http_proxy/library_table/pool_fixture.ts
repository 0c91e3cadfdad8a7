import {
  type AccessRecord,
  HttpPool,
  type HttpPoolOptions,
  type PoolBackendOptions,
  type PoolRequest,
} from "../../../src/mod.ts";
import { RawConnection, type RawOrigin } from "../proxy_fixture.ts";

/** URLs of backends that no request is sent to. */
export const A = "http://10.0.0.1:8080";
export const B = "http://10.0.0.2:8080";
export const C = "http://10.0.0.3:8080";

/** The URLs of the next picks. */
export function picks(pool: HttpPool, count: number, request?: PoolRequest): string[] {
  return Array.from({ length: count }, () => pool.next(request)?.url ?? "none");
}

/** A pool of origins, and perhaps the server whose handler it is. */
export class PoolFixture implements AsyncDisposable {
  readonly pool: HttpPool;
  readonly records: AccessRecord[] = [];
  readonly #servers: Deno.HttpServer[] = [];
  readonly #clients: RawConnection[] = [];

  constructor(
    origins: readonly RawOrigin[],
    { backend = {}, ...options }: HttpPoolOptions & { backend?: PoolBackendOptions } = {},
  ) {
    this.pool = new HttpPool({ onAccess: (record) => this.records.push(record), ...options });
    for (const { address } of origins) this.pool.add(`http://${address}`, backend);
  }

  /** What comes back for a request of the program. */
  async handle(path: string, init: RequestInit & { url?: string; client?: string } = {}): Promise<Response> {
    const { url = "http://app.example", client, ...rest } = init;
    return await this.pool.handle(new Request(url + path, rest), client === undefined ? {} : { client });
  }

  /** A client of a server whose handler is the pool, which has sent `text`. */
  async client(text: string): Promise<RawConnection> {
    const server = Deno.serve(
      {
        hostname: "127.0.0.1",
        port: 0,
        onListen() {},
        onError: () => new Response("failed", { status: 500 }),
      },
      (request, { remoteAddr }) => this.pool.handle(request, { client: remoteAddr }),
    );
    this.#servers.push(server);
    const client = new RawConnection(await Deno.connect({ hostname: "127.0.0.1", port: server.addr.port }));
    this.#clients.push(client);
    await client.send(text);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.pool.destroy();
    for (const client of this.#clients) client.close();
    await Promise.all(this.#clients.map((client) => client.done));
    await Promise.all(this.#servers.map((server) => server.shutdown()));
  }
}

/** The fields of a head, in lower case. */
export function fieldsOf(head: string): Map<string, string> {
  const lines = head.split("\r\n\r\n")[0]!.split("\r\n").slice(1);
  return new Map(lines.map((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  }));
}
