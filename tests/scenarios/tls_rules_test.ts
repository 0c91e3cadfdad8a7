import { assertEquals, assertMatch } from "@std/assert";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { readIdentity } from "../../src/tls/x509/identity.ts";
import { testWith } from "../support/installed.ts";
import { startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { AccessLines, helloOnce, OpensslClient, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { derOf, inDays } from "../tls/pki.ts";
import { makePki } from "../tls/tls_fixture.ts";

testWith(
  ["openssl"],
  "a client without a common name is called by the name that tells it from others",
  async () => {
    const { ca, server } = await makePki();
    const uri = "spiffe://example.org/ns/prod/sa/web";
    const clients = [
      [await ca.issueClient({ uri }), `URI:${uri}`],
      [await ca.issueClient({ ou: "workloads", uri }), `URI:${uri}`],
      [
        await ca.issueClient({ dns: ["Web.example.org", "b.example.org"], ip: "10.1.2.3" }),
        "DNS:web.example.org",
      ],
      [await ca.issueClient({ ou: "workloads", ip: "10.1.2.3" }), "IP:10.1.2.3"],
      [await ca.issueClient({ ou: "workloads" }), "OU=workloads"],
      [await ca.issueClient({ cn: "web", uri }), "CN=web"],
    ] as const;
    await using files = new TlsFiles();
    using backend = startBackend(helloOnce);
    const tls = { ...files.putOwn("server", server) };
    const caPath = files.put("ca.pem", ca.certPem);
    const config = (rule: unknown) =>
      tlsConfig({ backends: [backend.address], tls: { ...tls, clientAuth: { ca: caPath, allow: [rule] } } });
    await using culvert = await startCulvert(config({ any: true }));
    const lines = new AccessLines(culvert);
    await using peer = new OpensslClient("1.3");
    for (
      const [rule, reason] of [[{ any: true }, "backend-closed"], [
        { cn: "nobody" },
        "tls-not-allowed",
      ]] as const
    ) {
      await culvert.reload(config(rule));
      for (const [own, name] of clients) {
        await peer.talk(culvert.port("main"), { own });
        const line = await lines.next();
        assertEquals([line.reason, line.identity], [reason, name]);
      }
    }
    await culvert.finish();
  },
);

testWith(["openssl"], "each kind of rule allows the clients that it names and no others", async () => {
  const { ca, server } = await makePki();
  const alice = await ca.issueClient({
    cn: "alice",
    ou: ["day", "staff"],
    dns: "a.clients.example.org",
    uri: "spiffe://example.org/ns/prod/sa/web",
    ip: "10.1.2.3",
  });
  const comma = await ca.issueClient({ cn: "x", uri: "spiffe://x/a, URI:spiffe://example.org/admin" });
  const { spkiSha256 } = readIdentity(derOf(alice.certPem)[0]!);
  const good = [
    { any: true },
    { cn: "alice" },
    { cn: "ALICE" },
    { ou: "staff" },
    { dns: "a.clients.example.org" },
    { dns: "*.clients.example.org" },
    { uri: "spiffe://example.org/ns/*/sa/web" },
    { uri: "spiffe://example.org/**" },
    { ip: "10.1.2.3" },
    { spki: `sha256/${spkiSha256}` },
  ];
  const bad = [
    { cn: "alicia" },
    { ou: "staf" },
    { dns: "*.example.org" },
    { uri: "spiffe://example.org/*" },
    { uri: "spiffe://example.org/admin" },
    { ip: "10.1.2.4" },
    { spki: `sha256/${"A".repeat(43)}=` },
  ];
  await using files = new TlsFiles();
  using backend = startBackend(helloOnce);
  const base = { ...files.putOwn("server", server) };
  const caPath = files.put("ca.pem", ca.certPem);
  const config = (rule: unknown) =>
    tlsConfig({
      backends: [backend.address],
      tls: { ...base, clientAuth: { ca: caPath, allow: [{ cn: "nobody" }, rule] } },
    });
  await using culvert = await startCulvert(config(good[0]));
  const lines = new AccessLines(culvert);
  await using client = new OpensslClient("1.3");
  const own = files.putOwn("alice", alice);
  for (const [rules, reason] of [[good, "backend-closed"], [bad, "tls-not-allowed"]] as const) {
    for (const rule of rules) {
      await culvert.reload(config(rule));
      const { entered } = await client.talk(culvert.port("main"), { own });
      assertEquals([rule, await lines.reason(), entered], [rule, reason, rules === good]);
    }
  }
  // One name with a comma in it is one name.
  await culvert.reload(config({ uri: "spiffe://example.org/admin" }));
  await client.talk(culvert.port("main"), { own: files.putOwn("comma", comma) });
  assertEquals(await lines.reason(), "tls-not-allowed");
  await culvert.finish();
});

testWith(["openssl"], "with an unusable CRL every client is rejected, and the log says why", async () => {
  const { ca, server, client } = await makePki();
  const other = await createAuthority({ name: "Another CA" });
  const impostor = await createAuthority({ name: "Test CA" });
  const crls: readonly [crl: string, reason: string, said: RegExp | undefined][] = [
    [
      ca.crl({ now: inDays(-9), nextUpdate: inDays(-1) }),
      "tls-crl-expired",
      /all client certificates are rejected: .*expired/,
    ],
    [
      ca.crl({ now: inDays(1), nextUpdate: inDays(9) }),
      "tls-crl-not-yet-valid",
      /all client certificates are rejected: .*not valid before/,
    ],
    ["garbage", "tls-crl-unreadable", /all client certificates are rejected: .*crl\.pem/],
    ["", "tls-crl-unreadable", /all client certificates are rejected: .*crl\.pem/],
    [ca.certPem, "tls-crl-unreadable", /all client certificates are rejected: .*crl\.pem/],
    [impostor.crl(), "tls-crl-unreadable", /all client certificates are rejected: .*not signed by its key/],
    [other.crl(), "tls-crl-missing", /all client certificates are rejected: there is no CRL of CN=/],
  ];
  await using files = new TlsFiles();
  using backend = startBackend(helloOnce);
  const clientAuth = {
    ca: files.put("ca.pem", ca.certPem),
    crl: files.put("crl.pem", ca.crl()),
    allow: [{ any: true }],
  };
  const config = tlsConfig({
    backends: [backend.address],
    tls: { ...files.putOwn("server", server), clientAuth },
  });
  await using culvert = await startCulvert(config);
  const lines = new AccessLines(culvert);
  await using peer = new OpensslClient("1.3");
  const own = files.putOwn("client", client);
  const warned = () => {
    return culvert.found({ level: "WARN" }).map(({ message }) => String(message)).filter((message) =>
      message.includes("all client certificates are rejected: ")
    );
  };
  for (const [crl, reason, said] of crls) {
    const before = warned().length;
    files.put("crl.pem", crl);
    await culvert.reload(config);
    const { entered } = await peer.talk(culvert.port("main"), { own });
    assertEquals([await lines.reason(), entered], [reason, false]);
    if (said !== undefined) assertMatch(warned()[before] ?? "nothing", said);
  }
  Deno.removeSync(files.folder.file("crl.pem"));
  await culvert.reload(config);
  await peer.talk(culvert.port("main"), { own });
  assertEquals(await lines.reason(), "tls-crl-unreadable");

  // DER will do as well as PEM, and is good again.
  files.put("crl.pem", derOf(ca.crl())[0]!);
  await culvert.reload(config);
  assertEquals((await peer.talk(culvert.port("main"), { own })).entered, true);
  // Said loudly, though once a minute at most, however many are refused.
  await culvert.finish(0, ["rejecting clients: CRL unusable"]);
});
