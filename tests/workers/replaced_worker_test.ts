import { assertEquals } from "@std/assert";
import type { ServerCredentials } from "../../src/dataplane/credentials.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { greet, readLine, startBackend } from "../support/peers.ts";
import { until } from "../support/wait.ts";
import { DataPlanesFixture, mainService, snapshotOf } from "./data_planes_fixture.ts";

/** Credentials of one CA, and its certificate. */
async function credentials(): Promise<{ tls: ServerCredentials; caPem: string }> {
  const ca = await createAuthority();
  const { chainPem: cert, keyPem: key } = await ca.issueServer({ names: ["localhost"] });
  return { tls: { cert, key, minVersion: "1.2", maxVersion: "1.3", alpn: [] }, caPem: ca.certPem };
}

async function carryTls(fixture: DataPlanesFixture, tls: ServerCredentials, backend: string): Promise<void> {
  const snapshot = snapshotOf(mainService({ backends: [backend] }));
  const services = snapshot.services.map((service) => ({ ...service, tls }));
  await fixture.carry({ ...snapshot, services }, { workers: 2 });
}

function replacement(fixture: DataPlanesFixture): Promise<void> {
  return until(() => fixture.log.lines.some(({ message }) => message === "worker replaced"), {
    what: "the replacement",
  });
}

/** Fails if one of the workers has another certificate: of 24 connections, some come to each. */
async function assertCertified(fixture: DataPlanesFixture, caPem: string): Promise<void> {
  for (let each = 0; each < 24; each++) {
    using client = await Deno.connectTls({
      hostname: "localhost",
      port: fixture.port(),
      caCerts: [caPem],
    });
    await client.handshake();
  }
}

Deno.test("a worker that fails while it takes credentials is replaced by one that has them", async () => {
  using backend = startBackend(greet("a"));
  const [before, after] = [await credentials(), await credentials()];
  await using fixture = new DataPlanesFixture("?fail=credentials");
  await carryTls(fixture, before.tls, backend.address);
  await fixture.dataPlanes.setCredentials(new Map([["main", after.tls]]));
  await replacement(fixture);
  await assertCertified(fixture, after.caPem);
});

Deno.test("a worker that is being prepared while credentials change begins with the new ones", async () => {
  using backend = startBackend(greet("a"));
  const [before, after] = [await credentials(), await credentials()];
  await using fixture = new DataPlanesFixture("?hold");
  await carryTls(fixture, before.tls, backend.address);
  let prepared = 0;
  fixture.onPrepare = async () => {
    if (prepared++ === 0) await fixture.dataPlanes.setCredentials(new Map([["main", after.tls]]));
  };
  fixture.fail(2);
  await replacement(fixture);
  assertEquals(prepared, 2);
  await assertCertified(fixture, after.caPem);
});

Deno.test("workers log at the level that is set, and so do those that replace them", async () => {
  using backend = startBackend(greet("a"));
  await using fixture = new DataPlanesFixture();
  const { dataPlanes, log } = fixture;
  const backends = ["127.0.0.1:1", backend.address]; // Nothing listens on the first one.
  const config = mainService({ backends, upstream: "balance: first, outlier: {failures: 0}, " });
  const count = (message: string) => log.lines.filter((line) => line.message === message).length;
  const serve = async (clients: number) => {
    const ended = count("connection closed") + clients;
    for (const client of await fixture.clients(clients)) {
      assertEquals(await readLine(client), "a");
      client.close();
    }
    await until(() => count("connection closed") === ended, { what: "the ends of the connections" });
  };
  await fixture.carry(snapshotOf(config), { workers: 2, logLevel: "info" });
  await serve(4);
  assertEquals(count("cannot connect to backend"), 0);
  dataPlanes.setLogLevel("debug");
  fixture.fail(2);
  await replacement(fixture);
  await serve(24);
  assertEquals(count("cannot connect to backend"), 24);
});
