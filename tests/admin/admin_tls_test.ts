import process from "node:process";
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { AdminAccess } from "../../src/admin/admin_access.ts";
import type { AdminListenerParts } from "../../src/admin/admin_listener.ts";
import type { Connection } from "../../src/net/connection.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { ClientContext } from "../../src/tls/client_context.ts";
import { connectTls } from "../../src/tls/connect.ts";
import { TlsGate, type TlsGateOptions } from "../../src/tls/gate.ts";
import { readText, writeAll } from "../support/bytes.ts";
import { output, run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { until, within } from "../support/wait.ts";
import { talkByOpenssl } from "../tls/foreign_clients.ts";
import { makeCaWeb } from "../tls/x509/path/ca_web.ts";
import { clientContext, close, makePki, type Pki, pki } from "../tls/tls_fixture.ts";
import { TestAdmin } from "./listener_fixture.ts";

const ANYWHERE = { kind: "tcp", host: "", port: 0 } as const;

function gateOf({ ca, server }: Pki, options: Partial<TlsGateOptions> = {}): TlsGate {
  return new TlsGate({
    cert: server.chainPem,
    key: server.keyPem,
    clientAuth: "require",
    ca: ca.certPem,
    allow: [{ ou: "operations" }],
    ...options,
  });
}

/** An admin listener with TLS, on all addresses. */
function start(gate: () => TlsGate, parts: Partial<AdminListenerParts> = {}): Promise<TestAdmin> {
  return TestAdmin.start({ tls: { gate, names: () => ["server.test"] }, ...parts }, ANYWHERE);
}

/** What a client with this context is told, asking for this host; `""` if it is let go without an answer. */
async function ask(
  admin: TestAdmin,
  context: ClientContext,
  { host = "server.test", socket, line = "GET /healthz" }: {
    host?: string;
    socket?: Deno.TcpConn;
    line?: string;
  } = {},
): Promise<string> {
  let session;
  try {
    const { signal } = new AbortController();
    const options = { context, signal, buffers: new BufferPool() };
    session = await connectTls(socket ?? await admin.connect(), options);
  } catch {
    return ""; // Refused in the handshake.
  }
  const { connection } = session;
  const request = `${line} HTTP/1.1\r\nHost: ${host}:${admin.port}\r\nConnection: close\r\n\r\n`;
  try {
    await writeAll(connection, new TextEncoder().encode(request));
    return await within(readText(connection), { what: "the answer" });
  } catch {
    return "";
  } finally {
    close(connection);
  }
}

/** A connection through its handshake. */
async function clientOf(admin: TestAdmin, context: ClientContext): Promise<Connection> {
  const { signal } = new AbortController();
  return (await connectTls(await admin.connect(), { context, signal, buffers: new BufferPool() })).connection;
}

function withoutCertificate({ ca }: Pki): ClientContext {
  return new ClientContext({ ca: ca.certPem, serverName: "server.test" });
}

Deno.test("with mutual TLS the API serves clients of any address that the gate allows", async () => {
  const [good, other] = [await pki(), await makePki()];
  await using admin = await start(() => gateOf(good));
  assertStringIncludes(await ask(admin, clientContext(good)), '{"status":"ok"}');
  assertEquals(await ask(admin, withoutCertificate(good)), "");
  assertEquals(await ask(admin, clientContext(other, { ca: good.ca.certPem })), "");
  const bob = await good.ca.issueClient({ cn: "bob", ou: "sales" });
  assertEquals(await ask(admin, clientContext(good, { cert: bob.chainPem, key: bob.keyPem })), "");
  assertStringIncludes(await ask(admin, clientContext(good), { host: "evil.example" }), "foreign_host");
  await until(() => admin.listener.connections === 0, { what: "all connections to end" });
  const refused = admin.log.lines.filter(({ message }) => message === "admin connection refused");
  assertEquals(refused.length, 3);
  const asked = admin.log.lines.find(({ message }) => message === "admin request");
  assertEquals(asked?.fields.identity, "CN=alice,OU=operations");
});

Deno.test("on a non-local address a client certificate is required, even if the gate does not require one", async () => {
  const good = await pki();
  for (const clientAuth of ["none", "optional"] as const) {
    await using open = await start(() =>
      gateOf(good, { clientAuth, ...(clientAuth === "none" ? { ca: undefined } : {}) })
    );
    assertEquals(await ask(open, withoutCertificate(good)), "", clientAuth);
    assert(open.log.lines.some(({ fields }) => String(fields.error).includes("no client certificate")));
    if (clientAuth === "optional") assertStringIncludes(await ask(open, clientContext(good)), "ok");
  }
});

Deno.test("on a loopback address TLS works without client certificates", async () => {
  const good = await pki();
  const gate = () => gateOf(good, { clientAuth: "none", ca: undefined });
  await using admin = await TestAdmin.start({ tls: { gate, names: () => ["server.test"] } });
  assertStringIncludes(await ask(admin, withoutCertificate(good)), '{"status":"ok"}');
});

Deno.test("a new gate applies to the next connection", async () => {
  const [before, after] = [await pki(), await makePki()];
  let gate = gateOf(before);
  await using admin = await start(() => gate);
  assertStringIncludes(await ask(admin, clientContext(before)), "ok");
  gate = gateOf(after);
  assertEquals(await ask(admin, clientContext(before)), "");
  assertStringIncludes(await ask(admin, clientContext(after)), "ok");
});

Deno.test("a client in its handshake when the gate changes must satisfy the new gate", async () => {
  const good = await pki();
  let gate = gateOf(good);
  await using admin = await start(() => gate);
  const socket = await admin.connect();
  await until(() => admin.listener.connections === 1, { what: "the connection" });
  gate = gateOf(good, { allow: [{ cn: "bob" }] });
  assertEquals(await ask(admin, clientContext(good), { socket }), "");
  assertStringIncludes(String(admin.log.lines[0]?.fields.error), "no rule allows");
});

Deno.test("a handshake has a deadline, and closing does not wait for it", async () => {
  const good = await pki();
  await using admin = await start(() => gateOf(good), { handshakeMs: 200 });
  using silent = await admin.connect();
  assertEquals(await within(readText(silent), { what: "the deadline" }), "");
  const closing = await start(() => gateOf(good), { handshakeMs: 0 });
  using waiting = await closing.connect();
  await until(() => closing.listener.connections === 1, { what: "the connection" });
  await within(closing.listener.close(), { what: "the listener to close" });
  assertEquals(await readText(waiting), "");
  assertEquals(closing.buffers.inUse.small, 0);
});

Deno.test("silent clients block neither a new client with a certificate nor an authenticated one", async () => {
  const good = await pki();
  await using admin = await start(() => gateOf(good), { maxConnections: 8 });
  const open = await clientOf(admin, clientContext(good));
  const silent: Deno.Conn[] = [];
  for (let i = 0; i < 20; i++) silent.push(await admin.connect());
  await until(() => admin.listener.connections === 8, { what: "the silent clients" });
  for (let i = 0; i < 5; i++) assertStringIncludes(await ask(admin, clientContext(good)), '{"status":"ok"}');
  const request = `GET /healthz HTTP/1.1\r\nHost: server.test:${admin.port}\r\nConnection: close\r\n\r\n`;
  await writeAll(open, new TextEncoder().encode(request));
  assertStringIncludes(await within(readText(open), { what: "the answer" }), '{"status":"ok"}');
  close(open);
  for (const connection of silent) connection.close();
});

testWith(["openssl"], "a client with a web of CAs costs the admin listener next to nothing", async () => {
  const good = await pki();
  await using admin = await start(() => gateOf(good));
  // The engine's own search takes 2.4 s of processor time for each of them.
  const { chainPem: cert, keyPem: key } = makeCaWeb();
  const before = process.cpuUsage();
  for (const version of ["1.2", "1.3"] as const) {
    const spec = {
      hostname: "127.0.0.1",
      port: admin.port,
      ca: good.ca.certPem,
      version,
      own: { cert, key },
    };
    assertEquals(await talkByOpenssl(spec), "");
  }
  const { user, system } = process.cpuUsage(before);
  assert(user + system < 1_000_000, `they took ${user + system} µs`);
  const refused = admin.log.lines.filter(({ message }) => message === "admin connection refused");
  assertEquals(refused.length, 2);
  assertStringIncludes(await ask(admin, clientContext(good)), '{"status":"ok"}');
});

Deno.test("plain HTTP to a TLS listener is rejected", async () => {
  const good = await pki();
  await using admin = await start(() => gateOf(good));
  using connection = await admin.connect();
  await writeAll(connection, new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  const text = await within(readText(connection).catch(() => ""), { what: "the end" });
  assert(!text.includes("HTTP"));
});

testWith(["curl"], "curl is accepted with a certificate, and rejected without one", async () => {
  const good = await pki();
  await using files = new TlsFiles();
  await using admin = await start(() => gateOf(good));
  const own = files.putOwn("alice", good.client);
  const url = `https://localhost:${admin.port}/healthz`;
  const trust = ["-sS", "--cacert", files.put("ca.pem", good.ca.certPem)];
  const set = ["-X", "PUT", "-H", "Content-Type: application/json", "-d", '["127.0.0.1:80"]'];
  const key = ["--cert", own.cert, "--key", own.key];
  assertEquals(await output("curl", [...trust, ...key, url]), '{"status":"ok"}\n');
  const backends = `https://127.0.0.1:${admin.port}/api/upstreams/db/backends`;
  assertStringIncludes(
    await output("curl", [...trust, ...key, ...set, backends]),
    '"address":"127.0.0.1:80"',
  );
  const { code, stdout } = await run("curl", [...trust, url]);
  assertEquals([code === 0, stdout], [false, ""]);
});

Deno.test("rules say which clients may see and which may act, and each order is logged with its client", async () => {
  const good = await makePki();
  let rules = new AdminAccess({ read: [{ cn: "viewer" }], write: [{ cn: "alice" }] });
  const gate = () => gateOf(good, { allow: [{ any: true }] });
  await using admin = await start(gate, { access: () => rules });
  const codes = async (cn: string) => {
    const context = clientContext({ ...good, client: await good.ca.issueClient({ cn }) });
    const found: string[] = [];
    for (const line of ["GET /healthz", "GET /api/status", "GET /", "POST /api/reload"]) {
      found.push(/^HTTP\/1\.1 (\d+)/.exec(await ask(admin, context, { line }))?.[1] ?? "none");
    }
    return found.join(" ");
  };
  assertEquals(await codes("alice"), "200 200 200 200");
  assertEquals(await codes("viewer"), "200 200 200 403");
  assertEquals(await codes("mallory"), "200 403 403 403");
  assertEquals(admin.target.calls, [["reload"]]);
  const orders = admin.log.lines.filter(({ message, level }) =>
    message === "admin request" && level === "info"
  );
  assertEquals(
    orders.map(({ fields: { method, path, status, identity } }) => [method, path, status, identity]),
    [
      ["POST", "/api/reload", 200, "CN=alice"],
      ["POST", "/api/reload", 403, "CN=viewer"],
      ["POST", "/api/reload", 403, "CN=mallory"],
    ],
  );
  rules = new AdminAccess({ read: [], write: [{ cn: "viewer" }] });
  assertEquals([await codes("alice"), await codes("viewer")], ["200 403 403 403", "200 200 200 200"]);
});
