import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import { loadMaterials, NO_MATERIALS } from "../../../src/app/material/materials.ts";
import { renewTrust } from "../../../src/app/material/renew_trust.ts";
import { ConfigReading } from "../../../src/config/reading.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { TlsFiles } from "../../support/tls_files.ts";
import { makePki } from "../../tls/tls_fixture.ts";
import { AppFixture, configText, gone } from "../app_fixture.ts";

const ANY = [{ any: true }];
const buffers = new BufferPool();

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
  const before = await loadMaterials(reading, { name: "test.yaml", buffers });
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
  const { materials, usedBy } = (await renewTrust(config, before))!;
  assertEquals(usedBy, ["service b", "admin"]);
  assertEquals([...materials.gates.keys()], ["a", "b", "open"]);
  for (const name of ["a", "open"]) assertStrictEquals(materials.gates.get(name), before.gates.get(name));
  assertEquals(materials.gates.get("b")!.problem?.reason, "crl-unreadable");
  assertNotStrictEquals(materials.admin!.gate, before.admin!.gate);
  assertEquals(materials.admin!.names, before.admin!.names);
  assertStrictEquals(materials.certificates, before.certificates);
  const problems = materials.crls.map(({ usedBy, problem }) => [usedBy, problem(Date.now())?.reason]);
  assertEquals(problems, [["service a", undefined], ["service b", "crl-unreadable"], ["admin", undefined]]);
  assertStrictEquals(materials.crls[0], before.crls[0]);
  assertEquals(materials.warnings.length, 1);
  assertEquals(await renewTrust(config, materials), undefined);
});

Deno.test("CAs that become bad are told once and stay, and count again when they are good", async () => {
  await using files = new TlsFiles();
  const { ca, other, config, before } = await setUp(files);
  const fingerprints = before.gates.get("a")!.authorities.map(({ fingerprint }) => fingerprint);
  files.put("a.pem", "junk");
  const bad = (await renewTrust(config, before))!;
  assertEquals([bad.usedBy, bad.materials.warnings.length], [[], 1]);
  const kept = bad.materials.gates.get("a")!.authorities.map(({ fingerprint }) => fingerprint);
  assertEquals(kept, fingerprints);
  assertEquals(await renewTrust(config, bad.materials), undefined);

  await Deno.remove(files.folder.file("a.crl")); // Which counts all the same.
  const closed = (await renewTrust(config, bad.materials))!;
  assertEquals(closed.usedBy, ["service a"]);
  assertEquals(closed.materials.gates.get("a")!.problem?.reason, "crl-unreadable");

  files.put("a.pem", other.ca.certPem);
  files.put("a.crl", other.ca.crl() + ca.crl());
  const good = (await renewTrust(config, closed.materials))!;
  assertEquals([good.usedBy, good.materials.warnings], [["service a"], []]);
  const [authority] = good.materials.gates.get("a")!.authorities;
  assert(!fingerprints.includes(authority!.fingerprint));
  assertEquals(good.materials.gates.get("a")!.problem, undefined);
});

Deno.test("renewed gates touch no listener, no upstream and no connection, and are not for a program that stops", async () => {
  const fixture = new AppFixture();
  const { app } = fixture;
  const [early, renewed, late] = [{ ...NO_MATERIALS }, { ...NO_MATERIALS }, { ...NO_MATERIALS }];
  app.renewGates(early);
  assertEquals([app.state, app.materials === early], ["starting", false]);
  const services = { web: { listen: ["127.0.0.1:0"], upstream: "app" } };
  await fixture.apply(configText({ upstreams: { app: ["a"] }, services }));
  const [port, upstream] = [fixture.port("web"), app.upstream("app")!.upstream];
  const connected = await fixture.connect(port);
  const backends = upstream.backends;
  app.renewGates(renewed);
  assertStrictEquals(app.materials, renewed);
  assertEquals([fixture.port("web"), app.services[0]!.active], [port, 1]);
  assertStrictEquals(app.upstream("app")!.upstream, upstream);
  assertStrictEquals(upstream.backends[0], backends[0]);
  await connected.client.write(new TextEncoder().encode("more"));
  assertEquals(await connected.server.receive(), "more");
  const drained = app.destroy();
  app.renewGates(late);
  assertStrictEquals(app.materials, renewed);
  await Promise.all([drained, gone(connected)]);
  await fixture.end();
});
