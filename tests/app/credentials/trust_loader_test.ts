import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { CredentialsLoader } from "../../../src/app/credentials/credentials_loader.ts";
import { CredentialReader } from "../../../src/app/credentials/credential_reader.ts";
import { TrustLoader } from "../../../src/app/credentials/trust_loader.ts";
import { buildGate } from "../../../src/dataplane/credentials.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { makePki } from "../../tls/tls_fixture.ts";

Deno.test("only CAs and CRLs are read again, and not the certificate and the key", async () => {
  const [{ ca, server }, other] = [await makePki(), await makePki("ecdsa-p256", "Other CA")];
  await using files = new TlsFiles();
  const caPath = files.put("ca.pem", ca.certPem);
  const crlPath = files.put("ca.crl", ca.crl());
  const clientAuth = { caPath, crlPaths: [crlPath], mode: "require", allow: [{ any: true }] } as const;
  const { cert, key } = files.putOwn("server", server);
  const tls = {
    certPath: cert,
    keyPath: key,
    minVersion: "1.2",
    maxVersion: "1.3",
    alpn: [],
    clientAuth,
  } as const;
  const who = "service web";
  const first = new CredentialsLoader();
  const credentials = (await first.service(tls, { path: ["services", 0, "tls"], who }))!;
  const gate = await buildGate(credentials);
  const renew = async () => {
    const reader = new CredentialReader();
    const loading = new TrustLoader(reader);
    const renewed = await buildGate(await loading.renew(credentials, { clientAuth, who }));
    loading.warnOfProblem(renewed, who);
    const names = renewed.authorities.map(({ fingerprint }) => fingerprint);
    assertEquals(reader.faults, []);
    const { crls, trust } = loading;
    return { renewed, names, crls, trust: trust.get(who)!, warnings: reader.warnings };
  };
  files.put("server.pem", "junk");
  files.put("server.key", "junk");
  const [own] = gate.authorities;
  const same = await renew();
  assertEquals([same.trust, same.names], [first.trust.trust.get(who)!, [own!.fingerprint]]);
  assertEquals([same.renewed.problem, same.warnings], [undefined, []]);

  files.put("ca.pem", "junk");
  const bad = await renew();
  assertEquals([bad.trust.fingerprint, bad.names], [same.trust.fingerprint, [own!.fingerprint]]);
  const why = `cannot use "${caPath}": there is no certificate in it`;
  assertEquals([bad.trust.fault, bad.warnings], [
    why,
    [`service web: keeping the current CAs for client certificates: ${why}`],
  ]);
  assertEquals(bad.renewed.problem, undefined); // Its CRL is that of the CAs that stay.

  files.put("ca.pem", other.ca.certPem);
  const moved = await renew();
  assert(moved.trust.fingerprint !== same.trust.fingerprint && !moved.names.includes(own!.fingerprint));
  assertEquals([moved.renewed.problem?.reason, moved.warnings.length], ["crl-missing", 1]);

  files.put("ca.pem", ca.certPem);
  files.put("ca.crl", "junk");
  const unreadable = await renew();
  assert(unreadable.trust.fingerprint !== same.trust.fingerprint);
  assertEquals(unreadable.renewed.problem?.reason, "crl-unreadable");
  assertEquals(unreadable.crls.map(({ problem }) => problem(Date.now())?.reason), ["crl-unreadable"]);
  assertStringIncludes(unreadable.warnings.join(), `cannot use "${crlPath}"`);
});
