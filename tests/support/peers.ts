import net from "node:net";
import { writeAll } from "./bytes.ts";
import { until } from "./wait.ts";

/** What a backend does with a connection. It is closed when that is done. */
export type Handler = (connection: Deno.Conn) => Promise<void>;

/** A backend in the test's own process. */
export interface TestBackend extends Disposable {
  /** As a configuration names it. */
  readonly address: string;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Connections that live now. */
  readonly live: ReadonlySet<Deno.Conn>;
}

/** Starts a backend on a port that the system picks, or on a unix socket. */
export function startBackend(handle: Handler, options: { path?: string } = {}): TestBackend {
  const { path } = options;
  const listener = path === undefined
    ? Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 4096 })
    : Deno.listen({ transport: "unix", path });
  const live = new Set<Deno.Conn>();
  let accepted = 0;
  const serve = (connection: Deno.Conn) => {
    accepted++;
    live.add(connection);
    void handle(connection).catch(() => {}).finally(() => {
      if (live.delete(connection)) connection.close();
    });
  };
  void acceptAll(listener, serve);
  return {
    address: path === undefined ? `127.0.0.1:${(listener.addr as Deno.NetAddr).port}` : `unix:${path}`,
    live,
    get accepted() {
      return accepted;
    },
    [Symbol.dispose]() {
      listener.close();
      for (const connection of live) connection.close();
      live.clear();
    },
  };
}

/** Until the listener closes. What was reset before it could be accepted, as a check does it, ends nothing. */
async function acceptAll(listener: Deno.Listener, serve: (connection: Deno.Conn) => void): Promise<void> {
  for (;;) {
    try {
      serve(await listener.accept());
    } catch (error) {
      if (!(error instanceof Deno.errors.NotConnected)) return;
    }
  }
}

/** Sends everything back, to the end; then ends its own side. */
export const echo: Handler = async (connection) => {
  const buffer = new Uint8Array(256 * 1024);
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return;
    await writeAll(connection, buffer.subarray(0, count));
  }
};

/** Says its name before anything else, as a line, and then sends everything back. */
export function greet(name: string): Handler {
  return async (connection) => {
    await connection.write(new TextEncoder().encode(`${name}\n`));
    await echo(connection);
  };
}

/** Reads to the end without ever saying a word. */
export const silent: Handler = async (connection) => {
  const buffer = new Uint8Array(64 * 1024);
  while (await connection.read(buffer) !== null);
};

/** A backend whose queue of connections is full: who connects waits until the deadline of the own choice. */
export async function startUnresponsive(): Promise<Disposable & { address: string }> {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0, tcpBacklog: 1 });
  const { port } = listener.addr;
  const filling = await Promise.all([1, 2].map(() => Deno.connect({ hostname: "127.0.0.1", port })));
  return {
    address: `127.0.0.1:${port}`,
    [Symbol.dispose]() {
      for (const connection of filling) connection.close();
      listener.close();
    },
  };
}

/** A backend that breaks every connection with a reset, as soon as something has come. */
export async function startResetting(): Promise<AsyncDisposable & { address: string }> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => socket.resetAndDestroy());
  });
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", () => listening.resolve());
  await listening.promise;
  const closed = Promise.withResolvers<void>();
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.close(() => closed.resolve());
      await closed.promise;
    },
  };
}

/** Connects to a port of 127.0.0.1. */
export function connect(port: number): Promise<Deno.TcpConn> {
  return Deno.connect({ hostname: "127.0.0.1", port });
}

/** A client that can break its connection with a reset, which the runtime's own connections can't. */
export async function connectResettable(port: number): Promise<{ send(text: string): void; reset(): void }> {
  const socket = net.connect(port, "127.0.0.1");
  const connected = Promise.withResolvers<void>();
  socket.once("connect", () => connected.resolve());
  socket.on("error", (error) => connected.reject(error));
  await connected.promise;
  return { send: (text) => void socket.write(text), reset: () => void socket.resetAndDestroy() };
}

/** Reads until a line feed; the text in front of it. Takes what has come after it along, so ask for one line. */
export async function readLine(connection: Deno.Conn): Promise<string> {
  let text = "";
  const buffer = new Uint8Array(1024);
  while (!text.includes("\n")) {
    const count = await connection.read(buffer);
    if (count === null) throw new Deno.errors.UnexpectedEof(`the connection ended after "${text}"`);
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text.slice(0, text.indexOf("\n"));
}

/** Sends a text and reads as much back. */
export async function exchange(connection: Deno.Conn, text: string): Promise<string> {
  const sent = new TextEncoder().encode(text);
  await writeAll(connection, sent);
  const received = new Uint8Array(sent.length);
  for (let length = 0; length < sent.length;) {
    const count = await connection.read(received.subarray(length));
    if (count === null) throw new Deno.errors.UnexpectedEof("the connection ended early");
    length += count;
  }
  return new TextDecoder().decode(received);
}

/** Resolves to how the peer has ended: by an end of stream or by a break. What comes before is passed over. */
export async function ending(connection: Deno.Conn): Promise<"end" | "reset"> {
  const buffer = new Uint8Array(64 * 1024);
  try {
    while (await connection.read(buffer) !== null);
    return "end";
  } catch {
    return "reset";
  }
}

/** Resolves when as many connections live at a backend. */
export function live(backend: TestBackend, count: number): Promise<void> {
  return until(() => backend.live.size === count, { what: `${count} live connections` });
}

/** Resolves when a port is closed. The runtime lets go of a listener a turn after it was closed. */
export function refused(port: number, hostname = "127.0.0.1"): Promise<void> {
  return until(async () => {
    const outcome = await Deno.connect({ hostname, port }).catch((error) => error);
    if (outcome instanceof Deno.errors.ConnectionRefused) return true;
    if (!(outcome instanceof Error)) outcome.close();
    return false;
  }, { what: `port ${port} to be closed` });
}
