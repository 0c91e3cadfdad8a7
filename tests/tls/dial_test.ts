import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import type { Address } from "../../src/net/address.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { type Dial, dial } from "../../src/net/dial.ts";
import { acceptTls } from "../../src/tls/accept.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { ServerContext } from "../../src/tls/session/server_context.ts";
import { tlsDial, type TlsDialOptions } from "../../src/tls/dial.ts";
import { writeAll } from "../support/bytes.ts";
import { silent, startBackend } from "../support/peers.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { until } from "../support/wait.ts";
import { makePki, pki, readPiece, serverContext, TlsServer } from "./tls_fixture.ts";

const NEVER = new AbortController().signal;

function dialler(options: Partial<TlsDialOptions>): Dial {
  return tlsDial({ dial, buffers: new BufferPool(), ...options });
}

function addressOf({ port }: TlsServer, host = "127.0.0.1"): Address {
  return { kind: "tcp", host, port };
}

/** Connects and resolves to the first that the server says. */
async function talk(to: Dial, address: Address): Promise<string | null> {
  const connection = await to(address, NEVER);
  try {
    return await readPiece(connection);
  } finally {
    connection.close();
  }
}

/** The reason for which a dial fails. */
async function reason(to: Dial, address: Address): Promise<string> {
  return (await assertRejects(() => to(address, NEVER), TlsHandshakeError)).reason;
}

Deno.test("the backend is verified by the name or the address that is dialled, unless another one is given", async () => {
  const { ca, server, client } = await pki();
  await using peer = new TlsServer(serverContext(await pki()));
  const own = { ca: ca.certPem, cert: client.chainPem, key: client.keyPem };
  assertEquals(await talk(dialler(own), addressOf(peer)), "hello\n");
  assertEquals(await talk(dialler(own), addressOf(peer, "localhost")), "hello\n");
  assertEquals(await talk(dialler({ ...own, serverName: "server.test" }), addressOf(peer)), "hello\n");
  assertEquals(await reason(dialler({ ...own, serverName: "other.test" }), addressOf(peer)), "name-mismatch");
  assertEquals(server.chainPem.length > 0, true);
});

Deno.test("rules stand in the place of the name, not in the place of the CA", async () => {
  const [good, other] = [await pki(), await makePki()];
  await using peer = new TlsServer(serverContext(good, { clientAuth: "none" }));
  const by = (allow: TlsDialOptions["allow"], ca = good.ca.certPem) =>
    dialler({ ca, serverName: "no.such.name", allow });
  assertEquals(await talk(by([{ dns: "server.test" }]), addressOf(peer)), "hello\n");
  assertEquals(await talk(by([{ cn: "x" }, { ip: "127.0.0.1" }]), addressOf(peer)), "hello\n");
  assertEquals(await reason(by([{ cn: "x" }]), addressOf(peer)), "not-allowed");
  assertEquals(await reason(by([{ any: true }], other.ca.certPem), addressOf(peer)), "unknown-ca");
  assertEquals(await reason(by([]), addressOf(peer)), "not-allowed");
});

Deno.test("a rule about backends can be bound to a CA, and join conditions", async () => {
  const [good, other] = [await makePki("ecdsa-p256", "One"), await makePki("ecdsa-p256", "Two")];
  await using peer = new TlsServer(serverContext(good, { clientAuth: "none" }));
  const ca = good.ca.certPem + other.ca.certPem;
  const by = (...allow: NonNullable<TlsDialOptions["allow"]>) =>
    dialler({ ca, serverName: "no.such.name", allow });
  const joined = [{ dns: "server.test" }, { ip: "127.0.0.1" }];
  assertEquals(await talk(by({ any: true, ca: good.ca.certPem }), addressOf(peer)), "hello\n");
  assertEquals(await talk(by({ all: joined, ca: good.ca.certPem }), addressOf(peer)), "hello\n");
  assertEquals(await reason(by({ any: true, ca: other.ca.certPem }), addressOf(peer)), "not-allowed");
  assertEquals(await reason(by({ all: joined, ca: other.ca.certPem }), addressOf(peer)), "not-allowed");
  assertEquals(await reason(by({ all: [...joined, { cn: "other" }] }), addressOf(peer)), "not-allowed");
  // With the runtime's own roots the path is not known.
  assertThrows(
    () => dialler({ serverName: "a.test", allow: [{ any: true, ca }] }),
    CulvertError,
    "without ca",
  );
});

Deno.test("a backend on a unix socket is verified by its given name or by rules", async () => {
  const { ca, server } = await pki();
  await using folder = new TemporaryFolder();
  const path = folder.file("backend.sock");
  const context = new ServerContext({ cert: server.chainPem, key: server.keyPem });
  using backend = startBackend(async (connection) => {
    const session = await acceptTls(connection, { context, signal: NEVER, buffers: new BufferPool() });
    await writeAll(session.connection, new TextEncoder().encode("hello\n"));
    await readPiece(session.connection);
  }, { path });
  const address: Address = { kind: "unix", path };
  assertEquals(await talk(dialler({ ca: ca.certPem, serverName: "server.test" }), address), "hello\n");
  assertEquals(await talk(dialler({ ca: ca.certPem, allow: [{ dns: "server.test" }] }), address), "hello\n");
  assertEquals(await talk(dialler({ ca: ca.certPem, verify: false }), address), "hello\n");
  const { accepted } = backend;
  await assertRejects(() => dialler({ ca: ca.certPem })(address, NEVER), CulvertError, "no name");
  assertEquals(backend.accepted, accepted);
});

Deno.test("bad material and bad rules are found before the first dial", async () => {
  const { ca, client } = await pki();
  const other = await makePki();
  const bad: Partial<TlsDialOptions>[] = [
    { ca: "garbage" },
    { ca: "" },
    { ca: ca.certPem, cert: client.chainPem },
    { ca: ca.certPem, cert: client.chainPem, key: other.client.keyPem },
    { ca: ca.certPem, cert: "garbage", key: client.keyPem },
    { ca: ca.certPem, allow: [{ spki: "x" }] },
  ];
  for (const options of bad) assertThrows(() => dialler(options), CulvertError);
});

Deno.test("rules without verification are refused, as they would mean nothing", () => {
  const make = () => dialler({ verify: false, allow: [{ cn: "db" }] });
  assertEquals(assertThrows(make, CulvertError, "without verification").code, "bad_tls_options");
});

Deno.test("the handshake counts within the time of the dial, and what was dialled is closed", async () => {
  using mute = startBackend(silent);
  const [, port] = mute.address.split(":");
  const stop = new AbortController();
  const dialling = dialler({})({ kind: "tcp", host: "127.0.0.1", port: Number(port) }, stop.signal);
  await until(() => mute.live.size === 1, { what: "the backend to be reached" });
  stop.abort();
  await assertRejects(() => dialling, TlsHandshakeError);
  await until(() => mute.live.size === 0, { what: "the connection to be closed" });
});

Deno.test("what the dial below throws comes through", async () => {
  const error = new Deno.errors.ConnectionRefused("connection refused");
  const to = dialler({ dial: () => Promise.reject(error) });
  assertEquals(await to({ kind: "tcp", host: "127.0.0.1", port: 1 }, NEVER).catch((caught) => caught), error);
});
