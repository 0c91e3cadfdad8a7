import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { renewTrust } from "../../../src/app/credentials/renew_trust.ts";
import { ConfigError } from "../../../src/config/problem/problem.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { until } from "../../support/wait.ts";
import { inDays } from "../../tls/pki.ts";
import { makePki } from "../../tls/tls_fixture.ts";
import { ProgramFixture } from "./program_fixture.ts";

/** A configuration with a TLS service for each of `tls`, and perhaps the TLS of its upstream. */
function configOf(tls: readonly unknown[], upstreamTls?: unknown): string {
  const upstream = { backends: [{ address: "127.0.0.1:1" }] };
  return JSON.stringify({
    version: 1,
    upstreams: { app: upstreamTls === undefined ? upstream : { ...upstream, tls: upstreamTls } },
    services: tls.map((tls, index) => ({ name: `s${index}`, listen: ["127.0.0.1:0"], tls, upstream: "app" })),
  });
}

Deno.test("certificates are listed by file, each with the services that present it", async () => {
  const [{ ca, server, client }, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  const fixture = new ProgramFixture(files.folder.path);
  const one = files.putOwn("one", server);
  const two = files.putOwn("two", other.server);
  const own = files.putOwn("client", client);
  const upstreamTls = { ...own, ca: files.put("ca.pem", ca.certPem) };
  await fixture.start(configOf([one, two, one], upstreamTls));
  const { certificates, crls } = await fixture.status();
  assertEquals(certificates.map(({ path, usedBy }) => [path, usedBy]), [
    [one.cert, ["service s0", "service s2"]],
    [two.cert, ["service s1"]],
    [own.cert, ["upstream app"]],
  ]);
  assertEquals(certificates[2]!.subject, "CN=alice,OU=operations");
  assertEquals(
    [certificates[0]!.notBefore, certificates[0]!.notAfter],
    [server.notBefore.toISOString(), server.notAfter.toISOString()],
  );
  assertEquals(crls, []);
  await fixture.end();
});

Deno.test("CRLs are reported list by list, with what is wrong with them", async () => {
  const [{ ca, server }, second] = [await makePki(), await createAuthority({ name: "Second CA" })];
  await using files = new TlsFiles();
  const fixture = new ProgramFixture(files.folder.path);
  const own = files.putOwn("server", server);
  const caPath = files.put("ca.pem", ca.certPem + second.certPem);
  const auth = (crl: string) => ({ ...own, clientAuth: { ca: caPath, crl, allow: [{ any: true }] } });
  const dates = { now: inDays(-2), nextUpdate: inDays(-1) };
  const both = files.put("both.crl", ca.crl() + second.crl({ now: inDays(-2), nextUpdate: inDays(9) }));
  const expired = files.put("expired.crl", ca.crl(dates));
  const garbage = files.put("garbage.crl", "garbage");
  const missing = files.folder.file("missing.crl");
  await fixture.start(configOf([auth(both), auth(expired), auth(garbage), auth(both), auth(missing)]));
  const { crls } = await fixture.status();
  const users = ["service s0", "service s3"];
  assertEquals(crls.map(({ path, usedBy, usable }) => [path, usedBy, usable]), [
    [both, users, true],
    [both, users, true],
    [expired, ["service s1"], false],
    [garbage, ["service s2"], false],
    [missing, ["service s4"], false],
  ]);
  const issuers = crls.map(({ issuer }) => issuer ?? "none");
  assertEquals(issuers, ["CN=Test CA", "CN=Second CA", "CN=Test CA", "none", "none"]);
  const whole = (date: Date) => `${date.toISOString().slice(0, 19)}.000Z`; // CRLs know no milliseconds.
  assertEquals([crls[2]!.thisUpdate, crls[2]!.nextUpdate], [whole(dates.now), whole(dates.nextUpdate)]);
  assertEquals(crls.map(({ problem }) => problem === undefined), [true, true, false, false, false]);
  assertStringIncludes(crls[2]!.problem!, `has expired on ${whole(dates.nextUpdate)}`);
  assertStringIncludes(crls[3]!.problem!, garbage);
  assertStringIncludes(crls[4]!.problem!, "no such file");
  assertEquals([crls[3]!.thisUpdate, crls[3]!.nextUpdate], [undefined, undefined]);
  assertEquals((await fixture.reasons()).length, 3);
  await fixture.end();
});

Deno.test("several lists of a file and files of a folder are reported after a failed reload too", async () => {
  const [{ ca, server }, second] = [await makePki(), await createAuthority({ name: "Second CA" })];
  await using files = new TlsFiles();
  const fixture = new ProgramFixture(files.folder.path);
  const own = files.putOwn("server", server);
  const other = files.putOwn("other", server);
  const caPath = files.put("ca.pem", ca.certPem + second.certPem);
  const one = files.put("one.crl", ca.crl() + second.crl());
  const two = files.put("two.crl", second.crl());
  const clientAuth = { ca: caPath, crl: [one, two], allow: [{ any: true }] };
  const config = configOf([{ ...own, clientAuth }, other]);
  await fixture.start(config);
  const listed = async () =>
    (await fixture.status()).crls.map(({ path, usedBy, usable, issuer }) => [path, usedBy, usable, issuer]);
  const expected = [
    [one, ["service s0"], true, "CN=Test CA"],
    [one, ["service s0"], true, "CN=Second CA"],
    [two, ["service s0"], true, "CN=Second CA"],
  ];
  assertEquals(await listed(), expected);
  /** Does what the program does after a failed reload. */
  const renew = async () => {
    const { controlPlane } = fixture;
    await assertRejects(() => fixture.start(config), ConfigError);
    const renewed = await renewTrust(controlPlane.config!, controlPlane.credentials);
    if (renewed !== undefined) await controlPlane.renewTrust(renewed);
  };
  files.put("other.key", "junk");
  files.put("two.crl", "junk");
  await renew();
  assertEquals(await listed(), [...expected.slice(0, 2), [two, ["service s0"], false, undefined]]);
  files.put("two.crl", second.crl());
  await renew();
  assertEquals(await listed(), expected);
  await fixture.end();
});

Deno.test("a client without a certificate counts as refused, for the reason that the log tells", async () => {
  const { ca, server } = await makePki();
  await using files = new TlsFiles();
  const fixture = new ProgramFixture(files.folder.path);
  const clientAuth = { ca: files.put("ca.pem", ca.certPem), allow: [{ any: true }] };
  await fixture.start(configOf([{ ...files.putOwn("server", server), clientAuth }]));
  const options = { hostname: "127.0.0.1", port: fixture.port("s0"), caCerts: [ca.certPem] };
  const client = await Deno.connectTls(options);
  assertEquals(await client.read(new Uint8Array(1)).catch(() => null), null);
  client.close();
  await until(async () => (await fixture.status()).services[0]!.rejected === 1, { what: "the refusal" });
  const { refused, ended, active } = (await fixture.status()).services[0]!;
  assertEquals([refused, ended, active], [{ "tls-no-certificate": 1 }, {}, 0]);
  await fixture.end();
});
