import { PREFIX } from "./fixture.ts";

type Body = Readonly<Record<string, unknown>>;

/** A watch that is open. */
export class FakeWatch {
  readonly request: Body;
  readonly response: Response;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  /** Its client has left. */
  readonly left: Promise<void>;

  constructor(request: Body) {
    const left = Promise.withResolvers<void>();
    this.left = left.promise;
    this.request = request;
    const stream = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      cancel: () => left.resolve(),
    });
    this.response = new Response(stream);
  }

  /** Sends a text as it is, in one piece. */
  send(text: string | Uint8Array): void {
    this.#controller.enqueue(typeof text === "string" ? new TextEncoder().encode(text) : text);
  }

  /** Sends a message, with the usual header. */
  tell(result: Body, revision = 100): void {
    this.send(`${JSON.stringify({ result: { header: header(revision), ...result } })}\n`);
  }

  /** Ends it as a server does that goes down. */
  end(): void {
    this.#controller.close();
  }
}

/** An etcd gateway that answers as the test wants. Disposing of it closes it. */
export class FakeEtcd implements AsyncDisposable {
  readonly url: string;
  /** What was asked, in order: the path, with the body. */
  readonly asked: { path: string; body: Body; authorization: string | null }[] = [];
  readonly watches: FakeWatch[] = [];
  /** The keys under the prefix, by their names, with revision and value. */
  readonly keys = new Map<string, { revision: number; value: string }>();
  revision = 10;
  clusterId = "7";
  /** Answers in the place of the usual; `undefined`: the usual. */
  answer: (path: string, body: Body) => Response | Promise<Response> | undefined = () => undefined;
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => this.#serve(request),
    );
    this.url = `http://127.0.0.1:${this.#server.addr.port}`;
  }

  /** Puts a key, and notifies no watch. */
  put(name: string, value: string): void {
    this.keys.set(name, { revision: ++this.revision, value });
  }

  /** How often a path was asked for. */
  count(path: string): number {
    return this.asked.filter((asked) => asked.path === path).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #serve(request: Request): Promise<Response> {
    const path = new URL(request.url).pathname;
    const body = await request.json();
    this.asked.push({ path, body, authorization: request.headers.get("authorization") });
    const answer = this.answer(path, body);
    if (answer !== undefined) return await answer;
    if (path === "/v3/kv/range") return Response.json(this.#range(body));
    const watch = new FakeWatch(body.create_request as Body);
    watch.tell({ created: true }, this.revision);
    this.watches.push(watch);
    return watch.response;
  }

  #range({ key, limit = 0, min_mod_revision = 0 }: Body): Body {
    const all = [...this.keys].map(([name, { revision, value }]) => kv(name, revision, value))
      .sort((a, b) => atob(a.key) < atob(b.key) ? -1 : 1)
      .filter((kv) => atob(kv.key) >= atob(key as string));
    const wanted = all.filter(({ mod_revision }) => Number(mod_revision) >= (min_mod_revision as number));
    const kvs = wanted.slice(0, limit as number || Infinity);
    return {
      header: { ...header(this.revision), cluster_id: this.clusterId },
      ...(kvs.length === 0 ? {} : { kvs }),
      ...(kvs.length < wanted.length ? { more: true } : {}),
      count: String(all.length),
    };
  }
}

/** A key as the gateway writes it. */
export function kv(name: string, revision: number, value: string) {
  return { key: btoa(PREFIX + name), mod_revision: String(revision), version: "1", value: btoa(value) };
}

function header(revision: number): Body {
  return { cluster_id: "7", member_id: "1", revision: String(revision), raft_term: "2" };
}
