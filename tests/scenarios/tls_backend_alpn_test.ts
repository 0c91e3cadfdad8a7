import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect, readLine } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { POSTGRES_18, psql, startTlsPostgres } from "../support/tls_postgres.ts";
import { startOpensslServer } from "../tls/openssl_server.ts";
import { makePki } from "../tls/tls_fixture.ts";

const PSQL = ["psql", ...POSTGRES_18];
const HOW = "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

testWith(
  PSQL,
  "PostgreSQL 18 takes direct TLS with the ALPN that it asks for, and none without",
  async () => {
    const pki = await makePki();
    await using files = new TlsFiles();
    const hba = "hostssl all all 127.0.0.1/32 trust";
    await using server = await startTlsPostgres({
      ...{ programs: POSTGRES_18, own: pki.server, ca: pki.ca.certPem, hba },
    });
    const tls = { ca: files.put("ca.pem", pki.ca.certPem), serverName: "server.test" };
    const config = (upstreamTls: unknown, upstream = "") =>
      tlsConfig({ backends: [`127.0.0.1:${server.port}`], upstreamTls, upstream });
    await using culvert = await startCulvert(config(tls));
    const ask = (sql: string) => run("psql", psql(culvert.port("main"), sql, "sslmode=disable"));

    const { code, stderr } = await ask(HOW);
    assertEquals(code, 2, stderr);
    assertStringIncludes(server.child.stderr, "without ALPN protocol negotiation extension");

    const alpn = ["postgresql"];
    await culvert.reload(
      config({ ...tls, alpn }, "pool: {minIdle: 1}, health: {type: tls, interval: 100ms}"),
    );
    assertEquals((await ask(HOW)).stdout, "TLSv1.3\n");
    await culvert.reload(config({ ...tls, alpn, maxVersion: "1.2" }));
    assertEquals((await ask(HOW)).stdout, "TLSv1.2\n");
    assertEquals((await ask("SELECT sum(g) FROM generate_series(1, 100000) g")).stdout, "5000050000\n");
    await culvert.finish();
  },
);

/** What is offered to OpenSSL's server, which selects what it knows, and what is wrong with that. */
const OFFERS: readonly [what: string, server: string[], tls: object, fault?: RegExp][] = [
  ["the backend selects ours", ["-alpn", "x,postgresql"], { alpn: ["postgresql"] }],
  ["the backend knows no ALPN", [], { alpn: ["postgresql"] }],
  ["none is offered", ["-alpn", "h2"], {}],
  ["the backend knows others only", ["-alpn", "h2"], { alpn: ["postgresql"] }, /no_application_protocol/],
];

testWith(
  ["openssl"],
  "ALPN with OpenSSL as a backend: a backend that selects none is a good one",
  async (t) => {
    const pki = await makePki();
    await using files = new TlsFiles();
    const own = { ca: files.put("ca.pem", pki.ca.certPem), ...files.putOwn("client", pki.client) };
    for (const [what, more, tls, fault] of OFFERS) {
      await t.step(what, async () => {
        await using server = await startOpensslServer({ pki, version: "1.3", more });
        const upstreamTls = { ...own, serverName: "server.test", ...tls };
        await using culvert = await startCulvert(
          tlsConfig({ backends: [`127.0.0.1:${server.port}`], upstreamTls }),
        );
        {
          using client = await connect(culvert.port("main"));
          await client.write(new TextEncoder().encode("ping\n"));
          if (fault === undefined) assertEquals(await readLine(client), "gnip");
        }
        const { reason, error = "" } = await culvert.waitFor({ message: "connection closed" });
        assertEquals(reason === "connect-failed", fault !== undefined);
        assertMatch(String(error), fault ?? /^$/);

        await culvert.finish();
      });
    }
  },
);

testWith(
  ["openssl"],
  "the versions of TLS with backends are bounded by minVersion and maxVersion",
  async (t) => {
    const pki = await makePki();
    await using files = new TlsFiles();
    const own = { ca: files.put("ca.pem", pki.ca.certPem), ...files.putOwn("client", pki.client) };
    for (const version of ["1.2", "1.3"] as const) {
      await t.step(`OpenSSL speaks ${version}`, async () => {
        await using server = await startOpensslServer({ pki, version });
        const only = (bound: string) =>
          tlsConfig({
            backends: [`127.0.0.1:${server.port}`],
            upstreamTls: { ...own, serverName: "server.test", minVersion: bound, maxVersion: bound },
          });
        const [good, bad] = version === "1.2" ? ["1.2", "1.3"] : ["1.3", "1.2"];
        await using culvert = await startCulvert(only(good!));
        {
          using client = await connect(culvert.port("main"));
          await client.write(new TextEncoder().encode("ping\n"));
          assertEquals(await readLine(client), "gnip");
        }
        await culvert.reload(only(bad!));
        using client = await connect(culvert.port("main"));
        assertEquals(await client.read(new Uint8Array(1)).catch(() => null), null);
        const { reason, error } = await culvert.waitFor({
          message: "connection closed",
          reason: "connect-failed",
        });
        assertEquals(reason, "connect-failed");
        assertMatch(String(error), /protocol_version|version/);
        await culvert.finish();
      });
    }
  },
);
