import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { output, type Result, run } from "../support/child.ts";
import { findProgram, testWith } from "../support/installed.ts";
import { connect } from "../support/peers.ts";
import { HEAD, startCulvert } from "../support/program.ts";
import { type OwnPaths, TlsFiles } from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";
import { type OwnServer, startOwn } from "../upstream/check/own_server.ts";

const PROGRAMS = ["mariadbd", "mariadb-install-db", "mariadb", "id"];

/** Users with a password; `x` must show a certificate. */
const USERS = `CREATE USER u@'127.0.0.1' IDENTIFIED BY 'secret';
CREATE USER x@'127.0.0.1' IDENTIFIED BY 'secret' REQUIRE SUBJECT '/CN=proxy';
`;
const HOW = "SHOW STATUS LIKE 'Ssl_version'";
const LONG = "SELECT REPEAT('y', 20000); SELECT REPEAT('x', 300000)";

/** MariaDB, with a certificate and without. */
async function startMariadb(own: (OwnPaths & { ca: string }) | undefined): Promise<OwnServer> {
  const uid = Deno.uid() === 0 ? Number(await output("id", ["-u", "nobody"])) : undefined;
  return await startOwn({
    program: findProgram("mariadbd")!,
    uid,
    async args({ folder, port }) {
      const data = folder.file("data");
      await Deno.mkdir(data);
      if (uid !== undefined) await Deno.chown(folder.path, uid, null);
      if (uid !== undefined) await Deno.chown(data, uid, null);
      const as = uid === undefined ? {} : { uid };
      await output(findProgram("mariadb-install-db")!, [
        "--no-defaults",
        `--datadir=${data}`,
        "--skip-test-db",
      ], as);
      await Deno.writeTextFile(folder.file("init.sql"), USERS);
      const tls = own === undefined
        ? ["--skip-ssl"]
        : [`--ssl-cert=${own.cert}`, `--ssl-key=${own.key}`, `--ssl-ca=${own.ca}`];
      return [
        ...["--no-defaults", `--datadir=${data}`, `--port=${port}`, "--bind-address=127.0.0.1"],
        ...[
          `--socket=${folder.file("s")}`,
          `--init-file=${folder.file("init.sql")}`,
          "--skip-name-resolve",
          "--proxy-protocol-networks=127.0.0.1",
          ...tls,
        ],
      ];
    },
    ready: ({ stderr }) => stderr.includes("ready for connections"),
  });
}

/** The client of MariaDB. */
function ask(port: number, sql: string, more: readonly string[]): Promise<Result> {
  const to = ["--no-defaults", "-h", "127.0.0.1", "-P", String(port), "--protocol=tcp", "-N", "-B"];
  return run("mariadb", [...to, ...more, "-psecret", "-e", sql]);
}

testWith(
  PROGRAMS,
  "MariaDB and its client, with TLS on one side or on both, begun in the login",
  async (t) => {
    const pki = await makePki();
    await using files = new TlsFiles();
    Deno.chmodSync(files.folder.path, 0o755);
    const ca = files.put("ca.pem", pki.ca.certPem);
    const [own, client] = [files.putOwn("server", pki.server), files.putOwn("client", pki.client)];
    const proxy = files.putOwn("proxy", await pki.ca.issueClient({ cn: "proxy" }));
    await using secure = await startMariadb({ ...own, ca });
    await using plain = await startMariadb(undefined);
    const asked = JSON.stringify({ ca, ...proxy, serverName: "server.test", starttls: "mysql" });
    const clientAuth = { ca, allow: [{ cn: "alice" }] };
    const ofService = (more: object) => `tls: ${JSON.stringify({ ...own, ...more })}, `;
    const upstreams = {
      secure:
        `{tls: ${asked}, backends: ["127.0.0.1:${plain.port}", "127.0.0.1:${secure.port}"], balance: first}`,
      told: `{tls: ${asked}, proxyProtocol: v2, backends: ["127.0.0.1:${secure.port}"]}`,
      plain: `{backends: ["127.0.0.1:${plain.port}"], pool: {minIdle: 1}}`,
    };
    const services = {
      "both": [ofService({ starttls: "mysql", clientAuth }), upstreams.secure],
      "client": [ofService({ starttls: "mysql", clientAuth }), upstreams.plain],
      "server": ["", upstreams.secure],
      "told": [ofService({ starttls: "mysql", clientAuth }), upstreams.told],
      hasty: [`timeouts: {handshake: 300ms}, ${ofService({ starttls: "mysql" })}`, upstreams.secure],
    } as const;
    const lines = Object.entries(services).map(([name, [tls, upstream]]) =>
      `  - {name: ${name}, listen: ["127.0.0.1:0"], ${tls}upstream: ${upstream}}\n`
    );
    await using culvert = await startCulvert(`${HEAD}services:\n${lines.join("")}`, { idle: 1 });
    const shown = [
      "--ssl",
      `--ssl-ca=${ca}`,
      "--ssl-verify-server-cert",
      `--ssl-cert=${client.cert}`,
      `--ssl-key=${client.key}`,
    ];
    const ways: Record<string, readonly string[]> = {
      both: shown,
      client: shown,
      server: ["--skip-ssl"],
      told: shown,
    };
    for (const [name, how] of Object.entries(ways)) {
      await t.step(name, async () => {
        const port = culvert.port(name);
        const version = name === "client" ? "Ssl_version\t\n" : "Ssl_version\tTLSv1.3\n";
        const first = await ask(port, HOW, ["-u", "u", ...how]);
        assertEquals(first.stdout, version, first.stderr + culvert.stderr);
        // The login changes to another method in the middle.
        const changed = [
          "-u",
          "u",
          "--default-auth=mysql_clear_password",
          ...how,
        ];
        assertEquals((await ask(port, HOW, changed)).stdout, version);
        const { stdout, stderr } = await ask(port, LONG, ["-u", "u", "--compress", ...how]);
        assertEquals(stdout.length, 20_001 + 300_001, stderr);
        const denied = await ask(port, HOW, ["-u", "nobody", ...how]);
        assertMatch(denied.stderr, /ERROR (?:1045|1698) .*Access denied for user 'nobody'/);
      });
    }
    await t.step("our certificate is shown to the server", async () => {
      assertEquals((await ask(culvert.port("both"), HOW, ["-u", "x", ...shown])).code, 0);
      assertMatch((await ask(culvert.port("client"), HOW, ["-u", "x", ...shown])).stderr, /ERROR 1045/);
    });
    await t.step("a server without TLS is passed over", () => {
      const closed = culvert.found({ message: "connection closed", service: "both" });
      assertEquals([closed[0]!.tries, closed[0]!.backend], [2, `127.0.0.1:${secure.port}`]);
      const [failed] = culvert.found({ message: "cannot connect to backend" });
      assertStringIncludes(String(failed!.error), "a greeting without TLS");
    });
    await t.step("a client without TLS, and one without a certificate", async () => {
      const port = culvert.port("both");
      const before = culvert.found({ message: "connection refused" }).length;
      assertMatch((await ask(port, HOW, ["-u", "u", "--skip-ssl"])).stderr, /ERROR 3159 .*TLS is required/);
      assertEquals(
        (await culvert.waitFor({ message: "connection refused" }, before + 1)).reason,
        "tls-no-starttls",
      );
      assertEquals((await ask(port, HOW, ["-u", "u", "--ssl", `--ssl-ca=${ca}`])).code, 1);
      assertEquals(
        (await culvert.waitFor({ message: "connection refused" }, before + 2)).reason,
        "tls-no-certificate",
      );
    });
    await t.step(
      "a client that keeps silent, and one that says something in clear behind its request",
      async () => {
        const refused = culvert.found({ message: "connection refused" }).length;
        using silent = await connect(culvert.port("hasty"));
        await silent.read(new Uint8Array(200)); // The greeting.
        assertEquals((await culvert.waitFor({ reason: "handshake" })).tries, 2);
        using injecting = await connect(culvert.port("both"));
        await injecting.read(new Uint8Array(200));
        const request = new Uint8Array(40);
        request.set([32, 0, 0, 1, 0, 0x8a]);
        await injecting.write(request);
        assertEquals(
          (await culvert.waitFor({ message: "connection refused" }, refused + 1)).reason,
          "tls-not-tls",
        );
      },
    );
    await t.step("openssl s_client -starttls mysql", async () => {
      const args = [
        "s_client",
        "-connect",
        `127.0.0.1:${culvert.port("both")}`,
        "-starttls",
        "mysql",
        "-CAfile",
        ca,
      ];
      const { stdout } = await run("openssl", [...args, "-cert", client.cert, "-key", client.key], {
        input: "",
      });
      assertStringIncludes(stdout, "Verify return code: 0");
    });
    await culvert.finish();
  },
);
