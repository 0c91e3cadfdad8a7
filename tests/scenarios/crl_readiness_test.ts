import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { enters } from "../support/enters.ts";
import { echo, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { AccessLines, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { until } from "../support/wait.ts";
import { makePki } from "../tls/tls_fixture.ts";

/** A time as CRLs know it: no milliseconds. */
function inSeconds(seconds: number): Date {
  return new Date(Math.ceil(Date.now() / 1000 + seconds) * 1000);
}

Deno.test("a CRL that expires while the program runs is a reason not to be ready, until there is a new one", async () => {
  const pki = await makePki();
  const { ca, server } = pki;
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const crl = files.put("ca.crl", ca.crl());
  const clientAuth = { ca: files.put("ca.pem", ca.certPem), crl, allow: [{ any: true }] };
  const tls = { ...files.putOwn("server", server), clientAuth };
  const config = tlsConfig({ backends: [backend.address], tls, head: ADMIN_HEAD });
  await using culvert = await startCulvert(config, { readable: [files.folder.path] });
  using admin = new AdminClient(culvert);
  const lines = new AccessLines(culvert);
  const reloaded = (count: number) =>
    culvert.waitFor({ message: "reloaded", why: `${crl} has changed` }, count);
  assertEquals([await admin.unready(), await enters(culvert, pki)], [[], true]);
  assertEquals(await lines.reason(), "client-closed");
  const [good] = (await admin.status()).crls;
  assertEquals([good!.path, good!.usedBy, good!.issuer], [crl, ["service main"], "CN=Test CA"]);
  assertEquals([good!.usable, good!.problem], [true, undefined]);

  const nextUpdate = inSeconds(1);
  files.put("ca.crl", ca.crl({ nextUpdate }));
  await reloaded(1);
  let reasons: string[] = [];
  await until(async () => (reasons = await admin.unready()).length > 0, { what: "the CRL to expire" });
  assert(Date.now() >= nextUpdate.getTime(), "it was over too soon");
  const why = `the CRL of CN=Test CA has expired on ${nextUpdate.toISOString()}`;
  assertEquals(reasons, [
    `service main: all client certificates are rejected because of the CRL "${crl}": ${why}`,
  ]);
  const { crls, state, reload } = await admin.status();
  assertEquals([state, reload.ok, crls.length], ["ready", true, 1]); // The program itself is well.
  assertEquals([crls[0]!.usable, crls[0]!.problem], [false, why]);
  assertEquals(crls[0]!.nextUpdate, nextUpdate.toISOString());
  assertEquals(await enters(culvert, pki), false);
  assertEquals(await lines.reason(), "tls-crl-expired");

  files.put("ca.crl", "garbage");
  await reloaded(2);
  assertStringIncludes((await admin.unready()).join(), `cannot use "${crl}"`);
  const [unreadable] = (await admin.status()).crls;
  assertEquals([unreadable!.usable, unreadable!.issuer], [false, undefined]);
  assertEquals(await enters(culvert, pki), false);
  assertEquals(await lines.reason(), "tls-crl-unreadable");

  files.put("ca.crl", ca.crl());
  await reloaded(3);
  assertEquals([await admin.unready(), await enters(culvert, pki)], [[], true]);
  assertEquals((await admin.status()).crls.map(({ usable, problem }) => [usable, problem]), [
    [true, undefined],
  ]);
  assertEquals((await admin.status()).services[0]!.refused, {
    "tls-crl-expired": 1,
    "tls-crl-unreadable": 1,
  });
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});
