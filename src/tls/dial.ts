import { CulvertError } from "../core/errors.ts";
import type { Address } from "../net/address.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Connection } from "../net/connection.ts";
import type { Dial } from "../net/dial.ts";
import { PrefixedConnection } from "../net/prefixed_connection.ts";
import { BoundedCache } from "../core/bounded_cache.ts";
import { ClientContext, type ClientContextOptions } from "./client_context.ts";
import { connectTls } from "./connect.ts";
import type { TlsSession } from "./session/handshake.ts";
import { identityOf, readIdentity } from "./x509/identity.ts";
import type { PathAuthorizer } from "./x509/path/check.ts";
import { type AllowRule, compilePathRules, compileRules } from "./authorize/rules.ts";
import { isJoint, requestTls } from "./starttls/start_tls.ts";
import type { StartTlsName } from "./starttls/protocol.ts";
import type { VerifyPeer } from "./authorize/verify_peer.ts";

/** Names for which a context is kept: one for each backend, where these are known by their addresses. */
const MAX_CONTEXTS = 1024;

/** Options of {@linkcode tlsDial}. */
export interface TlsDialOptions
  extends Omit<ClientContextOptions, "serverName" | "verifyPeer" | "verifyName" | "authorizer"> {
  /** The name that is asked for and verified. @default the address's host; a unix socket has none */
  readonly serverName?: string | undefined;
  /** Which of the CA's certificates will do, in the place of the name. */
  readonly allow?: readonly AllowRule[] | undefined;
  /**
   * The protocol in which TLS is asked for. What the server greets with before TLS is then the first that can be read, as
   * it is without TLS. @default TLS is spoken from the first byte on
   */
  readonly starttls?: StartTlsName | undefined;
  /** Opens the connection that TLS is spoken over. */
  readonly dial: Dial;
  /** Lends the read buffers. */
  readonly buffers: BufferPool;
}

/**
 * Makes a dialler that speaks TLS. The handshake counts within the time of the dial; a server that can't be
 * trusted is a dial that fails.
 *
 * @throws {CulvertError} `bad_certificate`, `bad_tls_options` or `bad_rule`.
 *
 * @example Both ends of mutual TLS, with certificates that are made here
 * ```ts
 * import { BufferPool } from "../net/buffers.ts";
 * import { dial } from "../net/dial.ts";
 * import { createAuthority } from "./authority/authority.ts";
 * import { tlsDial } from "./dial.ts";
 * import { TlsGate } from "./gate.ts";
 *
 * const authority = await createAuthority();
 * const server = await authority.issueServer({ names: ["db.example.org"] });
 * const client = await authority.issueClient({ cn: "alice" });
 * const ca = authority.certPem;
 * const buffers = new BufferPool();
 * const signal = AbortSignal.timeout(10_000);
 *
 * const gate = new TlsGate({
 *   ...{ cert: server.chainPem, key: server.keyPem },
 *   ...{ clientAuth: "require", ca, allow: [{ cn: "alice" }] },
 * });
 * using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const accepting = listener.accept().then((connection) => gate.enter(connection, { signal, buffers }));
 *
 * const connectTls = tlsDial({
 *   ...{ ca, cert: client.chainPem, key: client.keyPem, serverName: "db.example.org" },
 *   ...{ dial, buffers },
 * });
 * const { port } = listener.addr as Deno.NetAddr;
 * const connection = await connectTls({ kind: "tcp", host: "127.0.0.1", port }, signal);
 *
 * const { session, identity } = await accepting;
 * console.log(identity?.commonNames); // ["alice"]
 * connection.close();
 * session.connection.close();
 * ```
 */
export function tlsDial(options: TlsDialOptions): Dial {
  const connect = tlsConnector(options);
  return async (address, signal) => (await connect(address, signal)).connection;
}

/** A connection to `address` that is there already, and over which nothing of TLS has been said yet. */
export interface OpenConnection {
  /** What tells it from an address. */
  readonly kind: "open";
  /** The address of the other end; its host is the name to verify where no other is given. */
  readonly address: Address;
  /** The connection itself. */
  readonly connection: Connection;
}

/**
 * Begins TLS with an address, to which it opens a connection, or over a connection that is open,
 * which it owns from then on. The caller closes the session's connection.
 */
export interface TlsConnect {
  (to: Address | OpenConnection, signal: AbortSignal, options?: TlsConnectOptions): Promise<BackendSession>;
  /** TLS begins in the middle of a login, which takes the client: it can't be begun ahead of it. @default {false} */
  readonly joins?: boolean;
}

/** A session with a backend. */
export interface BackendSession extends Omit<TlsSession, "connection"> {
  /** Clear text, after the greeting where there was one before TLS. Closing it closes the connection below. */
  readonly connection: Connection;
}

/** What one connection asks for besides. */
export interface TlsConnectOptions {
  /**
   * HTTP/1.1 will be spoken, as a health check does: where protocols are offered by ALPN, `http/1.1` is offered in
   * their place, and TLS is spoken from the first byte on. @default {false}
   */
  readonly http?: boolean | undefined;
  /** The server awaits TLS: it has been asked for it. @default {false} */
  readonly asked?: boolean;
}

const HTTP_ALPN: readonly string[] = ["http/1.1"];

/**
 * As {@linkcode tlsDial}, with what was negotiated and the certificates that the server sent.
 *
 * @throws {CulvertError} `bad_certificate`, `bad_tls_options` or `bad_rule`.
 */
export function tlsConnector(options: TlsDialOptions): TlsConnect {
  const { dial, buffers, serverName, starttls, alpn = [] } = options;
  const contexts = new BoundedCache<ClientContext>({
    ...{ entries: MAX_CONTEXTS, weight: MAX_CONTEXTS, weigh: () => 1 },
  });
  const contextFor = (host: string) => {
    const known = contexts.get(host);
    if (known !== undefined) return known;
    const made = makeContext(options, host);
    contexts.set(host, made);
    return made;
  };
  contextFor(serverName ?? "localhost"); // Bad credentials are an error now, not at the first connection.
  const connect: TlsConnect = async (to, signal, { http = false, asked = false } = {}) => {
    const isOpen = to.kind === "open";
    const address = isOpen ? to.address : to;
    const context = contextFor(serverName ?? (address.kind === "tcp" ? address.host : ""));
    const connection = isOpen ? to.connection : await dial(to, signal);
    const offered = http && alpn.length > 0 ? HTTP_ALPN : undefined;
    const greeting = starttls && !http && !asked
      ? await requestTls(connection, { protocol: starttls, signal })
      : undefined;
    const session = await connectTls(connection, { context, signal, buffers, alpn: offered });
    if (greeting === undefined) return session;
    return { ...session, connection: new PrefixedConnection(session.connection, greeting) };
  };
  return Object.assign(connect, { joins: isJoint(starttls) });
}

function makeContext(options: TlsDialOptions, serverName: string): ClientContext {
  const { allow, verify = true } = options;
  if (!verify && allow !== undefined) {
    throw new CulvertError(
      "bad_tls_options",
      "Cannot use rules without verification: expected one of the two",
    );
  }
  // Without rules there must be a name: the CA alone says nothing about whose certificate it is.
  if (allow === undefined) return new ClientContext({ ...options, serverName, verifyName: verify });
  const own = { ...options, serverName, verifyName: false };
  if (options.ca !== undefined) return new ClientContext({ ...own, authorizer: authorizerOf(allow) });
  if (allow.some(({ ca }) => ca !== undefined)) {
    throw new CulvertError(
      "bad_tls_options",
      "Cannot use a rule with ca without ca of the connection itself",
    );
  }
  return new ClientContext({ ...own, verifyPeer: verifierOf(allow) });
}

function authorizerOf(rules: readonly AllowRule[]): PathAuthorizer {
  const allowed = compilePathRules(rules);
  return {
    check(path) {
      const identity = identityOf(path[0]!);
      if (allowed(identity, path) !== undefined) return undefined;
      return { reason: "not-allowed", detail: `no rule allows ${identity.subject}` };
    },
  };
}

/** With the runtime's own roots, the path is not known. */
function verifierOf(rules: readonly AllowRule[]): VerifyPeer {
  const allowed = compileRules(rules);
  return ([leaf]) => {
    const identity = readIdentity(leaf!);
    if (allowed(identity) !== undefined) return { ok: true };
    return { ok: false, reason: "not-allowed", detail: `no rule allows ${identity.subject}` };
  };
}
