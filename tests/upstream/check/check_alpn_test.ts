import { assertEquals } from "@std/assert";
import { BufferPool } from "../../../src/net/buffers.ts";
import { dial } from "../../../src/net/dial.ts";
import { tlsConnector } from "../../../src/tls/dial.ts";
import type { HealthOptions } from "../../../src/upstream/check/options.ts";
import { Upstream } from "../../../src/upstream/upstream.ts";
import { writeAll } from "../../support/bytes.ts";
import { until } from "../../support/wait.ts";
import { pki, serverContext, TlsServer } from "../../tls/tls_fixture.ts";
import { upstreamOptions } from "../upstream_fixture.ts";

/** The state of a backend that knows `alpn`, checked by an upstream that offers `offered`. */
async function checked(
  type: HealthOptions["type"],
  { alpn, offered }: { alpn: readonly string[]; offered: readonly string[] },
): Promise<{ state: string; selected: string | undefined }> {
  const material = await pki();
  await using server = new TlsServer(serverContext(material, { alpn, clientAuth: "none" }), {
    handler: ({ connection }) =>
      writeAll(connection, new TextEncoder().encode("HTTP/1.1 204 No Content\r\n\r\n")),
  });
  const address = { kind: "tcp", host: "127.0.0.1", port: server.port } as const;
  const connectTls = tlsConnector({
    ...{ dial, buffers: new BufferPool(), ca: material.ca.certPem, serverName: "server.test", alpn: offered },
  });
  const health = { type, intervalMs: 1000, timeoutMs: 5000, rise: 1, fall: 1 };
  const upstream = new Upstream({
    ...upstreamOptions([{ address, weight: 1, maxConnections: 0, backup: false }]),
    health,
  }, { dial, connectTls });
  const [backend] = upstream.backends;
  await until(() => backend!.state !== "unknown", { what: "the first check" });
  const { state } = backend!;
  await upstream.close();
  const outcome = await server.outcome();
  return { state, selected: "session" in outcome ? outcome.session.alpn : undefined };
}

Deno.test("checks offer what connections offer, and those by HTTP offer HTTP", async () => {
  const database = { alpn: ["postgresql"], offered: ["postgresql"] };
  assertEquals(await checked("tls", database), { state: "up", selected: "postgresql" });
  assertEquals((await checked("http", database)).state, "down"); // It does not speak HTTP on this port.
  const web = { alpn: ["http/1.1", "h2"], offered: ["h2"] };
  assertEquals(await checked("http", web), { state: "up", selected: "http/1.1" });
  assertEquals(await checked("http", { ...web, offered: [] }), { state: "up", selected: undefined });
});
