import process from "node:process";
import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ClientContext } from "../../src/tls/client_context.ts";
import { TlsHandshakeError } from "../../src/tls/session/handshake_errors.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { dial } from "../../src/net/dial.ts";
import { tlsConnector, tlsDial } from "../../src/tls/dial.ts";
import { HttpCheck } from "../../src/upstream/check/http_check.ts";
import { TlsCheck } from "../../src/upstream/check/tls_check.ts";
import { testWith } from "../support/installed.ts";
import { makeCaWeb } from "./x509/path/ca_web.ts";
import { type OpensslServer, startOpensslServer } from "./openssl_server.ts";
import { clientContext, close, connect, pki } from "./tls_fixture.ts";

// A server's certificates must not make the engine search for long, trusted or not.

/** An unbounded search takes 2 s and more of processor time, everything else in the test less than 0.2 s. */
const MAX_CPU_US = 1_000_000;

/** A server that shows a web of CAs, by TLS 1.2, by TLS 1.3, or by both. */
async function startWeb(
  options: { web: ReturnType<typeof makeCaWeb>; more: string[] },
): Promise<OpensslServer> {
  const { ca } = await pki();
  const { web: { chainPem, keyPem }, more } = options;
  return await startOpensslServer({
    pki: { ca, server: { chainPem, keyPem } },
    version: "any",
    chain: true,
    more,
  });
}

/** Why a server is refused, and what that has cost. */
async function refused(port: number, context: ClientContext): Promise<{ reason: string; cpuUs: number }> {
  const before = process.cpuUsage();
  const { reason } = await assertRejects(() => connect(port, context), TlsHandshakeError);
  const { user, system } = process.cpuUsage(before);
  return { reason, cpuUs: user + system };
}

for (const verify of [true, false]) {
  testWith(["openssl"], `a server's web of CAs costs next to nothing, verify: ${verify}`, async () => {
    const material = await pki();
    await using both = await startWeb({ web: makeCaWeb(), more: [] });
    await using older = await startWeb({ web: makeCaWeb(), more: ["-no_tls1_3"] });
    // By TLS 1.3 its size tells, and then TLS 1.2 is spoken.
    const context = clientContext(material, { verify });
    for (const expected of ["too-large", "bad-certificate", "bad-certificate"]) {
      const { reason, cpuUs } = await refused(both.port, context);
      assertEquals(reason, expected);
      assert(cpuUs < MAX_CPU_US, `it took ${cpuUs} µs`);
    }
    const fresh = clientContext(material, { verify });
    for (let time = 0; time < 2; time++) {
      const { reason, cpuUs } = await refused(older.port, fresh);
      assertEquals(reason, "bad-certificate");
      assert(cpuUs < MAX_CPU_US, `it took ${cpuUs} µs`);
    }
  });
}

testWith(["openssl"], "a server that was costly once is not so again within ten minutes", async () => {
  const material = await pki();
  let nowMs = Date.now();
  // Small enough to pass for honest by TLS 1.3.
  await using server = await startWeb({ web: makeCaWeb({ count: 9, padding: 10 }), more: [] });
  for (const minVersion of ["1.2", "1.3"] as const) {
    const context = clientContext(material, { minVersion, now: () => nowMs });
    const first = await refused(server.port, context);
    assert(first.cpuUs > 200_000, `it took only ${first.cpuUs} µs: the test shows nothing`);
    const expected = minVersion === "1.2" ? "bad-certificate" : "too-costly";
    for (let time = 0; time < 3; time++) {
      const { reason, cpuUs } = await refused(server.port, context);
      assertEquals(reason, expected);
      assert(cpuUs < first.cpuUs / 2, `it took ${cpuUs} µs`);
    }
    nowMs += 601_000;
    assert((await refused(server.port, context)).reason !== expected);
  }
});

testWith(
  ["openssl"],
  "checks of a server with a web of CAs cost next to nothing, whatever their type",
  async () => {
    const { ca } = await pki();
    await using large = await startWeb({ web: makeCaWeb(), more: [] });
    // Costly once by TLS 1.3, as it is small enough to pass for honest.
    await using small = await startWeb({ web: makeCaWeb({ count: 9, padding: 10 }), more: [] });
    const { signal } = new AbortController();
    for (const { port } of [large, small]) {
      const options = { dial, buffers: new BufferPool(), ca: ca.certPem };
      const connect = tlsConnector(options);
      const checks = [new TlsCheck({ connect }), new HttpCheck({ dial: tlsDial(options) })];
      const address = { kind: "tcp", host: "127.0.0.1", port } as const;
      const isFirst = port === small.port;
      if (isFirst) { for (const check of checks) await assertRejects(() => check.run(address, signal)); }
      const before = process.cpuUsage();
      for (let time = 0; time < 3; time++) {
        for (const check of checks) await assertRejects(() => check.run(address, signal));
      }
      const { user, system } = process.cpuUsage(before);
      assert(user + system < MAX_CPU_US, `six checks took ${user + system} µs`);
    }
  },
);

testWith(["openssl"], "an honest server with a large handshake is spoken with by TLS 1.2", async () => {
  const material = await pki();
  const filler = makeCaWeb({ count: 1, padding: 900 }).chainPem.split(/(?=-----BEGIN)/)[1]!;
  const chainPem = material.server.chainPem + filler;
  const shown = { ca: material.ca, server: { chainPem, keyPem: material.server.keyPem } };
  await using server = await startOpensslServer({ pki: shown, version: "any", chain: true });
  const context = clientContext(material);
  assertEquals((await refused(server.port, context)).reason, "too-large");
  for (let time = 0; time < 2; time++) {
    const session = await connect(server.port, context);
    assertEquals(session.protocol, "TLSv1.2");
    close(session.connection);
  }
});
