// TLS by itself: real sockets on loopback, everything in one process, the client's share included.
// `deno bench -A bench/tls_bench.ts`. For resumed handshakes a client is needed that keeps tickets, which the
// runtime's do not: `openssl s_time -reuse` against a running program.
import { TimerWheel } from "../src/core/timer_wheel.ts";
import { BufferPool } from "../src/net/buffers.ts";
import type { Connection } from "../src/net/connection.ts";
import { Tunnel } from "../src/net/tunnel.ts";
import { acceptTls } from "../src/tls/accept.ts";
import { createAuthority } from "../src/tls/authority/authority.ts";
import { verifyChain } from "../src/tls/x509/path/chain.ts";
import { ClientContext } from "../src/tls/client_context.ts";
import { connectTls } from "../src/tls/connect.ts";
import { readPem } from "../src/tls/x509/pem.ts";
import { ServerContext } from "../src/tls/session/server_context.ts";
import { TrustStore } from "../src/tls/x509/path/trust_store.ts";

const MIB = 1024 * 1024;
const hostname = "127.0.0.1";
const buffers = new BufferPool();
const { signal } = new AbortController();

const ca = await createAuthority();
const server = await ca.issueServer({ names: ["server.test", hostname] });
const client = await ca.issueClient({ cn: "alice" });
const own = { cert: client.chainPem, key: client.keyPem };

const contexts = {
  "no client certificates": new ServerContext({ cert: server.chainPem, key: server.keyPem }),
  "client certificates": new ServerContext({
    cert: server.chainPem,
    key: server.keyPem,
    clientAuth: "require",
    trust: new TrustStore(ca.certPem),
  }),
};

async function connectPlain(listener: Deno.TcpListener): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  const [near, far] = await Promise.all([
    Deno.connect({ hostname, port: listener.addr.port }),
    listener.accept(),
  ]);
  near.setNoDelay(true);
  far.setNoDelay(true);
  return [near, far];
}

/** A client of the runtime's and our end of its connection. A client takes its tickets to the same port. */
async function connectSecure(
  listener: Deno.TcpListener,
  context: ServerContext,
): Promise<[Deno.TlsConn, Connection]> {
  const accepting = listener.accept().then((connection) => {
    connection.setNoDelay(true);
    return acceptTls(connection, { context, signal, buffers });
  });
  const near = await Deno.connectTls({ hostname, port: listener.addr.port, caCerts: [ca.certPem], ...own });
  const [accepted] = await Promise.all([accepting, near.handshake()]);
  return [near, accepted.connection];
}

async function readExactly(from: Connection, options: { count: number; buffer: Uint8Array }): Promise<void> {
  for (let left = options.count; left > 0;) {
    const got = await from.read(options.buffer);
    if (got === null) throw new Error("the connection has ended early");
    left -= got;
  }
}

async function writeAll(to: Connection, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await to.write(bytes.subarray(sent));
}

for (const [what, context] of Object.entries(contexts)) {
  const clientContext = new ClientContext({ serverName: "server.test", ca: ca.certPem, ...own });
  const listener = Deno.listen({ hostname, port: 0, tcpBacklog: 4096 });
  Deno.bench(`both sides of a full handshake, with ${what}`, { group: "handshake" }, async () => {
    const [near, far] = await connectPlain(listener);
    const [connected, accepted] = await Promise.all([
      connectTls(near, { context: clientContext, signal, buffers }),
      acceptTls(far, { context, signal, buffers }),
    ]);
    connected.connection.close();
    accepted.connection.close();
  });
}

// What is done with a certificate before anything is known about who has sent it.
const trust = new TrustStore(ca.certPem);
const foreignCa = await createAuthority({ name: "Foreign CA" });
const names = Array.from({ length: 5000 }, () => "a");
const shown = {
  "a client that comes back": client,
  "an untrusted client": await foreignCa.issueClient({ cn: "mallory" }),
  "an untrusted client with 5,000 names": await foreignCa.issueClient({ cn: "mallory", dns: names }),
};
for (const [what, { certPem }] of Object.entries(shown)) {
  const chain = readPem(certPem).map(({ der }) => der);
  Deno.bench(`the chain of ${what}`, { group: "chain" }, () => {
    verifyChain(chain, { trust, now: new Date(), usage: "client" });
  });
}

for (const [what, context] of [["plain TCP", undefined], ...Object.entries(contexts)] as const) {
  const front = Deno.listen({ hostname, port: 0 });
  const back = Deno.listen({ hostname, port: 0 });
  const [near, far] = context === undefined ? await connectPlain(front) : await connectSecure(front, context);
  const [dialled, origin] = await connectPlain(back);
  void new Tunnel(far, dialled, { wheel: new TimerWheel(), buffers, idleMs: 90_000 }).run();
  const name = context === undefined ? what : `TLS, ${what}`;

  const message = new Uint8Array(64);
  const small = new Uint8Array(64);
  Deno.bench(`64 bytes there and back through a tunnel: ${name}`, { group: "round trip" }, async () => {
    const echoed = readExactly(origin, { count: 64, buffer: small }).then(() => writeAll(origin, message));
    await writeAll(near, message);
    await echoed;
    await readExactly(near, { count: 64, buffer: small });
  });

  const data = new Uint8Array(64 * MIB);
  const large = new Uint8Array(MIB);
  for (const [direction, from, to] of [["up", near, origin], ["down", origin, near]] as const) {
    Deno.bench(`64 MiB ${direction} through a tunnel: ${name}`, { group: `bulk ${direction}` }, async () => {
      const received = readExactly(to, { count: data.length, buffer: large });
      await writeAll(from, data);
      await received;
    });
  }
}
