import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { importStunnel } from "../../../src/cli/import/stunnel.ts";
import { finish } from "../../../src/cli/import_command.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { Child } from "../../support/child.ts";
import { freePort } from "../../support/folder.ts";
import { testWith } from "../../support/installed.ts";
import { echo, exchange, startBackend } from "../../support/peers.ts";
import { HEAD, startCulvert } from "../../support/program.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { until } from "../../support/wait.ts";

/** Settings of the process, which are told and matter to no connection. */
const PROCESS = "foreground = yes\npid =\n";

Deno.test("what stunnel has and Culvert has not is told with its line, and never guessed", () => {
  const text = `${PROCESS}[a]
accept = 1
connect = 2
cert = a.pem
verifyPeer = yes
CAfile = peers.pem
ciphers = HIGH
sslVersion = TLSv1.1
[out]
client = yes
accept = 4
connect = db.example.org:5
CRLfile = a.crl
checkHost = db.example.org
[exec]
accept = 3
exec = /bin/cat
`;
  const imported = importStunnel([{ name: "s.conf", text }]);
  assertEquals(imported.notes, [
    "s.conf:1: foreground = yes: a setting of the process; see docs/operations.md",
    "s.conf:2: pid = : a setting of the process; see docs/operations.md",
    "s.conf:7: verifypeer = yes: CAfile has the certificates of peers; list their keys as rules with spki",
    "s.conf:10: sslversion = TLSv1.1: only TLS 1.2 and 1.3 are spoken",
    "s.conf:9: ciphers = HIGH: there is no equivalent, or it is not known to the importer",
    "s.conf:16: checkhost = db.example.org: nothing is checked without verifyChain",
    "s.conf:15: crlfile = a.crl: CRLs are not checked for the certificates of backends",
    "s.conf:17: [exec]: only sections with accept and connect are carried over, not exec and inetd mode",
  ]);
  const { isComplete, text: result } = finish(imported, "s.conf");
  assertEquals(isComplete, false);
  for (const note of imported.notes) assertStringIncludes(result, `# - ${note}\n`);
});

/** A configuration of stunnel, and the clients that are tried: by the name of their certificate, with the outcome. */
interface SideBySide {
  readonly title: string;
  readonly section: (files: { folder: string; backend: string; tlsBackend: string }) => string;
  /** Whether clients speak TLS to it. */
  readonly isServer: boolean;
  readonly expected: Readonly<Record<string, boolean>>;
}

const CASES: readonly SideBySide[] = [
  {
    title: "a server that ends TLS",
    section: ({ backend, folder }) =>
      `cert = ${folder}/server.pem\nkey = ${folder}/server.key\nconnect = ${backend}\n`,
    isServer: true,
    expected: { none: true, good: true, stray: true },
  },
  {
    title: "a server with client certificates, a CRL and two backends",
    section: ({ backend, folder }) =>
      `cert = ${folder}/server.pem\nkey = ${folder}/server.key\nCAfile = ${folder}/ca.pem\nCRLfile = ${folder}/ca.crl\n` +
      `verifyChain = yes\nsslVersionMin = TLSv1.2\nconnect = ${backend}\nconnect = 127.0.0.1:${freePort()}\nfailover = prio\nTIMEOUTidle = 600\n`,
    isServer: true,
    expected: { none: false, good: true, stray: false, revoked: false },
  },
  {
    title: "a client that shows a certificate and checks the name of the server",
    section: ({ tlsBackend, folder }) =>
      `client = yes\ncert = ${folder}/good.pem\nkey = ${folder}/good.key\nCAfile = ${folder}/ca.pem\n` +
      `verifyChain = yes\ncheckHost = localhost\nconnect = ${tlsBackend}\n`,
    isServer: false,
    expected: { none: true },
  },
];

for (const { title, section, isServer, expected } of CASES) {
  testWith(["stunnel4"], `${title} does the same for the same clients as stunnel`, async () => {
    await using files = new TlsFiles();
    const { path: folder } = files.folder;
    const ca = await createAuthority();
    const stray = await createAuthority({ name: "Stray CA" });
    const server = await ca.issueServer({ names: ["localhost", "127.0.0.1"] });
    const clients = {
      good: await ca.issueClient({ cn: "good" }),
      revoked: await ca.issueClient({ cn: "revoked" }),
      stray: await stray.issueClient({ cn: "good" }),
    };
    ca.revoke(clients.revoked.serial);
    files.put("ca.pem", ca.certPem);
    files.put("ca.crl", ca.crl());
    files.putOwn("server", server);
    for (const [name, own] of Object.entries(clients)) files.putOwn(name, own);
    using backend = startBackend(echo);
    // TLS for what is a client: it needs a certificate of the CA.
    const auth = `clientAuth: {ca: ${folder}/ca.pem, allow: [cn: good]}`;
    await using tls = await startCulvert(
      `${HEAD}services: [{name: main, listen: ["127.0.0.1:0"], tls: {cert: ${folder}/server.pem, key: ${folder}/server.key, ${auth}}, upstream: {backends: ["${backend.address}"]}}]\n`,
    );
    const text = (port: number) =>
      `${PROCESS}[peer]\naccept = 127.0.0.1:${port}\n${
        section({ folder, backend: backend.address, tlsBackend: tls.address("main") })
      }`;
    const port = freePort();
    files.put("stunnel.conf", text(port));
    await using peer = new Child({ program: "stunnel4", args: [files.folder.file("stunnel.conf")] });
    await until(() => peer.stderr.includes("Configuration successful"), {
      what: "stunnel",
      context: () => peer.stderr,
    });
    const imported = importStunnel([{ name: "stunnel.conf", text: text(0) }]);
    assertEquals(imported.notes.length, 2, imported.notes.join("\n")); // Those of the process.
    const config = finish(imported, "stunnel.conf").text.replace("version: 1\n", HEAD);
    await using culvert = await startCulvert(config);
    const enters = async (port: number, name: string) => {
      const own = name === "none" ? {} : certificate(clients[name as keyof typeof clients]);
      try {
        using connection = isServer
          ? await Deno.connectTls({ hostname: "127.0.0.1", port, caCerts: [ca.certPem], ...own })
          : await Deno.connect({ hostname: "127.0.0.1", port });
        return await exchange(connection, "ping") === "ping";
      } catch {
        return false;
      }
    };
    for (const [name, outcome] of Object.entries(expected)) {
      assertEquals([name, await enters(port, name)], [name, outcome], "stunnel");
      assertEquals([name, await enters(culvert.port("peer"), name)], [name, outcome], "culvert");
    }
    assert(culvert.found({ level: "ERROR" }).length === 0);
    for (const program of [culvert, tls]) {
      program.signal("SIGTERM");
      assertEquals(await program.exit, 0);
    }
  });
}

function certificate({ chainPem, keyPem }: { chainPem: string; keyPem: string }) {
  return { cert: chainPem, key: keyPem };
}
