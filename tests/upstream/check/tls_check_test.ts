import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import type { Address } from "../../../src/net/address.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { dial } from "../../../src/net/dial.ts";
import { TlsHandshakeError } from "../../../src/tls/session/handshake_errors.ts";
import { ServerContext } from "../../../src/tls/session/server_context.ts";
import { tlsConnector, tlsDial, type TlsDialOptions } from "../../../src/tls/dial.ts";
import { HttpCheck } from "../../../src/upstream/check/http_check.ts";
import { ScriptCheck } from "../../../src/upstream/check/script_check.ts";
import { TlsCheck } from "../../../src/upstream/check/tls_check.ts";
import { makePki, pki, readPiece, serverContext, TlsServer } from "../../tls/tls_fixture.ts";
import { inDays } from "../../tls/pki.ts";
import { writeAll } from "../../support/bytes.ts";
import { silent } from "../../support/peers.ts";
import { until } from "../../support/wait.ts";
import { NEVER, startChecked } from "./check_fixture.ts";

const HOUR_MS = 3_600_000;

function at({ port }: TlsServer): Address {
  return { kind: "tcp", host: "127.0.0.1", port };
}

async function options(more: Partial<TlsDialOptions> = {}): Promise<TlsDialOptions> {
  const { ca, client } = await pki();
  const own = { cert: client.chainPem, key: client.keyPem };
  return { dial, buffers: new BufferPool(), ca: ca.certPem, ...own, ...more };
}

Deno.test("the check completes the handshake and reports the days until the certificate expires", async () => {
  const { ca } = await pki();
  const notAfter = new Date(Math.floor(inDays(90).getTime() / 1000) * 1000);
  const server = await ca.issueServer({ names: ["127.0.0.1"], notAfter });
  await using peer = new TlsServer(
    serverContext(await pki(), { cert: server.chainPem, key: server.keyPem }),
  );
  const days: [leftMs: number, detail: string][] = [
    [90 * 24 * HOUR_MS, "good for 90 days"],
    [90 * 24 * HOUR_MS - 1, "good for 89 days"],
    [47 * HOUR_MS, "good for 1 day"],
    [HOUR_MS, "good for 0 days"],
    [-49 * HOUR_MS, "expired 2 days ago"],
  ];
  const connect = tlsConnector(await options());
  for (const [leftMs, detail] of days) {
    const check = new TlsCheck({ connect, now: () => notAfter.getTime() - leftMs });
    assertEquals(await check.run(at(peer), NEVER), {
      detail: `handshake done, certificate ${detail}`,
      certificateValidTo: notAfter,
    });
    assertEquals(await peer.reason(), "ok");
  }
});

Deno.test("a backend that the upstream would not trust is not fit, unless nothing is verified", async () => {
  const other = await makePki();
  await using peer = new TlsServer(serverContext(other, { clientAuth: "none" }));
  const check = new TlsCheck({ connect: tlsConnector(await options()) });
  const error = await assertRejects(() => check.run(at(peer), NEVER), TlsHandshakeError);
  assertEquals(error.reason, "unknown-ca");
  const lax = new TlsCheck({ connect: tlsConnector(await options({ verify: false })) });
  const { detail, certificateValidTo } = await lax.run(at(peer), NEVER);
  assertEquals(/^handshake done, certificate good for \d+ days$/.test(detail), true, detail);
  assertEquals(certificateValidTo !== undefined, true);
});

for (const version of ["1.2", "1.3"] as const) {
  Deno.test(`a backend that refuses our certificate is not fit, with TLS ${version}`, async () => {
    const other = await makePki();
    const only = { minVersion: version, maxVersion: version };
    await using peer = new TlsServer(serverContext(await pki(), only));
    const own = { cert: other.client.chainPem, key: other.client.keyPem };
    const check = new TlsCheck({ connect: tlsConnector(await options(own)) });
    await assertRejects(() => check.run(at(peer), NEVER), TlsHandshakeError);
  });
}

Deno.test("the signal ends a handshake that hangs with its own reason, and closes the connection", async () => {
  using backend = startChecked(silent);
  const stop = new AbortController();
  const check = new TlsCheck({ connect: tlsConnector(await options()) });
  const running = check.run(backend.at, stop.signal);
  await until(() => backend.live.size === 1, { what: "the check to connect" });
  const reason = new Error("too late");
  stop.abort(reason);
  assertStrictEquals(await running.catch((error) => error), reason);
  await until(() => backend.live.size === 0, { what: "the connection to be closed" });
  assertStrictEquals(await check.run(backend.at, stop.signal).catch((error) => error), reason);
});

Deno.test("a check by HTTP and one by script go over TLS with a dialler of that kind", async () => {
  const { server } = await pki();
  const context = new ServerContext({ cert: server.chainPem, key: server.keyPem });
  await using peer = new TlsServer(context, {
    handler: async ({ connection }) => {
      await readPiece(connection);
      await writeAll(connection, new TextEncoder().encode("HTTP/1.1 200 OK\r\n\r\nready"));
      await connection.closeWrite();
      await readPiece(connection);
    },
  });
  const dial = tlsDial(await options());
  assertEquals(await new HttpCheck({ dial, body: "ready" }).run(at(peer), NEVER), { detail: "answered 200" });
  const script = new ScriptCheck({ dial, steps: [{ send: "hello" }, { expect: "ready" }] });
  assertEquals(await script.run(at(peer), NEVER), { detail: "script done" });
});

Deno.test("the signal ends a check that waits for an answer over TLS, and closes its connection", async () => {
  const { server } = await pki();
  const context = new ServerContext({ cert: server.chainPem, key: server.keyPem });
  const left = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  await using peer = new TlsServer(context, {
    handler: async ({ connection }) => {
      await readPiece(connection);
      asked.resolve();
      await readPiece(connection).catch(() => null);
      left.resolve();
    },
  });
  const stop = new AbortController();
  const running = new HttpCheck({ dial: tlsDial(await options()) }).run(at(peer), stop.signal);
  await asked.promise;
  const reason = new Error("too late");
  stop.abort(reason);
  assertStrictEquals(await running.catch((error) => error), reason);
  await left.promise;
});
