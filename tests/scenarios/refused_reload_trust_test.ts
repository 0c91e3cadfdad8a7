import { assertEquals, assertStringIncludes } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { enters } from "../support/enters.ts";
import { testWith } from "../support/installed.ts";
import { echo, startBackend } from "../support/peers.ts";
import type { LogRecord } from "../support/log_record.ts";
import { type Culvert, HEAD, startCulvert, THREADS } from "../support/program.ts";
import { scrape } from "../support/scrape.ts";
import { AccessLines, helloOnce, OpensslClient, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki, type Pki } from "../tls/tls_fixture.ts";

const ANY = [{ any: true }];
const REFUSED = { message: "reload failed, keeping the current configuration" };
const RENEWED = { message: "reload failed, but changed CAs and CRLs for client certificates are in use" };
/** The errors of all these tests. */
const ERRORS: unknown[] = [REFUSED.message, "bad configuration", "rejecting clients: CRL unusable"];

/** A client of this CA, of the admin API by mutual TLS. */
async function asks(culvert: Culvert, { ca, client }: Pki): Promise<boolean> {
  const own = { caCerts: [ca.certPem], cert: client.chainPem, key: client.keyPem };
  using http = Deno.createHttpClient({ ...own, poolMaxIdlePerHost: 0 });
  const { listener } = culvert.found({ message: "admin API" }).at(-1)!;
  try {
    const answer = await fetch(`https://${listener}/healthz`, { client: http });
    await answer.body?.cancel();
    return answer.ok;
  } catch {
    return false;
  }
}

async function finish(culvert: Culvert): Promise<void> {
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  assertEquals(culvert.found(({ level, message }) => level === "ERROR" && !ERRORS.includes(message)), []);
}

Deno.test("a CRL counts as it is now while the key of another service has every reload refused", async () => {
  const pki = await makePki();
  const { ca, server, client } = pki;
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const good = ca.crl();
  const crl = files.put("ca.crl", good);
  const clientAuth = { ca: files.put("ca.pem", ca.certPem), crl, allow: ANY };
  const tls = { ...files.putOwn("server", server), clientAuth };
  const other = files.putOwn("other", server);
  const config = tlsConfig({ backends: [backend.address], tls, head: ADMIN_HEAD }) +
    `  - {name: other, listen: ["127.0.0.1:0"], tls: ${JSON.stringify(other)}, upstream: main}\n`;
  await using culvert = await startCulvert(config, { readable: [files.folder.path] });
  using admin = new AdminClient(culvert);
  const lines = new AccessLines(culvert);
  const refused = (path: string, count = 1) =>
    culvert.waitFor({ ...REFUSED, why: `${path} has changed` }, count);

  files.put("other.key", "junk");
  await refused(other.key);
  assertEquals([await enters(culvert, pki), await lines.reason()], [true, "client-closed"]);
  assertEquals(culvert.found(RENEWED), []); // None of it has changed.

  ca.revoke(client.serial);
  files.put("ca.crl", ca.crl());
  await refused(crl);
  const [renewed] = culvert.found(RENEWED);
  assertEquals([renewed?.level, renewed?.used_by], ["WARN", "service main"]);
  assertEquals([await enters(culvert, pki), await lines.reason()], [false, "tls-revoked"]);
  assertEquals(await admin.unready(), []);
  // A listener without such settings keeps its certificate and key.
  assertEquals([await enters(culvert, pki, { service: "other" }), (await lines.next()).service], [
    true,
    "other",
  ]);

  await Deno.remove(crl);
  await refused(crl, 2);
  assertEquals([await enters(culvert, pki), await lines.reason()], [false, "tls-crl-unreadable"]);
  const why = `cannot read "${crl}": no such file`;
  assertStringIncludes((await admin.unready()).join(), why);
  const { crls, reload } = await admin.status();
  assertEquals(crls.map(({ path, usable }) => [path, usable]), [[crl, false]]);
  assertEquals([reload.ok, reload.generation], [false, 1]);
  assertEquals((await scrape(culvert)).get(`culvert_crl_usable{path="${crl}",used_by="service main"}`), 0);
  const isWarned = ({ level, message }: LogRecord) => level === "WARN" && String(message).includes(why);
  assertEquals([culvert.found(isWarned).length, culvert.found(RENEWED).length], [1, 2]);
  culvert.signal("SIGHUP"); // It is the same still, and said.
  await culvert.waitFor({ ...REFUSED, why: "SIGHUP" });
  assertEquals([culvert.found(isWarned).length, culvert.found(RENEWED).length], [1, 2]);

  files.put("ca.crl", good);
  await refused(crl, 3);
  assertEquals([await admin.unready(), await enters(culvert, pki)], [[], true]);
  files.put("other.key", server.keyPem);
  await culvert.waitFor({ message: "reloaded", why: `${other.key} has changed` });
  assertEquals(await enters(culvert, pki), true);
  await finish(culvert);
});

Deno.test("a CRL and a key that change at the same moment: the key is refused, the CRL counts", async () => {
  const pki = await makePki();
  const { ca, server, client } = pki;
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const clientAuth = {
    ca: files.put("ca.pem", ca.certPem),
    crl: files.put("ca.crl", ca.crl()),
    allow: ANY,
  };
  const config = tlsConfig({
    backends: [backend.address],
    tls: { ...files.putOwn("server", server), clientAuth },
  });
  await using culvert = await startCulvert(config);
  assertEquals(await enters(culvert, pki), true);
  ca.revoke(client.serial);
  files.put("ca.crl", ca.crl());
  files.put("server.key", "junk"); // Of this very service.
  culvert.signal("SIGHUP");
  await culvert.waitFor(REFUSED);
  assertEquals(await enters(culvert, pki), false);
  await finish(culvert);
});

Deno.test("with a typo in the configuration the CAs of services and of the admin listener count as they are", async () => {
  const [pki, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const ca = files.put("ca.pem", pki.ca.certPem + other.ca.certPem);
  const tls = { ...files.putOwn("server", pki.server), clientAuth: { ca, allow: ANY } };
  const head = `${HEAD}admin: {listen: "127.0.0.1:0", tls: ${JSON.stringify(tls)}}\n`;
  const config = tlsConfig({ backends: [backend.address], tls, head });
  await using culvert = await startCulvert(config, { readable: [files.folder.path] });
  // Whose certificate of the server is of the first CA.
  const untrusted: Pki = { ...other, ca: { ...other.ca, certPem: pki.ca.certPem } as Pki["ca"] };
  const seen = async () => [
    await enters(culvert, pki),
    await enters(culvert, untrusted),
    await asks(culvert, pki),
    await asks(culvert, untrusted),
  ];
  assertEquals(await seen(), [true, true, true, true]);
  await culvert.write(`${config}    nonsense: true\n`);
  culvert.signal("SIGHUP");
  await culvert.waitFor(REFUSED);

  files.put("ca.pem", pki.ca.certPem);
  await culvert.waitFor({ ...REFUSED, why: `${ca} has changed` });
  assertEquals(culvert.found(RENEWED).map(({ used_by }) => used_by), ["service main, admin"]);
  assertEquals(await seen(), [true, false, true, false]);

  files.put("ca.pem", "junk");
  await culvert.waitFor({ ...REFUSED, why: `${ca} has changed` }, 2);
  const isTold = ({ level, message }: LogRecord) =>
    level === "WARN" &&
    String(message).startsWith("service main: keeping the current CAs for client certificates: cannot use");
  assertEquals([culvert.found(isTold).length, culvert.found(RENEWED).length], [1, 1]);
  assertEquals(await seen(), [true, false, true, false]);
  culvert.signal("SIGHUP");
  await culvert.waitFor({ ...REFUSED, why: "SIGHUP" }, 2);
  assertEquals(culvert.found(isTold).length, 1);

  files.put("ca.pem", pki.ca.certPem + other.ca.certPem);
  await culvert.waitFor({ ...REFUSED, why: `${ca} has changed` }, 3);
  assertEquals(await seen(), [true, true, true, true]);
  await culvert.reload(config);
  assertEquals(await seen(), [true, true, true, true]);
  await finish(culvert);
});

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["openssl"],
    `with TLS ${version} no ticket opens what a CA opened that was removed, the reload refused or not`,
    async () => {
      const [pki, other] = [await makePki(), await makePki()];
      await using files = new TlsFiles();
      using backend = startBackend(helloOnce);
      const ca = files.put("ca.pem", other.ca.certPem + pki.ca.certPem);
      const config = tlsConfig({
        backends: [backend.address],
        tls: { ...files.putOwn("server", pki.server), clientAuth: { ca, allow: ANY } },
      });
      await using culvert = await startCulvert(config);
      const lines = new AccessLines(culvert);
      const own = files.putOwn("alice", pki.client);
      await using client = new OpensslClient(version);
      await client.talk(culvert.port("main"), { own, keep: true });
      await lines.next();
      const again = await client.talk(culvert.port("main"), { own, redeem: true });
      assertEquals([again.entered, await lines.reason()], [true, "backend-closed"]);
      if (THREADS === 1) assertEquals(again.resumed, true); // A ticket is of one thread.

      files.put("ca.pem", other.ca.certPem);
      await culvert.write("version: 1\nservices: [");
      culvert.signal("SIGHUP");
      await culvert.waitFor(REFUSED);
      for (const redeem of [true, false]) {
        assertEquals((await client.talk(culvert.port("main"), { own, redeem })).entered, false);
        assertEquals(await lines.reason(), "tls-unknown-ca");
      }
      files.put("ca.pem", pki.ca.certPem);
      await culvert.reload(config);
      assertEquals((await client.talk(culvert.port("main"), { own })).entered, true);
      await finish(culvert);
    },
  );
}
