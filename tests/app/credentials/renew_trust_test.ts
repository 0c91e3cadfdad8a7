import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import {
  type Credentials,
  loadCredentials,
  NO_CREDENTIALS,
} from "../../../src/app/credentials/credentials.ts";
import { renewTrust } from "../../../src/app/credentials/renew_trust.ts";
import { buildGate } from "../../../src/dataplane/credentials.ts";
import type { TlsGate } from "../../../src/tls/gate.ts";
import { ConfigReading } from "../../../src/config/reading.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { makePki } from "../../tls/tls_fixture.ts";
import { AppFixture, configText, gone } from "../control/app_fixture.ts";

const ANY = [{ any: true }];

/** What a configuration of three services and an admin listener runs with: `a`, `b` with a CA, `open` without. */
async function setUp(files: TlsFiles) {
  const [{ ca, server }, other] = [await makePki(), await makePki()];
  const own = files.putOwn("server", server);
  const clientAuth = (name: string) => ({
    ca: files.put(`${name}.pem`, ca.certPem),
    crl: files.put(`${name}.crl`, ca.crl()),
    allow: ANY,
  });
  const services = ["a", "b", "open"].map((name, index) => ({
    name,
    listen: [`127.0.0.1:${7000 + index}`],
    upstream: { backends: ["127.0.0.1:9"] },
    tls: { ...own, ...(name === "open" ? {} : { clientAuth: clientAuth(name) }) },
  }));
  const admin = { listen: "127.0.0.1:7100", tls: { ...own, clientAuth: clientAuth("admin") } };
  const reading = new ConfigReading(JSON.stringify({ version: 1, admin, services }), {
    name: "test.yaml",
    folder: files.folder.path,
  });
  const before = await loadCredentials(reading, "test.yaml");
  return { ca, other, own, config: reading.config!, before };
}

Deno.test("where no CA and no CRL has changed there is nothing to renew, whatever else is bad", async () => {
  await using files = new TlsFiles();
  const { ca, own, config, before } = await setUp(files);
  await Deno.remove(own.key);
  files.put("server.pem", "junk");
  assertEquals(await renewTrust(config, before), undefined);
  files.put("a.pem", ca.certPem); // Another file, of the same content.
  assertEquals(await renewTrust(config, before), undefined);
});

Deno.test("what has changed is renewed, and everything else is what it was", async () => {
  await using files = new TlsFiles();
  const { ca, config, before } = await setUp(files);
  await Deno.remove(files.folder.file("b.crl"));
  files.put("admin.crl", ca.crl());
  const { credentials, services, usedBy } = (await renewTrust(config, before))!;
  assertEquals([usedBy, [...services.keys()]], [["service b", "admin"], ["b"]]);
  assertEquals([...credentials.services.keys()], ["a", "b", "open"]);
  for (const name of ["a", "open"]) {
    assertStrictEquals(credentials.services.get(name), before.services.get(name));
  }
  assertEquals((await gateOf(credentials, "b")).problem?.reason, "crl-unreadable");
  assertNotStrictEquals(credentials.admin!.gate, before.admin!.gate);
  assertEquals(credentials.admin!.names, before.admin!.names);
  assertStrictEquals(credentials.certificates, before.certificates);
  const problems = credentials.crls.map(({ usedBy, problem }) => [usedBy, problem(Date.now())?.reason]);
  assertEquals(problems, [["service a", undefined], ["service b", "crl-unreadable"], ["admin", undefined]]);
  assertStrictEquals(credentials.crls[0], before.crls[0]);
  assertEquals(credentials.warnings.length, 1);
  assertEquals(await renewTrust(config, credentials), undefined);
});

Deno.test("CAs that become bad are reported once and stay, and count again when they are good", async () => {
  await using files = new TlsFiles();
  const { ca, other, config, before } = await setUp(files);
  const fingerprints = (await gateOf(before, "a")).authorities.map(({ fingerprint }) => fingerprint);
  files.put("a.pem", "junk");
  const bad = (await renewTrust(config, before))!;
  assertEquals([bad.usedBy, bad.credentials.warnings.length], [[], 1]);
  const kept = (await gateOf(bad.credentials, "a")).authorities.map(({ fingerprint }) => fingerprint);
  assertEquals(kept, fingerprints);
  assertEquals(await renewTrust(config, bad.credentials), undefined);

  await Deno.remove(files.folder.file("a.crl")); // Which counts all the same.
  const closed = (await renewTrust(config, bad.credentials))!;
  assertEquals(closed.usedBy, ["service a"]);
  assertEquals((await gateOf(closed.credentials, "a")).problem?.reason, "crl-unreadable");

  files.put("a.pem", other.ca.certPem);
  files.put("a.crl", other.ca.crl() + ca.crl());
  const good = (await renewTrust(config, closed.credentials))!;
  assertEquals([good.usedBy, good.credentials.warnings], [["service a"], []]);
  const [authority] = (await gateOf(good.credentials, "a")).authorities;
  assert(!fingerprints.includes(authority!.fingerprint));
  assertEquals((await gateOf(good.credentials, "a")).problem, undefined);
});

Deno.test("renewed trust touches no listener, no upstream and no connection, and ends with the program", async () => {
  const fixture = new AppFixture();
  const { controlPlane } = fixture;
  const services = { web: { listen: ["127.0.0.1:0"], upstream: "app" } };
  const renew = (warning: string) =>
    controlPlane.renewTrust({
      credentials: { ...NO_CREDENTIALS, warnings: [warning] },
      services: new Map(),
      usedBy: [],
    });
  await renew("early");
  assertEquals([controlPlane.state, controlPlane.credentials], ["starting", NO_CREDENTIALS]);
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services }));
  const [port, upstream] = [fixture.port("web"), fixture.upstreamOf("app")];
  const connected = await fixture.connect(port);
  const { backends } = upstream;
  await renew("renewed");
  assertEquals(controlPlane.credentials.warnings, ["renewed"]);
  assertEquals([fixture.port("web"), (await fixture.services())[0]!.active], [port, 1]);
  assertStrictEquals(fixture.upstreamOf("app"), upstream);
  assertStrictEquals(upstream.backends[0], backends[0]);
  await connected.client.write(new TextEncoder().encode("more"));
  assertEquals(await connected.server.receive(), "more");
  const drained = controlPlane.destroy();
  await renew("late");
  assertEquals(controlPlane.credentials.warnings, ["renewed"]);
  await Promise.all([drained, gone(connected)]);
  await fixture.end();
});

/** The gate that the data plane makes of the credentials of a service. */
function gateOf({ services }: Credentials, name: string): Promise<TlsGate> {
  return buildGate(services.get(name)!);
}
