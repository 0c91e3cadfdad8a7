import { assertEquals } from "@std/assert";
import { X509Certificate } from "node:crypto";
import { connect as connectTls, type PeerCertificate } from "node:tls";
import { echo, exchange, startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { freePort } from "../support/folder.ts";
import { until } from "../support/wait.ts";
import { AccessLines, tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";

const NAMES = ["localhost", "127.0.0.1"];

/** What the listener shows of itself to a client of `node:tls`. */
async function shownSerial(culvert: Culvert, ca: string): Promise<string> {
  const shown = Promise.withResolvers<PeerCertificate>();
  const socket = connectTls({ host: "127.0.0.1", port: culvert.port("main"), ca, rejectUnauthorized: true });
  socket.on("secureConnect", () => shown.resolve(socket.getPeerCertificate()));
  socket.on("error", shown.reject);
  const { serialNumber } = await shown.promise;
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.destroy();
  await closed;
  return serialNumber;
}

/** Only this may happen; everything else is a fault. */
function unlessReset(error: Error & { code?: string }): string {
  if (error.code === "ECONNRESET") return "reset";
  throw error;
}

Deno.test("native: the runtime's TLS carries, half-closes, and takes a new certificate at a reload", async () => {
  const pki = await makePki();
  const next = await pki.ca.issueServer({ names: NAMES });
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  // A port that was picked could not be bound again with the permissions that the configuration asks for.
  const listen = `"127.0.0.1:${freePort()}"`;
  const config = () =>
    tlsConfig({
      backends: [backend.address],
      listen,
      tls: { ...files.putOwn("server", pki.server), native: true },
    });
  await using culvert = await startCulvert(config());
  using stream = await Deno.connectTls({
    hostname: "127.0.0.1",
    port: culvert.port("main"),
    caCerts: [pki.ca.certPem],
  });
  assertEquals(await exchange(stream, "x".repeat(100_000)), "x".repeat(100_000));

  const before = await shownSerial(culvert, pki.ca.certPem);
  assertEquals(before, new X509Certificate(pki.server.certPem).serialNumber);
  const text = config();
  files.putOwn("server", next);
  await culvert.reload(text);
  // The previous listener accepts until its queue is empty: a few more may see the old certificate, and a client that
  // comes in the very moment in which it closes may be reset.
  const serial = new X509Certificate(next.certPem).serialNumber;
  const allSeeIt = async () => {
    for (let i = 0; i < 10; i++) {
      if (await shownSerial(culvert, pki.ca.certPem).catch(unlessReset) !== serial) return false;
    }
    return true;
  };
  await until(allSeeIt, { what: "the new certificate" });

  assertEquals(await exchange(stream, "still there"), "still there");
  stream.close();
  await culvert.finish();
});

Deno.test("native: a client without TLS, or a silent one, is refused in time", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const tls = { ...files.putOwn("server", pki.server), native: true };
  await using culvert = await startCulvert(
    tlsConfig({ backends: [backend.address], tls, service: "timeouts: {handshake: 300ms}" }),
  );
  const lines = new AccessLines(culvert);
  const port = culvert.port("main");
  {
    using garbage = await Deno.connect({ port });
    await garbage.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
    assertEquals(String(await lines.reason()).startsWith("tls-"), true);
  }
  {
    using _silent = await Deno.connect({ port });
    assertEquals(await lines.reason(), "handshake");
  }
  await culvert.finish();
});
