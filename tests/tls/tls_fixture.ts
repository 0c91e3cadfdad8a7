import { TrustStore } from "../../src/tls/x509/path/trust_store.ts";
import { describeError } from "../../src/core/errors.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { acceptTls, type AcceptTlsOptions } from "../../src/tls/accept.ts";
import type { Authority } from "../../src/tls/authority/authority.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import type { Issued } from "../../src/tls/authority/options.ts";
import { ClientContext, type ClientContextOptions } from "../../src/tls/client_context.ts";
import { connectTls } from "../../src/tls/connect.ts";
import type { KeyAlgorithm } from "../../src/tls/authority/generate_key.ts";
import type { TlsSession } from "../../src/tls/session/handshake.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { ServerContext, type ServerContextOptions } from "../../src/tls/session/server_context.ts";
import { writeAll } from "../support/bytes.ts";
import { within } from "../support/wait.ts";
import { testKey } from "./test_keys.ts";

/** A CA, a server that it vouches for, and a client. */
export interface Pki {
  readonly ca: Authority;
  readonly server: Issued;
  readonly client: Issued;
}

const NAMES = ["localhost", "server.test", "127.0.0.1", "::1"];
const made = new Map<KeyAlgorithm, Promise<Pki>>();

/** The same for every test of a file that asks for this kind of keys. */
export function pki(algorithm: KeyAlgorithm = "ecdsa-p256"): Promise<Pki> {
  let promise = made.get(algorithm);
  if (promise === undefined) made.set(algorithm, promise = makePki(algorithm));
  return promise;
}

/** A new one, of a new CA. */
export async function makePki(algorithm: KeyAlgorithm = "ecdsa-p256", name = "Test CA"): Promise<Pki> {
  const ca = await createAuthority({ algorithm, name, newKey: testKey });
  const server = await ca.issueServer({ names: NAMES });
  const client = await ca.issueClient({ cn: "alice", ou: "operations" });
  return { ca, server, client };
}

/** A context that asks for a certificate of this CA's. */
export function serverContext(
  { ca, server }: Pki,
  options: Partial<ServerContextOptions> & { ca?: string } = {},
): ServerContext {
  return new ServerContext({
    cert: server.chainPem,
    key: server.keyPem,
    clientAuth: "require",
    trust: new TrustStore(options.ca ?? ca.certPem),
    ...options,
  });
}

/** A context for the server of this CA's. */
export function clientContext(
  { ca, client }: Pki,
  options: Partial<ClientContextOptions> = {},
): ClientContext {
  const own = { cert: client.chainPem, key: client.keyPem };
  return new ClientContext({ ca: ca.certPem, ...own, serverName: "server.test", ...options });
}

/** How an accepted connection went: the session that was accepted, or why there is none. */
export type Outcome = { readonly session: TlsSession } | { readonly error: TlsHandshakeError };

/** A listener that speaks TLS with every client, one after the other or all at once. */
export class TlsServer implements AsyncDisposable {
  readonly port: number;
  readonly hostname: string;
  readonly buffers = new BufferPool();
  /** What the next connections are accepted with. */
  context: ServerContext;
  /** How each connection went, in the order of their ends. */
  readonly outcomes: Outcome[] = [];
  readonly #listener: Deno.TcpListener;
  readonly #handler: (session: TlsSession) => Promise<void>;
  readonly #options: Partial<AcceptTlsOptions>;
  readonly #onAccepted: (connection: Deno.Conn) => void;
  readonly #loop: Promise<void>;
  readonly #serving = new Set<Promise<void>>();
  #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(
    context: ServerContext,
    options: Partial<AcceptTlsOptions> & {
      hostname?: string;
      handler?: (session: TlsSession) => Promise<void>;
      /** Told of each connection before TLS is spoken. */
      onAccepted?: (connection: Deno.Conn) => void;
    } = {},
  ) {
    const { hostname = "127.0.0.1", handler = greetAndEcho, onAccepted = () => {}, ...more } = options;
    this.#onAccepted = onAccepted;
    this.hostname = hostname;
    this.context = context;
    this.#handler = handler;
    this.#options = more;
    this.#listener = Deno.listen({ hostname, port: 0, tcpBacklog: 1024 });
    this.port = this.#listener.addr.port;
    this.#loop = this.#accept();
  }

  /** The result of the next connection that has not been requested yet. */
  async outcome(): Promise<Outcome> {
    while (this.outcomes.length === this.#taken) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    return this.outcomes[this.#taken++]!;
  }

  /** The reason for which the next connection was refused; `ok` if it was not. */
  async reason(): Promise<string> {
    const outcome = await this.outcome();
    return "error" in outcome ? outcome.error.reason : "ok";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#loop;
    // A connection that is never ended is a failure to report, not a reason to wait for ever.
    await within(Promise.all(this.#serving), { what: "the TLS server's connections to end" });
  }

  async #accept(): Promise<void> {
    for (;;) {
      try {
        const connection = await this.#listener.accept();
        this.#onAccepted(connection);
        const serving = this.#serve(connection).finally(() => this.#serving.delete(serving));
        this.#serving.add(serving);
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
      }
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 20_000);
    try {
      const session = await acceptTls(connection, {
        context: this.context,
        buffers: this.buffers,
        signal: stop.signal,
        ...this.#options,
      });
      this.#tell({ session });
      await this.#handler(session).catch(() => {});
      close(session.connection);
    } catch (error) {
      if (!(error instanceof TlsHandshakeError)) {
        throw new Error(`not a TlsHandshakeError: ${describeError(error)}`);
      }
      this.#tell({ error });
    } finally {
      clearTimeout(timer);
    }
  }

  #tell(outcome: Outcome): void {
    this.outcomes.push(outcome);
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Says `hello`, sends one line back, and goes. */
export async function greetAndEcho({ connection }: TlsSession): Promise<void> {
  await writeAll(connection, new TextEncoder().encode("hello\n"));
  const buffer = new Uint8Array(4096);
  const count = await connection.read(buffer);
  if (count !== null) await writeAll(connection, buffer.subarray(0, count));
}

/** Sends everything back to the end, and ends. */
export async function echoAll({ connection }: TlsSession): Promise<void> {
  const buffer = new Uint8Array(65_536);
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) break;
    await writeAll(connection, buffer.subarray(0, count));
  }
  await connection.closeWrite();
}

/** Connects with the TLS of Culvert. */
export async function connect(
  port: number,
  context: ClientContext,
  options: { hostname?: string; signal?: AbortSignal; buffers?: BufferPool } = {},
): Promise<TlsSession> {
  const { hostname = "127.0.0.1", signal = new AbortController().signal, buffers = new BufferPool() } =
    options;
  const connection = await Deno.connect({ hostname, port });
  return await connectTls(connection, { context, signal, buffers });
}

/** Closes a connection that may be closed already. */
export function close(connection: Connection): void {
  try {
    connection.close();
  } catch {
    // It is.
  }
}

/** Reads one piece as text; `null` at the end. */
export async function readPiece(connection: Connection): Promise<string | null> {
  const buffer = new Uint8Array(65_536);
  const count = await connection.read(buffer);
  return count === null ? null : new TextDecoder().decode(buffer.subarray(0, count));
}

/** Two ends of a TCP connection. */
export async function socketPair(hostname = "127.0.0.1"): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  const listener = Deno.listen({ hostname, port: 0 });
  const [here, there] = await Promise.all([
    Deno.connect({ hostname, port: listener.addr.port }),
    listener.accept(),
  ]);
  listener.close();
  return [here, there];
}
