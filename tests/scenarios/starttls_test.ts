import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { STARTTLS_NAMES, type StartTlsName } from "../../src/tls/starttls/protocol.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import type { Connection } from "../../src/net/connection.ts";
import { dial } from "../../src/net/dial.ts";
import { tlsDial } from "../../src/tls/dial.ts";
import { TlsGate } from "../../src/tls/gate.ts";
import { readText, writeAll } from "../support/bytes.ts";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect, type Handler, readLine, silent, startBackend } from "../support/peers.ts";
import { HEAD, startCulvert } from "../support/program.ts";
import { AccessLines, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { until, within } from "../support/wait.ts";
import { makePki } from "../tls/tls_fixture.ts";

const GREETINGS: Partial<Record<StartTlsName, string>> = {
  smtp: "220 backend\r\n",
  imap: "* OK backend\r\n",
  pop3: "+OK backend\r\n",
};

/** MySQL has its own test, as TLS begins in the middle of a login there. */
const NAMES = STARTTLS_NAMES.filter((name) => name !== "mysql");

const text = (data: string) => new TextEncoder().encode(data);

/** A backend that greets as its protocol has it, sends back the first that comes, and ends. */
function greetAs(protocol: StartTlsName): Handler {
  return async (connection) => {
    await writeAll(connection, text(GREETINGS[protocol] ?? ""));
    const buffer = new Uint8Array(100);
    const count = await connection.read(buffer);
    await writeAll(connection, buffer.subarray(0, count ?? 0));
  };
}

testWith(
  ["openssl"],
  "openssl s_client -starttls is accepted by mutual TLS in each protocol, and sees no greeting of a backend",
  async (t) => {
    const pki = await makePki();
    await using files = new TlsFiles();
    const ca = files.put("ca.pem", pki.ca.certPem);
    const [own, client] = [files.putOwn("server", pki.server), files.putOwn("client", pki.client)];
    const clientAuth = { ca, allow: [{ cn: "alice" }] };
    using backends = new DisposableStack();
    const services = NAMES.map((name) => {
      const { address } = backends.use(startBackend(greetAs(name)));
      const tls = JSON.stringify({ ...own, starttls: name, clientAuth });
      return `  - {name: ${name}, listen: ["127.0.0.1:0"], tls: ${tls}, upstream: {backends: ["${address}"]}}\n`;
    });
    await using culvert = await startCulvert(`${HEAD}services:\n${services.join("")}`);
    for (const name of NAMES) {
      await t.step(name, async () => {
        const args = ["s_client", "-connect", `127.0.0.1:${culvert.port(name)}`, "-starttls", name, "-quiet"];
        args.push("-CAfile", ca, "-verify_return_error", "-ign_eof");
        const certificate = ["-cert", client.cert, "-key", client.key];
        const good = await run("openssl", [...args, ...certificate], { input: "ping\n" });
        assertEquals(good.stdout, "ping\n", good.stderr);
        const closed = await culvert.waitFor({ message: "connection closed", service: name });
        assertEquals([closed.identity, closed.bytes_down], ["CN=alice,OU=operations", 5]);
        await run("openssl", args, { input: "ping\n" });
        const refused = await culvert.waitFor({ message: "connection refused", service: name });
        assertEquals([refused.reason, refused.tries], ["tls-no-certificate", 0]);
      });
    }
    await culvert.finish();
  },
);

Deno.test("a backend that does not begin TLS, or keeps silent, is passed over for the next", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using refusing = startBackend(async (connection) => {
    await connection.read(new Uint8Array(8));
    await connection.write(text("N"));
    await silent(connection);
  });
  using mute = startBackend(silent);
  using injecting = startBackend(async (connection) => {
    await connection.read(new Uint8Array(8));
    await connection.write(text("SEinjected"));
    await silent(connection);
  });
  using good = startBackend(async (connection) => {
    const gate = new TlsGate({ cert: pki.server.chainPem, key: pki.server.keyPem, starttls: "postgres" });
    const signal = AbortSignal.timeout(20_000);
    const { session } = await gate.enter(lent(connection), { signal, buffers: new BufferPool() });
    await serveLines(session.connection, "hello\n");
  });
  const upstreamTls = {
    ...{ ca: files.put("ca.pem", pki.ca.certPem), ...files.putOwn("client", pki.client) },
    ...{ serverName: "server.test", starttls: "postgres" },
  };
  await using culvert = await startCulvert(tlsConfig({
    backends: [refusing, mute, injecting, good].map(({ address }) => address),
    upstreamTls,
    upstream: "balance: first, retries: 3, outlier: {failures: 1, maxEjected: 100%}",
    timeouts: "connect: 2s",
  }));
  for (let i = 1; i <= 2; i++) {
    {
      using client = await connect(culvert.port("main"));
      assertEquals(await readLine(client), "hello");
      await client.write(text("ping\n"));
      assertEquals(await readLine(client), "ping");
    }
    const line = await culvert.waitFor({ message: "connection closed" }, i);
    // They have been ejected by then.
    assertEquals([line.tries, line.backend], [i === 1 ? 4 : 1, good.address]);
  }
  const errors = culvert.found({ message: "cannot connect to backend" }).map(({ error }) => String(error));
  assertMatch(errors[0]!, /it does not start TLS: it answered "N"/);
  assertMatch(errors[1]!, /timed out/);
  assertMatch(errors[2]!, /9 unencrypted bytes followed/);
  await culvert.finish();
});

Deno.test("silent clients are given up at timeouts.handshake, and yield their places before that", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using backend = startBackend(greetAs("smtp"));
  const tls = { ...files.putOwn("server", pki.server), starttls: "smtp" };
  const config = (service: string, timeouts: string) =>
    tlsConfig({ tls, service, timeouts, backends: [backend.address] });
  await using culvert = await startCulvert(config("", "handshake: 300ms"));
  const lines = new AccessLines(culvert);
  {
    using client = await connect(culvert.port("main"));
    await client.write(text("EHLO a\r\n")); // And then nothing.
    const heard = await within(readText(client), { what: "the end" });
    assertStringIncludes(heard, "250 STARTTLS\r\n");
    assertEquals(await lines.reason(), "handshake");
  }
  await culvert.reload(config("maxHandshakes: 2", "handshake: 60s"));
  const silentOnes = await Promise.all([1, 2].map(() => connect(culvert.port("main"))));
  await until(() => culvert.connections() === 2, { what: "both clients to be accepted" });
  using stack = new DisposableStack();
  for (const each of silentOnes) stack.use(each);
  // Each has a short time of its own, in which the next client is refused.
  await until(async () => {
    // Of more than 20 refusals a second the log has no line each.
    await new Promise((resolve) => setTimeout(resolve, 100));
    using third = await connect(culvert.port("main"));
    return (await readLine(third).catch(() => "")).startsWith("220 ");
  }, { what: "a silent client to yield its place" });
  await culvert.waitFor((line) => line.reason === "refused-by-handshakes" && line.tries === 0);
  assertEquals(backend.accepted, 0);
});

/** Reads a line, byte by byte: what follows it belongs to another reader. */
async function readLineOnly(connection: Connection): Promise<string> {
  const [line, byte] = [[] as number[], new Uint8Array(1)];
  while (line.at(-1) !== 0x0a) {
    if (await connection.read(byte) === null) throw new Error("the connection ended");
    line.push(byte[0]!);
  }
  return String.fromCharCode(...line);
}

/** Greets, unless the gate has, and sends lines back. */
async function serveLines(connection: Connection, greeting: string): Promise<void> {
  await writeAll(connection, text(greeting));
  try {
    for (;;) await writeAll(connection, text(await readLineOnly(connection)));
  } catch {
    // The client has left.
  }
}

/** A backend of each kind, behind a PROXY header or not: in plain, with TLS from the start, asked for TLS. */
function startKind(
  kind: Kind,
  { gate, told }: { gate: TlsGate; told: boolean },
): Disposable & { address: string } {
  return startBackend(async (connection) => {
    if (told) assertMatch(await readLineOnly(connection), /^PROXY /);
    if (kind === "plain") return await serveLines(connection, GREETINGS.smtp!);
    const signal = AbortSignal.timeout(20_000);
    const { session, greeted } = await gate.enter(lent(connection), { signal, buffers: new BufferPool() });
    await serveLines(session.connection, greeted === undefined ? GREETINGS.smtp! : "");
  });
}

/** A connection that only its owner closes. */
function lent(connection: Deno.Conn): Connection {
  return {
    read: (buffer) => connection.read(buffer),
    write: (bytes) => connection.write(bytes),
    closeWrite: () => connection.closeWrite(),
    close() {},
  };
}

const KINDS = ["plain", "tls", "starttls"] as const;
type Kind = typeof KINDS[number];

Deno.test("each client sees one greeting, whichever side asks for TLS, with pools and PROXY headers too", async (t) => {
  const pki = await makePki();
  await using files = new TlsFiles();
  const pems = { cert: pki.server.chainPem, key: pki.server.keyPem };
  const gates = {
    plain: undefined,
    tls: new TlsGate(pems),
    starttls: new TlsGate({ ...pems, starttls: "smtp" }),
  };
  const ca = files.put("ca.pem", pki.ca.certPem);
  const own = files.putOwn("server", pki.server);
  using backends = new DisposableStack();
  const services: string[] = [];
  const pairs: { name: string; client: Kind; backend: Kind }[] = [];
  for (const backend of KINDS) {
    for (
      const [how, more] of [["", ""], ["-pool", "pool: {minIdle: 1}, "], [
        "-told",
        "pool: {minIdle: 1}, proxyProtocol: v1, ",
      ]]
    ) {
      const told = how === "-told";
      const { address } = backends.use(startKind(backend, { gate: gates[backend] ?? gates.tls, told }));
      const tls = { ca, serverName: "server.test", ...(backend === "starttls" ? { starttls: "smtp" } : {}) };
      const upstreamTls = backend === "plain" ? "" : `tls: ${JSON.stringify(tls)}, `;
      for (const client of KINDS) {
        const name = `${client}-to-${backend}${how}`;
        const ofService = { ...own, ...(client === "starttls" ? { starttls: "smtp" } : {}) };
        const serviceTls = client === "plain" ? "" : `tls: ${JSON.stringify(ofService)}, `;
        const upstream = `{${more}${upstreamTls}backends: ["${address}"]}`;
        services.push(`  - {name: ${name}, listen: ["127.0.0.1:0"], ${serviceTls}upstream: ${upstream}}\n`);
        pairs.push({ name, client, backend });
      }
    }
  }
  await using culvert = await startCulvert(`${HEAD}services:\n${services.join("")}`, { idle: 18 });
  const base = { dial, buffers: new BufferPool(), ca: pki.ca.certPem, serverName: "server.test" };
  const ways = { plain: dial, tls: tlsDial(base), starttls: tlsDial({ ...base, starttls: "smtp" }) };
  for (const { name, client, backend } of pairs) {
    await t.step(name, async () => {
      for (let i = 0; i < 2; i++) {
        const to = { kind: "tcp", host: "127.0.0.1", port: culvert.port(name) } as const;
        const connection = await ways[client](to, AbortSignal.timeout(20_000));
        const asked = client === "starttls" || backend === "starttls";
        const greeting = asked ? "220 localhost ESMTP\r\n" : GREETINGS.smtp;
        assertEquals(await readLineOnly(connection), greeting);
        await writeAll(connection, text("ping\r\n"));
        assertEquals(await readLineOnly(connection), "ping\r\n");
        connection.close();
      }
    });
  }
  await culvert.finish();
});

Deno.test("a backend that greets a client of STARTTLS with a refusal is passed over for the next", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using busy = startBackend(async (connection) => {
    await connection.write(text("421 too busy\r\n"));
    await silent(connection);
  });
  using mute = startBackend(silent);
  using good = startBackend(greetAs("smtp"));
  await using culvert = await startCulvert(tlsConfig({
    backends: [busy.address, mute.address, good.address],
    tls: { ...files.putOwn("server", pki.server), starttls: "smtp" },
    upstream: "balance: first",
    timeouts: "connect: 2s",
  }));
  const connectTls = tlsDial({
    ...{ dial, buffers: new BufferPool(), ca: pki.ca.certPem, serverName: "server.test", starttls: "smtp" },
  });
  const to = { kind: "tcp", host: "127.0.0.1", port: culvert.port("main") } as const;
  const connection = await connectTls(to, AbortSignal.timeout(20_000));
  await readLineOnly(connection);
  await writeAll(connection, text("ping\r\n"));
  assertEquals(await readLineOnly(connection), "ping\r\n");
  connection.close();
  const { tries, backend } = await culvert.waitFor({ message: "connection closed" });
  assertEquals([tries, backend], [3, good.address]);
  const errors = culvert.found({ message: "cannot connect to backend" }).map(({ error }) => String(error));
  assertMatch(errors[0]!, /it answered "421 too busy"/);
  assertMatch(errors[1]!, /timed out after 2000ms/);
  await culvert.finish();
});
