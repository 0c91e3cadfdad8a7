import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { echo, startBackend } from "../support/peers.ts";
import { type Culvert, DENO, HEAD, MAIN, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { type OwnPaths, TlsFiles } from "../support/tls_files.ts";
import { makePki, type Pki } from "../tls/tls_fixture.ts";

const REFUSED = { message: "reload failed, keeping the current configuration" };

/** A configuration whose admin listener is there, with these keys for its `tls`. */
function configOf(
  backend: string,
  { listen = "127.0.0.1:0", tls }: { listen?: string; tls?: unknown },
): string {
  const keys = tls === undefined ? "" : `, tls: ${JSON.stringify(tls)}`;
  return proxyConfig({ backends: [backend], head: `${HEAD}admin: {listen: "${listen}"${keys}}\n` });
}

/** Keys for a listener that allows the unit `operations`. */
function mutual(files: TlsFiles, { ca, server }: Pki): unknown {
  const clientAuth = { ca: files.put("ca.pem", ca.certPem), allow: [{ ou: "operations" }] };
  return { ...files.putOwn("server", server), clientAuth };
}

/** Where the admin API is, as the log says. */
function adminAddress(culvert: Culvert): string {
  return String(culvert.found({ message: "admin API" }).at(-1)!.listener);
}

/** What curl gets from a path; empty if it is let go without an answer. */
async function curl(
  culvert: Culvert,
  path: string,
  { ca, own, args = [], scheme = "https" }: {
    ca?: string;
    own?: OwnPaths;
    args?: readonly string[];
    scheme?: string;
  },
): Promise<string> {
  const trust = ca === undefined ? [] : ["--cacert", ca];
  const shown = own === undefined ? [] : ["--cert", own.cert, "--key", own.key];
  const port = adminAddress(culvert).split(":").at(-1);
  const url = `${scheme}://localhost:${port}${path}`;
  return (await run("curl", ["-sS", "-4", "-m", "30", ...trust, ...shown, ...args, url])).stdout;
}

testWith(
  ["curl"],
  "with mutual TLS the admin API serves clients with a certificate, and no others",
  async () => {
    const [pki, other] = [await makePki(), await makePki()];
    await using files = new TlsFiles();
    using backend = startBackend(echo);
    // Everywhere, as TLS allows that.
    const config = configOf(backend.address, { listen: ":0", tls: mutual(files, pki) });
    await using culvert = await startCulvert(config);
    const ca = files.folder.file("ca.pem");
    const alice = files.putOwn("alice", pki.client);
    const bob = files.putOwn("bob", await pki.ca.issueClient({ cn: "bob", ou: "sales" }));
    const untrusted = files.putOwn("untrusted", other.client);
    assertEquals(await curl(culvert, "/healthz", { ca, own: alice }), '{"status":"ok"}\n');
    assertEquals(JSON.parse(await curl(culvert, "/readyz", { ca, own: alice })).ready, true);
    for (const own of [undefined, bob, untrusted]) {
      for (const path of ["/healthz", "/api/status"]) {
        assertEquals(await curl(culvert, path, own === undefined ? { ca } : { ca, own }), "");
      }
      const args = ["-X", "POST"];
      assertEquals(
        await curl(culvert, "/api/reload", own === undefined ? { ca, args } : { ca, own, args }),
        "",
      );
    }
    assertEquals(await curl(culvert, "/healthz", { scheme: "http" }), "");
    const status = JSON.parse(await curl(culvert, "/api/status", { ca, own: alice }));
    assertEquals(status.reload.generation, 1);
    assertEquals(status.certificates.map(({ usedBy }: { usedBy: string[] }) => usedBy), [["admin"]]);
    const asked = await culvert.waitFor(({ message, path }) =>
      message === "admin request" && path === "/readyz"
    );
    assertEquals(asked.identity, "CN=alice,OU=operations");
    assertEquals(culvert.found({ message: "admin connection refused" }).length >= 9, true);
    await culvert.finish();
  },
);

testWith(
  ["curl"],
  "the admin listener's certificate and CA change by a reload, on the same port",
  async () => {
    const [before, after] = [await makePki(), await makePki()];
    await using files = new TlsFiles();
    using backend = startBackend(echo);
    const config = configOf(backend.address, { tls: mutual(files, before) });
    await using culvert = await startCulvert(config);
    const clients = [before, after].map(({ ca, client }, index) => ({
      ca: files.put(`trust${index}.pem`, ca.certPem),
      own: files.putOwn(`client${index}`, client),
    }));
    const answers = () => Promise.all(clients.map((client) => curl(culvert, "/healthz", client)));
    const ok = '{"status":"ok"}\n';
    assertEquals(await answers(), [ok, ""]);
    mutual(files, after);
    const args = ["-X", "POST"];
    // The client that requests it gets the response over TLS with the previous certificates.
    const reload = await curl(culvert, "/api/reload", { ...clients[0]!, args });
    assertEquals(JSON.parse(reload), { ok: true, generation: 2 });
    assertEquals(await answers(), ["", ok]);
    // What can't be used changes nothing.
    files.put("server.pem", "garbage");
    const refused = JSON.parse(await curl(culvert, "/api/reload", { ...clients[1]!, args }));
    assertEquals(refused.error.code, "bad_config");
    assertEquals(refused.error.problems[0].path, "admin.tls.cert");
    await culvert.waitFor(REFUSED);
    assertEquals(await answers(), ["", ok]);
    assertEquals(culvert.found({ message: "admin API" }).length, 1);
    await culvert.settled();
    culvert.signal("SIGTERM");
    assertEquals(await culvert.exit, 0);
  },
);

testWith(["curl"], "TLS comes and goes by reloads that are asked for by the API itself", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const plain = configOf(backend.address, {});
  const tls = configOf(backend.address, { tls: mutual(files, pki) });
  const none = proxyConfig({ backends: [backend.address] });
  await using culvert = await startCulvert(plain, { later: [tls] });
  const shown = { ca: files.folder.file("ca.pem"), own: files.putOwn("alice", pki.client) };
  const unknown = { scheme: "http" };
  const address = adminAddress(culvert);
  const seen = async () => [
    await curl(culvert, "/healthz", unknown) !== "",
    await curl(culvert, "/healthz", { ca: shown.ca }) !== "",
    await curl(culvert, "/healthz", shown) !== "",
  ];
  const turns = [[plain, unknown], [tls, unknown], [plain, shown], [tls, unknown], [none, shown]] as const;
  for (const [index, [config, by]] of turns.entries()) {
    await culvert.write(config);
    const answer = JSON.parse(await curl(culvert, "/api/reload", { ...by, args: ["-X", "POST"] }));
    assertEquals(answer, { ok: true, generation: index + 2 });
    const [isPlain, isTls] = [config === plain, config === tls];
    assertEquals([adminAddress(culvert), await seen()], [address, [isPlain, false, isTls]]);
  }
  await culvert.finish(-1); // The admin listener has gone.
});

Deno.test("an admin listener on a public address without client certificates is a bad configuration, exit code 78", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  await using folder = new TemporaryFolder();
  const own = files.putOwn("server", pki.server);
  const file = folder.file("culvert.yaml");
  const cases: [listen: string, tls: unknown, path: string][] = [
    [":0", undefined, "admin.listen"],
    ["0.0.0.0:0", undefined, "admin.listen"],
    ["[::]:0", own, "admin.listen"],
    ["192.0.2.1:9901", own, "admin.listen"],
    ["db.internal:9901", own, "admin.listen"],
  ];
  for (const [listen, tls, path] of cases) {
    await Deno.writeTextFile(file, configOf("127.0.0.1:9", { listen, tls }));
    for (const command of ["run", "check"]) {
      const { code, stdout, stderr } = await run(DENO, ["run", "-A", MAIN, command, "--config", file]);
      assertEquals([code, stdout], [78, ""], `${listen} ${command}`);
      const lines = stderr.trim().split("\n");
      assert(lines.some((line) => line.includes(path)), stderr);
      assertStringIncludes(stderr, "clientAuth");
    }
  }
});
