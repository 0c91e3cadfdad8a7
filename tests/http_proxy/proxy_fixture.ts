import { HttpProxy } from "../../src/http_proxy/http_proxy.ts";
import type { HttpProxyOptions } from "../../src/http_proxy/http_proxy_options.ts";
import type { AccessRecord } from "../../src/http_proxy/access_log.ts";

/** Text as bytes, one for each character. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (char) => char.charCodeAt(0));
}

function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

/** One end of a connection, with all that has come on it. */
export class RawConnection implements Disposable {
  /** What has come. */
  received = "";
  /** The other side has ended its part, or broken the connection. */
  ended = false;
  /** It was broken. */
  broken = false;
  readonly done: Promise<void>;
  readonly #connection: Deno.TcpConn;
  #waiting: (() => void)[] = [];

  constructor(connection: Deno.TcpConn) {
    this.#connection = connection;
    connection.setNoDelay();
    this.done = this.#read();
  }

  /** Sends text, one byte for each character. */
  async send(text: string): Promise<void> {
    const bytes = bytesOf(text);
    for (let sent = 0; sent < bytes.length;) sent += await this.#connection.write(bytes.subarray(sent));
  }

  /** Ends this side. */
  async end(): Promise<void> {
    await this.#connection.closeWrite();
  }

  /** Waits until what has come contains `text`. */
  async receive(text: string): Promise<void> {
    await this.until(() => this.received.includes(text));
    if (!this.received.includes(text)) throw new Error(`It ended without ${text}: ${this.received}`);
  }

  /** Waits until the condition holds, which is looked at whenever something has come, or the connection has ended. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.ended) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** Waits for the end, and returns all that has come. */
  async rest(): Promise<string> {
    await this.done;
    return this.received;
  }

  close(): void {
    try {
      this.#connection.close();
    } catch {
      // Closed already.
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  async #read(): Promise<void> {
    const buffer = new Uint8Array(64 * 1024);
    try {
      for (let count; (count = await this.#connection.read(buffer)) !== null;) {
        this.received += textOf(buffer.subarray(0, count));
        this.#changed();
      }
    } catch {
      this.broken = true;
    }
    this.ended = true;
    this.#changed();
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** An origin that does with each connection what the test says. */
export class RawOrigin implements AsyncDisposable {
  readonly address: string;
  /** In the order in which they came. */
  readonly connections: RawConnection[] = [];
  /** What becomes of each connection. */
  serve: (connection: RawConnection, index: number) => void | Promise<void>;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #loop: Promise<void>;

  constructor(serve: RawOrigin["serve"] = () => {}) {
    this.serve = serve;
    this.address = `127.0.0.1:${this.#listener.addr.port}`;
    this.#loop = this.#run();
  }

  /** All that has come, on all connections. */
  get received(): string {
    return this.connections.map((connection) => connection.received).join("");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#loop;
    for (const connection of this.connections) connection.close();
    await Promise.all(this.connections.map((connection) => connection.done));
  }

  async #run(): Promise<void> {
    try {
      for (;;) {
        const connection = new RawConnection(await this.#listener.accept());
        this.connections.push(connection);
        void Promise.resolve(this.serve(connection, this.connections.length - 1)).catch(() => {});
      }
    } catch {
      // Closed.
    }
  }
}

/** Answers each request, which must have no body, with the same text. */
export function answering(answer: string | ((request: string, count: number) => string)): RawOrigin["serve"] {
  return async (connection) => {
    for (let at = 0, count = 0;; count++) {
      let end = -1;
      await connection.until(() => (end = connection.received.indexOf("\r\n\r\n", at)) !== -1);
      if (end === -1) return;
      const request = connection.received.slice(at, at = end + 4);
      await connection.send(typeof answer === "string" ? answer : answer(request, count));
    }
  };
}

/** A small answer. */
export const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A proxy in front of one origin, or more. */
export class ProxyFixture implements AsyncDisposable {
  readonly proxy: HttpProxy;
  readonly port: number;
  readonly records: AccessRecord[] = [];
  readonly #clients: RawConnection[] = [];

  constructor(origins: readonly RawOrigin[], options: Partial<HttpProxyOptions> = {}) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    this.port = listener.addr.port;
    this.proxy = new HttpProxy(listener, {
      upstreams: { app: { backends: origins.map(({ address }) => address) } },
      onAccess: (record) => this.records.push(record),
      ...options,
    });
  }

  /** A client, which has sent `text`. */
  async client(text = ""): Promise<RawConnection> {
    const client = new RawConnection(await Deno.connect({ hostname: "127.0.0.1", port: this.port }));
    this.#clients.push(client);
    if (text !== "") await client.send(text);
    return client;
  }

  /**
   * Sends `text`, ends this side, and returns all that comes back, without the interim responses by which the proxy finds
   * out after a while whether the client is still there.
   */
  async ask(text: string): Promise<string> {
    const client = await this.client(text);
    await client.end();
    return (await client.rest()).replaceAll("HTTP/1.1 100 Continue\r\n\r\n", "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.proxy.destroy();
    for (const client of this.#clients) client.close();
    await Promise.all(this.#clients.map((client) => client.done));
  }
}
