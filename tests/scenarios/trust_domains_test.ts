import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Authority, createAuthority } from "../../src/tls/authority/authority.ts";
import type { IssueOptions } from "../../src/tls/authority/options.ts";
import { testWith } from "../support/installed.ts";
import { startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import {
  AccessLines,
  helloOnce,
  OpensslClient,
  type OwnPaths,
  tlsConfig,
  TlsFiles,
} from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";

const FOO_ID = "spiffe://foo.test/web";
const BAR_ID = "spiffe://bar.test/pay";
const WRONG = "tls-wrong-trust-domain";
const ALLOW = [{ uri: FOO_ID }, { uri: BAR_ID }];
const REFUSED = { message: "reload failed, keeping the current configuration" };

/** Two trust domains, their clients, and a client of one that has an ID of the other. */
async function setUp(files: TlsFiles) {
  const [foo, bar, { server }] = [
    await createAuthority({ name: "Foo" }),
    await createAuthority({ name: "Bar" }),
    await makePki(),
  ];
  const own = files.putOwn("server", server);
  const issue = async (name: string, ca: Authority, options: IssueOptions) =>
    files.putOwn(name, await ca.issueClient({ cn: name, ...options }));
  const clients = {
    foo: await issue("foo", foo, { uri: FOO_ID }),
    bar: await issue("bar", bar, { uri: BAR_ID }),
    impostor: await issue("impostor", foo, { uri: BAR_ID }),
  };
  files.put("both.pem", foo.certPem + bar.certPem);
  const trustDomains = {
    "foo.test": { ca: files.put("foo-ca.pem", foo.certPem), crl: files.put("foo.crl", foo.crl()) },
    "bar.test": { ca: files.put("bar-ca.pem", bar.certPem) },
  };
  return { foo, bar, own, issue, clients, trustDomains };
}

/** The reason for which a client is refused; `backend-closed` if it is not. */
async function reasonOf(
  culvert: Culvert,
  lines: AccessLines,
  { client, own, service = "main", ...ticket }: {
    client: OpensslClient;
    own: OwnPaths;
    service?: string;
    keep?: boolean;
    redeem?: boolean;
  },
): Promise<unknown> {
  const { entered } = await client.talk(culvert.port(service), { own, ...ticket });
  const { reason } = await lines.next();
  assertEquals(entered, reason === "backend-closed");
  return reason;
}

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["openssl"],
    `with TLS ${version} no CA issues IDs of another trust domain, with a ticket neither`,
    async () => {
      await using files = new TlsFiles();
      using backend = startBackend(helloOnce);
      const { own, clients, trustDomains } = await setUp(files);
      const config = tlsConfig({
        backends: [backend.address],
        tls: { ...own, clientAuth: { trustDomains, allow: ALLOW } },
      });
      const plain = { ...own, clientAuth: { ca: files.folder.file("both.pem"), allow: ALLOW } };
      const other = `  - {name: plain, listen: ["127.0.0.1:0"], upstream: main, tls: ${
        JSON.stringify(plain)
      }}\n`;
      await using culvert = await startCulvert(config + other);
      const lines = new AccessLines(culvert);
      await using client = new OpensslClient(version);

      for (const name of ["foo", "bar"] as const) {
        const shown = { client, own: clients[name] };
        assertEquals(await reasonOf(culvert, lines, { ...shown, keep: true }), "backend-closed");
        assertEquals(await reasonOf(culvert, lines, { ...shown, redeem: true }), "backend-closed");
      }
      const impostor = { client, own: clients.impostor };
      assertEquals(await reasonOf(culvert, lines, impostor), WRONG);
      // Where nothing tells whose domain it is, it comes in, and gets a ticket.
      assertEquals(
        await reasonOf(culvert, lines, { ...impostor, service: "plain", keep: true }),
        "backend-closed",
      );
      assertEquals(client.hasTicket(), true);
      assertEquals(await reasonOf(culvert, lines, { ...impostor, redeem: true }), WRONG);
      const [line] = culvert.found({ reason: WRONG });
      assertEquals(line!.identity, "CN=impostor");
      assertStringIncludes(String(line!.error), "is not in the bundle of the trust domain bar.test");
      await culvert.finish();
    },
  );
}

testWith(
  ["openssl"],
  "the files of trust domains and rules are watched, and count where a reload is refused",
  async () => {
    await using files = new TlsFiles();
    using backend = startBackend(helloOnce);
    const { foo, bar, own, issue, clients, trustDomains } = await setUp(files);
    const ruleCa = files.put("rule-ca.pem", foo.certPem + bar.certPem);
    const clientAuth = { trustDomains, allow: [{ any: true, ca: ruleCa }] };
    const spare = files.putOwn("spare", await foo.issueServer({ names: ["spare.test"] }));
    const config = tlsConfig({ backends: [backend.address], tls: { ...own, clientAuth } }) +
      `  - {name: spare, listen: ["127.0.0.1:0"], upstream: main, tls: ${JSON.stringify(spare)}}\n`;
    await using culvert = await startCulvert(config, { readable: [files.folder.path] });
    const lines = new AccessLines(culvert);
    await using client = new OpensslClient("1.3");
    const reason = (name: keyof typeof clients, ticket: { keep?: boolean; redeem?: boolean } = {}) =>
      reasonOf(culvert, lines, { client, own: clients[name], ...ticket });
    let reloads = 0;
    const reloaded = () => culvert.waitFor({ message: "reloaded" }, ++reloads);

    assertEquals([await reason("foo", { keep: true }), await reason("bar")], [
      "backend-closed",
      "backend-closed",
    ]);
    // Another CA in the bundle of a domain.
    const next = await createAuthority({ name: "Bar" });
    files.put("bar-ca.pem", next.certPem);
    await reloaded();
    assertEquals([await reason("foo"), await reason("bar")], ["backend-closed", "tls-unknown-ca"]);
    // The rule is bound to the previous CAs.
    const renewed = await issue("renewed", next, { uri: BAR_ID });
    assertEquals(await reasonOf(culvert, lines, { client, own: renewed }), "tls-not-allowed");
    files.put("rule-ca.pem", foo.certPem + next.certPem);
    await reloaded();
    assertEquals(await reasonOf(culvert, lines, { client, own: renewed }), "backend-closed");

    // From here on every reload is refused; what is narrower counts all the same.
    files.put("spare.key", "junk");
    await culvert.waitFor(REFUSED);
    files.put("rule-ca.pem", next.certPem);
    await culvert.waitFor(REFUSED, 2);
    assertEquals([await reason("foo"), await reason("foo", { redeem: true })], [
      "tls-not-allowed",
      "tls-not-allowed",
    ]);
    files.put("foo-ca.pem", next.certPem);
    await culvert.waitFor(REFUSED, 3);
    assertEquals(await reason("foo", { redeem: true }), "tls-unknown-ca");
    files.put("bar-ca.pem", "junk"); // One that can't be used stays.
    await culvert.waitFor(REFUSED, 4);
    assertEquals(await reasonOf(culvert, lines, { client, own: renewed }), "backend-closed");
    const warnings = culvert.found(({ message }) =>
      String(message).includes("keeping the current CAs for client certificates")
    );
    assertEquals(warnings.length, 1);
    assertStringIncludes(String(warnings[0]!.message), "bar-ca.pem");
    await culvert.settled();
  },
);
