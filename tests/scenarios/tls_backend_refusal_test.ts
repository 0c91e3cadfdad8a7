import { assertEquals, assertMatch } from "@std/assert";
import { readText } from "../support/bytes.ts";
import { testWith } from "../support/installed.ts";
import { connect } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { startSlowRelay } from "../support/slow_relay.ts";
import { AccessLines, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { within } from "../support/wait.ts";
import { startOpensslServer } from "../tls/openssl_server.ts";
import { makePki, type Pki, serverContext, TlsServer } from "../tls/tls_fixture.ts";

/** Says `ping` to the program and resolves to what comes back. */
async function talk(culvert: Culvert): Promise<string> {
  using client = await connect(culvert.port("main"));
  await client.write(new TextEncoder().encode("ping\n"));
  return await within(readText(client).catch(() => ""), { what: "the end of the answer" });
}

/** A server that our CA vouches for, which takes clients of another CA only. */
function strict(ours: Pki, { ca }: Pki): Pick<Pki, "ca" | "server"> {
  return { ca, server: ours.server };
}

/** A configuration that tries the backends in this order, with our certificate. */
function config(files: TlsFiles, { pki, backends }: { pki: Pki; backends: readonly string[] }): string {
  const ca = files.put("ca.pem", pki.ca.certPem);
  return tlsConfig({
    backends,
    upstreamTls: { ca, ...files.putOwn("client", pki.client) },
    upstream: "balance: first",
  });
}

for (const version of ["1.2", "1.3"] as const) {
  for (const tickets of version === "1.2" ? [2] : [2, 0]) {
    testWith(
      ["openssl"],
      `a backend that refuses our certificate is passed over for the next, TLS ${version}, ${tickets} tickets`,
      async () => {
        const [pki, other] = [await makePki(), await makePki()];
        await using files = new TlsFiles();
        const more = ["-num_tickets", String(tickets)];
        await using refusing = await startOpensslServer({ pki: strict(pki, other), version, more });
        // A busy server may take longer to refuse than a program waits after a quick handshake.
        using slow = startSlowRelay(refusing.port);
        await using good = new TlsServer(serverContext(pki));
        const backends = [slow.address, `127.0.0.1:${good.port}`];
        const alone = config(files, { pki, backends: [slow.address] });
        await using culvert = await startCulvert(config(files, { pki, backends }), { later: [alone] });
        const lines = new AccessLines(culvert);
        for (let i = 1; i <= 2; i++) {
          assertEquals(await talk(culvert), "hello\nping\n");
          const { tries, backend, reason } = await lines.next();
          assertEquals([tries, backend, reason], [2, `127.0.0.1:${good.port}`, "backend-closed"]);
          const passedOver = await culvert.waitFor({ message: "cannot connect to backend" }, i);
          assertEquals(passedOver.backend, slow.address);
          assertMatch(String(passedOver.error), /it sent the alert unknown_ca/);
        }
        await culvert.reload(alone);
        assertEquals(await talk(culvert), "");
        const { reason, error } = await lines.next();
        assertEquals(reason, "connect-failed");
        assertMatch(String(error), /it sent the alert unknown_ca/);
        await culvert.finish();
      },
    );
  }
}

testWith(
  ["openssl"],
  "where we show no certificate, and TLS 1.3 lets a backend ask for it too late, the log says what it wanted",
  async () => {
    const pki = await makePki();
    await using files = new TlsFiles();
    await using refusing = await startOpensslServer({ pki, version: "1.3", more: [] });
    await using culvert = await startCulvert(tlsConfig({
      backends: [`127.0.0.1:${refusing.port}`],
      upstreamTls: { ca: files.put("ca.pem", pki.ca.certPem) },
    }));
    const lines = new AccessLines(culvert);
    assertEquals(await talk(culvert), "");
    const { reason, error } = await lines.next();
    assertEquals(reason, "backend-reset");
    assertMatch(String(error), /it sent the alert certificate_required/);
    await culvert.finish();
  },
);

Deno.test("a backend that ends the connection when it has seen our certificate is passed over, too", async () => {
  const [pki, other] = [await makePki(), await makePki()];
  await using files = new TlsFiles();
  await using refusing = new TlsServer(serverContext({ ...pki, ca: other.ca }));
  using slow = startSlowRelay(refusing.port);
  await using good = new TlsServer(serverContext(pki));
  const backends = [slow.address, `127.0.0.1:${good.port}`];
  await using culvert = await startCulvert(config(files, { pki, backends }));
  const lines = new AccessLines(culvert);
  for (let i = 0; i < 2; i++) {
    assertEquals(await talk(culvert), "hello\nping\n");
    assertEquals((await lines.next()).tries, 2);
    assertEquals(await refusing.reason(), "unknown-ca");
  }
  const { error } = await culvert.waitFor({ message: "cannot connect to backend" });
  assertMatch(String(error), /it closed the connection after it had received the client certificate/);
  await culvert.finish();
});
