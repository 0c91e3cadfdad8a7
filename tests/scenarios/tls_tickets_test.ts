import { assertEquals } from "@std/assert";
import { testWith } from "../support/installed.ts";
import { startBackend } from "../support/peers.ts";
import { startCulvert, THREADS } from "../support/program.ts";
import { AccessLines, helloOnce, OpensslClient, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";

const ANY = [{ any: true }];

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["openssl"],
    `with TLS ${version} no ticket of another listener opens the one with mutual TLS`,
    async () => {
      const [good, other] = [await makePki(), await makePki()];
      await using files = new TlsFiles();
      using backend = startBackend(helloOnce);
      const own = files.putOwn("server", good.server);
      const otherCa = files.put("other-ca.pem", other.ca.certPem);
      const listeners = {
        open: own,
        optional: {
          ...own,
          clientAuth: { ca: files.put("ca.pem", good.ca.certPem), mode: "optional", allow: ANY },
        },
        "other-ca": { ...own, clientAuth: { ca: otherCa, allow: ANY } },
        "other-ca-optional": { ...own, clientAuth: { ca: otherCa, mode: "optional", allow: ANY } },
      };
      const config = tlsConfig({
        backends: [backend.address],
        tls: { ...own, clientAuth: { ca: files.folder.file("ca.pem"), allow: ANY } },
      });
      const others = Object.entries(listeners).map(([name, tls]) =>
        `  - {name: ${name}, listen: ["127.0.0.1:0"], upstream: main, tls: ${JSON.stringify(tls)}}\n`
      );
      await using culvert = await startCulvert(config + others.join(""));
      const lines = new AccessLines(culvert);
      const untrusted = files.putOwn("untrusted", other.client);
      for (const name of Object.keys(listeners)) {
        await using client = new OpensslClient(version);
        const shown = name.startsWith("other-ca") ? untrusted : undefined;
        assertEquals((await client.talk(culvert.port(name), { own: shown, keep: true })).entered, true);
        assertEquals([await lines.reason(), client.hasTicket()], ["backend-closed", true]);
        for (const own of [undefined, untrusted]) {
          const { entered } = await client.talk(culvert.port("main"), { own, redeem: true });
          const { service, message } = await lines.next();
          assertEquals([entered, service, message], [false, "main", "connection refused"]);
        }
      }
      await culvert.finish();
    },
  );

  testWith(
    ["openssl"],
    `with TLS ${version} a ticket is good as long as its holder is, and not any longer`,
    async () => {
      const { ca, server, client: alice } = await makePki();
      const other = await makePki();
      await using files = new TlsFiles();
      using backend = startBackend(helloOnce);
      const clientAuth = {
        ca: files.put("ca.pem", ca.certPem),
        crl: files.put("crl.pem", ca.crl() + other.ca.crl()),
        allow: ANY,
      };
      const config = tlsConfig({
        backends: [backend.address],
        tls: { ...files.putOwn("server", server), clientAuth },
      });
      await using culvert = await startCulvert(config);
      const lines = new AccessLines(culvert);
      const own = files.putOwn("alice", alice);
      await using client = new OpensslClient(version);
      await client.talk(culvert.port("main"), { own, keep: true });
      const first = await lines.next();
      const again = await client.talk(culvert.port("main"), { own, redeem: true });
      assertEquals(again.entered, true);
      if (THREADS === 1) assertEquals(again.resumed, true); // A ticket is of one thread.
      assertEquals((await lines.next()).identity, first.identity);

      files.put("ca.pem", other.ca.certPem);
      await culvert.reload(config);
      assertEquals((await client.talk(culvert.port("main"), { own, redeem: true })).entered, false);
      assertEquals(await lines.reason(), "tls-unknown-ca");

      files.put("ca.pem", ca.certPem);
      ca.revoke(alice.serial);
      files.put("crl.pem", ca.crl());
      await culvert.reload(config);
      for (const redeem of [true, false]) {
        assertEquals((await client.talk(culvert.port("main"), { own, redeem })).entered, false);
        assertEquals(await lines.reason(), "tls-revoked");
      }
      await culvert.finish();
    },
  );
}
