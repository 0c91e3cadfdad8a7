import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { startCulvert } from "../support/program.ts";
import { Python } from "../support/python.ts";
import { AccessLines, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { LIBPQ_18, POSTGRES, POSTGRES_18, psql, startTlsPostgres } from "../support/tls_postgres.ts";
import { makePki } from "../tls/tls_fixture.ts";

const WHO = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
const STARTUP = "\0\0\0\x28\0\x03\0\0user\0culvert\0database\0postgres\0\0";
const TERMINATE = "X\0\0\0\x04";
const AUTHENTICATION_OK = "R\0\0\0\x08\0\0\0\0";
/** Cancels a query of its own by TLS, and asks for GSSAPI encryption first; says what it has seen. */
const CANCELLER = `
import ssl
port, ca, cert, key = int(sys.argv[1]), *sys.argv[2:5]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(cert, key)
def request(code, *more): return struct.pack("!ii", 8 + 4 * len(more), code) + b"".join(struct.pack("!i", m) for m in more)
def begin():
    s = socket.create_connection(("127.0.0.1", port), 20)
    s.sendall(request(80877104)); answers = s.recv(1)
    s.sendall(request(80877103)); answers += s.recv(1)
    return context.wrap_socket(s, server_hostname="server.test"), answers.decode()
t, answers = begin()
body = struct.pack("!i", 196608) + b"user\\0culvert\\0database\\0postgres\\0\\0"
t.sendall(struct.pack("!i", 4 + len(body)) + body)
f = t.makefile("rb"); pid = secret = 0
def message():
    kind, length = f.read(1), struct.unpack("!i", f.read(4))[0]
    return kind, f.read(length - 4)
kind = b""
while kind != b"Z":
    kind, text = message()
    if kind == b"K": pid, secret = struct.unpack("!ii", text[:8])
query = b"SELECT pg_sleep(60)\\0"
t.sendall(b"Q" + struct.pack("!i", 4 + len(query)) + query)
c, _ = begin()
c.sendall(request(80877102, pid, secret))
end = c.recv(1)
while kind != b"E": kind, text = message()
say(answers + " " + str(len(end)) + " " + text.decode().split("\\0")[2])
`;

for (const [version, programs] of [["of Debian", POSTGRES], ["18", POSTGRES_18]] as const) {
  testWith(
    ["psql", ...programs],
    `psql with sslmode=verify-full reaches PostgreSQL ${version}, by mutual TLS on both sides`,
    async (t) => {
      const pki = await makePki();
      await using files = new TlsFiles();
      const ca = files.put("ca.pem", pki.ca.certPem);
      await using server = await startTlsPostgres({
        ...{ programs, own: pki.server, ca: pki.ca.certPem, hba: "hostssl all all 127.0.0.1/32 cert" },
      });
      const own = files.putOwn("proxy", await pki.ca.issueClient({ cn: "culvert" }));
      const clientAuth = { ca, allow: [{ cn: "alice" }] };
      const config = (upstream: string, more = {}) =>
        tlsConfig({
          tls: { ...files.putOwn("server", pki.server), starttls: "postgres", clientAuth },
          backends: [`127.0.0.1:${server.port}`],
          upstreamTls: { ca, ...own, serverName: "server.test", starttls: "postgres", ...more },
          upstream,
        });
      await using culvert = await startCulvert(config(""));
      const lines = new AccessLines(culvert);
      const client = files.putOwn("client", pki.client);
      for (const { key } of [client, own]) Deno.chmodSync(key, 0o600); // psql wants it so.
      const full = `sslmode=verify-full sslrootcert=${ca} hostaddr=127.0.0.1 host=server.test`;
      const ask = (more: string) => run("psql", psql(culvert.port("main"), WHO, more));
      const shown = `${full} sslcert=${client.cert} sslkey=${client.key}`;

      await t.step("with an allowed certificate", async () => {
        assertEquals(await ask(shown), { code: 0, stdout: "/CN=culvert\n", stderr: "" });
        assertEquals((await lines.next()).identity, "CN=alice,OU=operations");
      });
      await t.step("without a certificate, and with one that no rule allows", async () => {
        assertMatch((await ask(full)).stderr, /certificate required|tlsv13 alert|SSL error/);
        assertEquals(await lines.reason(), "tls-no-certificate");
        assertEquals((await ask(`${full} sslcert=${own.cert} sslkey=${own.key}`)).code, 2);
        assertEquals(await lines.reason(), "tls-not-allowed");
      });
      await t.step("without TLS: psql is told why", async () => {
        assertStringIncludes((await ask("sslmode=disable")).stderr, "FATAL:  TLS is required");
        assertEquals(await lines.reason(), "tls-no-starttls");
      });
      await t.step(
        "with GSSAPI encryption asked for first, and a query that is cancelled by TLS",
        async () => {
          await using peer = new Python(CANCELLER, culvert.port("main"), ca, client.cert, client.key);
          assertEquals(await peer.hear(), "NS 0 C57014");
          await lines.next();
          await lines.next();
        },
      );
      await t.step("with TLS from the first byte on", async () => {
        if (version === "18") {
          const args = psql(culvert.port("main"), WHO, `${shown} sslnegotiation=direct`);
          const answer = await run("psql", args, { env: LIBPQ_18 });
          assertEquals(answer, { code: 0, stdout: "/CN=culvert\n", stderr: "" });
          await lines.next();
        }
        for (const tls of ["-tls1_2", "-tls1_3"]) {
          for (const port of [culvert.port("main"), ...(version === "18" ? [server.port] : [])]) {
            const about = `${tls} ${port === server.port ? "PostgreSQL" : "culvert"}`;
            const isServed = async (...more: readonly string[]) => {
              const { cert, key } = port === server.port ? own : client;
              const peer = ["-connect", `127.0.0.1:${port}`, "-cert", cert, "-key", key];
              const args = ["s_client", ...peer, tls, "-ign_eof", ...more];
              const { stdout } = await run("openssl", args, { input: STARTUP + TERMINATE });
              return stdout.includes(AUTHENTICATION_OK);
            };
            assertEquals(await isServed("-alpn", "postgresql"), true, about);
            assertEquals(await isServed(), false, about);
            assertEquals(await isServed("-alpn", "http/1.1"), false, about);
            if (port === server.port) continue;
            await lines.next();
            assertEquals([await lines.reason(), await lines.reason()], Array(2).fill("tls-no-shared-alpn"));
          }
        }
      });
      await t.step(
        "through connections that are dialled ahead, with their handshakes, to a backend that is checked",
        async () => {
          await culvert.reload(config("pool: {minIdle: 2}, health: {type: tls}"));
          for (let i = 0; i < 4; i++) assertEquals((await ask(shown)).stdout, "/CN=culvert\n");
          await culvert.reload(config("pool: {maxIdle: 0}"));
        },
      );
      await culvert.finish();
    },
  );
}
