import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Issued } from "../../src/tls/authority/options.ts";
import type { TlsSession } from "../../src/tls/session/handshake.ts";
import { readIdentity } from "../../src/tls/x509/identity.ts";
import { ServerContext } from "../../src/tls/session/server_context.ts";
import { Child } from "../support/child.ts";
import { freePort } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { connect, readLine, refused, silent, startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { AccessLines, type OwnPaths, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { readText, writeAll } from "../support/bytes.ts";
import { until, within } from "../support/wait.ts";
import { derOf, inDays } from "../tls/pki.ts";
import { makePki, serverContext, TlsServer } from "../tls/tls_fixture.ts";

/** Speaks in plain with the program; what comes back. */
async function talk(culvert: Culvert, service = "main"): Promise<string> {
  using client = await connect(culvert.port(service));
  await client.write(new TextEncoder().encode("ping\n"));
  return await within(readText(client).catch(() => ""), { what: "the end of the answer" });
}

/** A backend with this certificate that requests no client certificate. */
function backendWith({ chainPem, keyPem }: Issued): TlsServer {
  return new TlsServer(new ServerContext({ cert: chainPem, key: keyPem }));
}

/** OpenSSL's server, which wants a client's certificate and sends lines back the other way round. */
async function startOpenssl(
  version: "1.2" | "1.3",
  { ca, cert, key }: OwnPaths & { readonly ca: string },
): Promise<AsyncDisposable & { address: string; said(): string }> {
  const address = `127.0.0.1:${freePort()}`;
  const args = ["s_server", "-accept", address, version === "1.2" ? "-tls1_2" : "-tls1_3", "-rev"];
  args.push("-cert", cert, "-key", key, "-CAfile", ca, "-Verify", "1", "-verify_return_error");
  const child = new Child({ program: "openssl", args });
  await until(() => child.stdout.includes("ACCEPT"), { what: "OpenSSL to listen" });
  const said = () => child.stderr + child.stdout;
  return { address, said, [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]() };
}

for (const version of ["1.2", "1.3"] as const) {
  for (const algorithm of ["ecdsa-p256", "rsa-2048"] as const) {
    testWith(
      ["openssl"],
      `OpenSSL as a backend sees our certificate, TLS ${version}, ${algorithm}`,
      async () => {
        const pki = await makePki(algorithm);
        await using files = new TlsFiles();
        const ca = files.put("ca.pem", pki.ca.certPem);
        await using server = await startOpenssl(version, { ca, ...files.putOwn("server", pki.server) });
        const upstreamTls = { ca, ...files.putOwn("client", pki.client), serverName: "server.test" };
        await using culvert = await startCulvert(tlsConfig({ backends: [server.address], upstreamTls }));
        {
          using client = await connect(culvert.port("main"));
          await client.write(new TextEncoder().encode("ping\n"));
          assertEquals(await readLine(client), "gnip");
        }
        assertMatch(server.said(), /CN *= *alice/);
        await culvert.waitFor({ message: "connection closed" });
        await culvert.finish();
      },
    );
  }
}

Deno.test("a backend must have the name that its upstream asks for, whatever the environment variables", async (t) => {
  const pki = await makePki();
  const other = await makePki();
  const { ca } = pki;
  const named = await ca.issueServer({ names: ["db.test"] });
  const spiffe = await ca.issue({ cn: "db", uri: "spiffe://example.org/ns/prod/sa/db" });
  const old = await ca.issueServer({ names: ["127.0.0.1"], notBefore: inDays(-9), notAfter: inDays(-1) });
  const early = await ca.issueServer({ names: ["127.0.0.1"], notBefore: inDays(1), notAfter: inDays(9) });
  const clients = await ca.issueClient({ cn: "x", ip: "127.0.0.1" });
  const spki = `sha256/${readIdentity(derOf(named.certPem)[0]!).spkiSha256}`;
  await using files = new TlsFiles();
  const own = { ca: files.put("ca.pem", ca.certPem) };
  /** The TLS of the upstream, the certificate of the backend, and the error; undefined if it is accepted. */
  const cases: readonly [tls: Record<string, unknown>, backend: Issued, fault: RegExp | undefined][] = [
    [own, pki.server, undefined],
    [{ ...own, serverName: "db.test" }, named, undefined],
    [{ ...own, allow: [{ dns: "db.test" }] }, named, undefined],
    [{ ...own, allow: [{ spki }] }, named, undefined],
    [{ ...own, allow: [{ cn: "nobody" }, { uri: "spiffe://example.org/ns/prod/sa/*" }] }, spiffe, undefined],
    [{ ...own, verify: false }, other.server, undefined],
    [own, named, /not for 127\.0\.0\.1/],
    [{ ...own, serverName: "other.test" }, named, /not for other\.test/],
    [{ ...own, allow: [{ dns: "other.test" }] }, named, /no rule allows CN=db\.test/],
    [{ ...own, allow: [{ dns: "db.test" }] }, other.server, /issuer/],
    [own, other.server, /issuer/],
    [{}, pki.server, /certificate/],
    [own, old, /expired/],
    [own, early, /not valid before/],
    [own, clients, /usage/],
  ];
  await using backends = new AsyncDisposableStack();
  const upstreams = cases.map(([tls, issued]) => {
    const { port } = backends.use(backendWith(issued));
    return `upstream: {tls: ${JSON.stringify(tls)}, backends: [{address: "127.0.0.1:${port}"}]}`;
  });
  const config = tlsConfig({ backends: ["127.0.0.1:1"] }) +
    upstreams.map((upstream, index) => `  - {name: s${index}, listen: ["127.0.0.1:0"], ${upstream}}\n`).join(
      "",
    );
  await using culvert = await startCulvert(config, { env: { NODE_TLS_REJECT_UNAUTHORIZED: "0" } });
  const warnings = culvert.found({ level: "WARN" }).map(({ message }) => message);
  assertEquals(warnings, ["upstream s5: the backends' certificates are NOT verified (tls.verify: false)"]);
  for (const [index, [tls, , fault]] of cases.entries()) {
    await t.step(`${JSON.stringify(tls)}: ${fault ?? "fine"}`, async () => {
      for (let i = 1; i <= 2; i++) {
        assertEquals(await talk(culvert, `s${index}`), fault === undefined ? "hello\nping\n" : "");
        const line = await culvert.waitFor({ message: "connection closed", service: `s${index}` }, i);
        assertEquals(line.reason, fault === undefined ? "backend-closed" : "connect-failed");
        if (fault !== undefined) assertMatch(String(line.error), fault);
      }
    });
  }
  await culvert.finish();
});

Deno.test("a backend that can't be trusted, or never answers, is passed over for the next", async () => {
  const [pki, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  await using bad = backendWith(other.server);
  using mute = startBackend(silent);
  await using good = new TlsServer(serverContext(pki));
  const upstreamTls = { ca: files.put("ca.pem", pki.ca.certPem), ...files.putOwn("client", pki.client) };
  const config = (backends: readonly string[], more = "") =>
    tlsConfig({ backends, upstreamTls, upstream: `balance: first${more}`, timeouts: "connect: 400ms" });
  const addressOf = ({ port }: TlsServer) => `127.0.0.1:${port}`;
  const all = config([addressOf(bad), mute.address, addressOf(good)]);
  const onlyMute = config([mute.address]);
  await using culvert = await startCulvert(all, { later: [onlyMute] });
  const lines = new AccessLines(culvert);

  assertEquals(await talk(culvert), "hello\nping\n");
  const line = await lines.next();
  assertEquals([line.tries, line.backend], [3, addressOf(good)]);
  const reached = culvert.found({ message: "cannot connect to backend" });
  assertEquals(reached.map(({ backend }) => backend), [addressOf(bad), mute.address]);
  assertStringIncludes(String(reached[0]?.error), "issuer");

  await culvert.reload(onlyMute);
  assertEquals(await talk(culvert), "");
  const failed = await lines.next();
  assertEquals(failed.reason, "connect-failed");
  assertMatch(String(failed.error), /handshake timed out/);
  await until(() => mute.live.size === 0, { what: "the silent backend to be let go" });
  await culvert.finish();
});

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["openssl"],
    `a backend that refuses our certificate ends the connection, TLS ${version}`,
    async () => {
      const [pki, other] = [await makePki(), await makePki()];
      await using files = new TlsFiles();
      const ca = files.put("ca.pem", pki.ca.certPem);
      await using server = await startOpenssl(version, { ca, ...files.putOwn("server", pki.server) });
      const upstreamTls = { ca, ...files.putOwn("client", other.client), serverName: "server.test" };
      await using culvert = await startCulvert(tlsConfig({ backends: [server.address], upstreamTls }));
      assertEquals(await talk(culvert), "");
      const { reason, error } = await culvert.waitFor({ message: "connection closed" });
      assertEquals(reason, "connect-failed");
      assertMatch(String(error), /it sent the alert/);
      await culvert.finish();
    },
  );
}

Deno.test("certificates for the backends change by reload, and live connections stay", async () => {
  const [before, after] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  await using old = new TlsServer(serverContext(before), { handler: hold });
  await using next = new TlsServer(serverContext(after));
  const put = ({ ca, client }: typeof before) => ({
    ca: files.put("ca.pem", ca.certPem),
    ...files.putOwn("client", client),
  });
  const config = ({ port }: TlsServer, upstreamTls: unknown) =>
    tlsConfig({ backends: [`127.0.0.1:${port}`], upstreamTls, upstream: "onRemove: drain" });
  const upstreamTls = put(before);
  await using culvert = await startCulvert(config(old, upstreamTls), { later: [config(next, upstreamTls)] });
  {
    using live = await connect(culvert.port("main"));
    assertEquals(await readLine(live), "held");
    put(after);
    await culvert.reload(config(next, upstreamTls));
    assertEquals(await talk(culvert), "hello\nping\n");
    await live.write(new TextEncoder().encode("bye\n"));
    assertEquals(await readLine(live), "bye");
  }
  // Bad material keeps the old.
  files.put("client.key", before.client.keyPem);
  culvert.signal("SIGHUP");
  const problem = await culvert.waitFor({ message: "bad configuration" });
  assertMatch(String(problem.problem), /client\.key.*does not match/);
  assertEquals(await talk(culvert), "hello\nping\n");
  await culvert.waitFor({ message: "connection closed" }, 3);
  await culvert.settled();
  const port = culvert.port("main");
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  await refused(port);
});

/** Says that it is there, and sends one line back. */
async function hold({ connection }: TlsSession): Promise<void> {
  await writeAll(connection, new TextEncoder().encode("held\n"));
  const buffer = new Uint8Array(100);
  const count = await connection.read(buffer);
  await writeAll(connection, buffer.subarray(0, count ?? 0));
}
