import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { connect as connectTls, type ConnectionOptions } from "node:tls";
import { type ReadProxyHeader, readProxyHeader } from "../../src/net/proxy_protocol/read.ts";
import { readText, writeAll } from "../support/bytes.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, type Handler, startBackend } from "../support/peers.ts";
import { startCulvert, THREADS } from "../support/program.ts";
import { startHaproxy } from "../support/servers.ts";
import { AccessLines, OpensslClient, type OwnPaths, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { until } from "../support/wait.ts";
import { makePki, type Pki } from "../tls/tls_fixture.ts";

/** Keeps the headers that it is sent, and sends back what comes after them. */
function collecting(headers: ReadProxyHeader["header"][]): Handler {
  return async (connection) => {
    const { header, rest } = await readProxyHeader(connection);
    headers.push(header);
    await writeAll(connection, rest);
    await echo(connection);
  };
}

/** Keeps the headers that it is sent, says `hello`, hears something, and ends. */
function greetingOnce(headers: ReadProxyHeader["header"][]): Handler {
  return async (connection) => {
    const { header, rest } = await readProxyHeader(connection);
    headers.push(header);
    await writeAll(connection, new TextEncoder().encode("hello\n"));
    if (rest.length === 0) await connection.read(new Uint8Array(100));
  };
}

/** Says hello and hears what comes back; where from. */
async function talk(port: number): Promise<{ answer: string; from: { ip: string; port: number } }> {
  using client = await connect(port);
  const { hostname: ip, port: own } = client.localAddr as Deno.NetAddr;
  await writeAll(client, new TextEncoder().encode("hello"));
  await client.closeWrite();
  return { answer: await readText(client), from: { ip, port: own } };
}

/** What the upstream of a Culvert in front shows and asks for. */
function upstreamTls(files: TlsFiles, { ca, client }: Pki) {
  return {
    ca: files.put("ca.pem", ca.certPem),
    ...files.putOwn("client", client),
    serverName: "server.test",
  };
}

for (const version of ["v1", "v2"] as const) {
  for (const minIdle of [0, 1]) {
    const what = minIdle === 0 ? "dialled now" : "dialled ahead";
    testWith(
      ["haproxy"],
      `HAProxy takes a header of ${version} before TLS, and our certificate, ${what}`,
      async () => {
        const pki = await makePki();
        await using files = new TlsFiles();
        const headers: ReadProxyHeader["header"][] = [];
        using backend = startBackend(collecting(headers));
        const crt = files.put("haproxy.pem", pki.server.chainPem + pki.server.keyPem);
        const tls = upstreamTls(files, pki);
        await using haproxy = await startHaproxy(`listen behind
  bind 127.0.0.1:PORT accept-proxy ssl crt ${crt} ca-file ${tls.ca} verify required
  unique-id-format ${version === "v2" ? "%[fc_pp_unique_id]" : "none"}
  server end ${backend.address} send-proxy-v2 proxy-v2-options unique-id`);
        await using culvert = await startCulvert(
          tlsConfig({
            backends: [haproxy.address],
            upstreamTls: tls,
            upstream: `proxyProtocol: ${version}, pool: {minIdle: ${minIdle}}`,
          }),
          { idle: minIdle },
        );
        const port = culvert.port("main");
        for (let i = 0; i < 2; i++) {
          const { answer, from } = await talk(port);
          assertEquals(answer, "hello");
          assertEquals(headers[i]!.endpoints, { source: from, destination: { ip: "127.0.0.1", port } });
          const { reason, unique_id } = await culvert.waitFor({ message: "connection closed" }, i + 1);
          assertEquals(reason, "client-closed");
          const id = new TextDecoder().decode(headers[i]!.tlvs.uniqueId);
          assertEquals(id, version === "v2" ? unique_id : "none");
          assertEquals(typeof unique_id, version === "v2" ? "string" : "undefined");
        }
        await culvert.finish();
      },
    );
  }
}

Deno.test("Culvert behind Culvert: the header names the client, TLS the proxy, and checks are accepted", async () => {
  const [pki, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const tls = upstreamTls(files, pki);
  const clientAuth = { ca: tls.ca, allow: [{ cn: "alice" }] };
  await using behind = await startCulvert(tlsConfig({
    backends: [backend.address],
    tls: { ...files.putOwn("server", pki.server), clientAuth },
    service: 'proxyProtocol: true, trusted: ["127.0.0.1"]',
  }));
  const health = "{type: tls, interval: 100ms, timeout: 5s, rise: 1, fall: 1}";
  const front = (own: Partial<OwnPaths>, upstream: string) =>
    tlsConfig({
      backends: [`127.0.0.1:${behind.port("main")}`],
      upstreamTls: { ...tls, ...own },
      upstream: `proxyProtocol: v2${upstream}`,
    });
  const checked = front({}, `, health: ${health}`);
  const untrusted = front(files.putOwn("other", other.client), "");
  await using culvert = await startCulvert(front({}, ""), { later: [checked, untrusted] });
  const lines = new AccessLines(culvert);

  const closed = { message: "connection closed", identity: "CN=alice,OU=operations" };
  const { answer, from } = await talk(culvert.port("main"));
  assertEquals([answer, await lines.reason()], ["hello", "client-closed"]);
  const { client, bytes_up } = await behind.waitFor(closed);
  assertEquals([client, bytes_up], [`127.0.0.1:${from.port}`, 5]);

  // The header of a check names no client; its TLS names the proxy all the same.
  await culvert.reload(checked);
  await behind.waitFor(closed, 4);
  assertEquals(culvert.found({ message: "backend is down" }), []);

  // A proxy that is not allowed is rejected before a client is connected.
  await culvert.reload(untrusted);
  const refused = await talk(culvert.port("main")).catch(() => undefined);
  assertEquals(refused?.answer ?? "", "");
  const { reason, error } = await lines.next();
  assertEquals(reason, "connect-failed");
  assertStringIncludes(
    String(error),
    "it closed the connection after it had received the client certificate",
  );
  await behind.waitFor({ message: "connection refused", reason: "tls-unknown-ca" });
  await culvert.finish();
  await behind.settled();
  await behind.finish();
});

Deno.test("a backend that expects no header refuses, and one that expects no TLS does not get a byte of the client's", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using plain = startBackend(echo);
  const tls = upstreamTls(files, pki);
  await using strict = await startCulvert(
    tlsConfig({ backends: [plain.address], tls: files.putOwn("server", pki.server) }),
  );
  const config = (address: string) =>
    tlsConfig({ backends: [address], upstreamTls: tls, upstream: "proxyProtocol: v1" });
  const toPlain = config(plain.address);
  await using culvert = await startCulvert(config(`127.0.0.1:${strict.port("main")}`), { later: [toPlain] });
  const lines = new AccessLines(culvert);
  for (const next of [toPlain, undefined]) {
    await talk(culvert.port("main")).catch(() => {});
    const { reason, bytes_up, tries } = await lines.next();
    assertEquals([reason, bytes_up, tries], ["connect-failed", 0, 1]);
    if (next !== undefined) await culvert.reload(next);
  }
  await culvert.finish();
  await strict.waitFor({ message: "connection refused", service: "main" });
  await strict.finish();
});

testWith(
  ["haproxy"],
  "a client's TLS is told in HAProxy's words: version, cipher, name and protocol",
  async () => {
    const pki = await makePki("rsa-2048");
    await using files = new TlsFiles();
    const headers: ReadProxyHeader["header"][] = [];
    using backend = startBackend(collecting(headers));
    const ca = files.put("ca.pem", pki.ca.certPem);
    const crt = files.put("haproxy.pem", pki.server.chainPem + pki.server.keyPem);
    await using haproxy = await startHaproxy(`listen front
  bind 127.0.0.1:PORT ssl crt ${crt} ca-file ${ca} verify optional alpn h2,postgresql
  server end ${backend.address} send-proxy-v2 proxy-v2-options ssl,cert-cn,ssl-cipher,authority`);
    const clientAuth = { ca, mode: "optional", allow: [{ any: true }] };
    await using culvert = await startCulvert(tlsConfig({
      backends: [backend.address],
      upstream: "proxyProtocol: v2",
      tls: { ...files.putOwn("server", pki.server), clientAuth, alpn: ["h2", "postgresql"] },
    }));
    const own = { cert: pki.client.chainPem, key: pki.client.keyPem };
    const clients: readonly ConnectionOptions[] = [
      { maxVersion: "TLSv1.2", ALPNProtocols: ["postgresql"], ...own },
      { maxVersion: "TLSv1.2" },
      { ALPNProtocols: ["h2"], ...own },
    ];
    for (const client of clients) {
      for (const port of [haproxy.port, culvert.port("main")]) {
        const before = headers.length;
        const socket = connectTls({
          port,
          host: "127.0.0.1",
          servername: "server.test",
          ...client,
          ca: pki.ca.certPem,
        });
        await until(() => headers.length > before, { what: "the header" });
        const closed = new Promise((resolve) => socket.once("close", resolve));
        socket.on("error", () => {});
        socket.destroy();
        await closed;
      }
      const [theirs, ours] = headers.slice(-2).map(({ tlvs }) => ({ ...tlvs, uniqueId: undefined }));
      assertEquals(ours, theirs);
      const { cipher } = ours!.ssl!;
      assertMatch(cipher!, client.maxVersion === undefined ? /^TLS_\w+$/ : /^ECDHE-RSA-AES\d+-GCM-SHA\d+$/);
    }
    await culvert.waitFor({ message: "connection closed" }, 3);
    await culvert.finish();
  },
);

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["openssl"],
    `with TLS ${version} a certificate is told as the session's once the client comes back with a ticket`,
    async () => {
      const pki = await makePki();
      await using files = new TlsFiles();
      const headers: ReadProxyHeader["header"][] = [];
      using backend = startBackend(greetingOnce(headers));
      const clientAuth = {
        ca: files.put("ca.pem", pki.ca.certPem),
        mode: "optional",
        allow: [{ any: true }],
      };
      await using culvert = await startCulvert(tlsConfig({
        backends: [backend.address],
        upstream: "proxyProtocol: v2",
        tls: { ...files.putOwn("server", pki.server), clientAuth },
      }));
      const lines = new AccessLines(culvert);
      const own = files.putOwn("alice", pki.client);
      const told: unknown[] = [];
      const wanted: unknown[] = [];
      for (const shown of [own, undefined]) {
        await using client = new OpensslClient(version);
        for (const visit of [{ keep: true }, { redeem: true }]) {
          const { entered, resumed } = await client.talk(culvert.port("main"), { own: shown, ...visit });
          assertEquals(entered, true);
          // A ticket is of one thread.
          if (THREADS === 1) assertEquals(resumed, visit.redeem === true);
          assertEquals(await lines.reason(), "backend-closed");
          const { clientCertificate, verified, commonName } = headers.at(-1)!.tlvs.ssl!;
          told.push([clientCertificate, verified, commonName]);
          const kind = resumed ? "session" : "connection";
          wanted.push(shown === undefined ? ["none", false, undefined] : [kind, true, "alice"]);
        }
      }
      assertEquals(told, wanted);
      assertEquals(headers.length, 4);
      await culvert.finish();
    },
  );
}
