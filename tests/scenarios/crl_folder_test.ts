import { assertEquals } from "@std/assert";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { enters } from "../support/enters.ts";
import { echo, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";

Deno.test("CRLs of a folder are followed: a new file revokes, a bad one keeps out its issuer's clients alone", async () => {
  const pki = await makePki();
  const { ca, server } = pki;
  const other = await createAuthority({ name: "Other CA" });
  await using files = new TlsFiles();
  await using own = new TlsFiles();
  using backend = startBackend(echo);
  const folder = files.folder.file("crls");
  Deno.mkdirSync(folder);
  files.put("crls/ca.crl", ca.crl());
  const crl = [folder, files.put("other.crl", other.crl())];
  const caPath = files.put("ca.pem", ca.certPem + other.certPem);
  const tls = {
    ...own.putOwn("server", server),
    clientAuth: { ca: caPath, crl, crlCheck: "leaf", crlMaxAge: "9h", allow: [{ any: true }] },
  };
  const config = tlsConfig({ backends: [backend.address], tls, head: ADMIN_HEAD });
  await using culvert = await startCulvert(config, {
    readable: [folder, files.folder.path, own.folder.path],
  });
  using admin = new AdminClient(culvert);
  let reloads = 0;
  const reloaded = (path: string) =>
    culvert.waitFor({ message: "reloaded", why: `${path} has changed` }, ++reloads);
  assertEquals([await admin.unready(), await enters(culvert, pki)], [[], true]);
  assertEquals((await admin.status()).crls.map(({ path, usable }) => [path, usable]), [
    [`${folder}/ca.crl`, true],
    [crl[1]!, true],
  ]);

  files.put("other.crl", "garbage");
  await culvert.waitFor({ message: "reloaded", why: `${crl[1]} has changed` });
  const why = `cannot use "${crl[1]}": not a CRL in DER`;
  assertEquals([await admin.unready(), await enters(culvert, pki)], [
    [`service main: some client certificates are rejected because of the CRL "${crl[1]}": ${why}`],
    true,
  ]);
  assertEquals((await admin.status()).crls.map(({ path, usable }) => [path, usable]), [
    [`${folder}/ca.crl`, true],
    [crl[1]!, false],
  ]);

  ca.revoke(pki.client.serial);
  files.put("crls/newer.crl", ca.crl());
  await reloaded(folder);
  assertEquals(await enters(culvert, pki), false);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});
