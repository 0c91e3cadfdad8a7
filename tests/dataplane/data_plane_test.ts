import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { buildSnapshot } from "../../src/app/control/build_snapshot.ts";
import { loadCredentials, NO_CREDENTIALS } from "../../src/app/credentials/credentials.ts";
import { parseConfig } from "../../src/config/parse.ts";
import { ConfigReading } from "../../src/config/reading.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { DataPlane } from "../../src/dataplane/data_plane.ts";
import type { ServerCredentials } from "../../src/dataplane/credentials.ts";
import type { BoundAddresses } from "../../src/dataplane/listeners.ts";
import type { Snapshot } from "../../src/dataplane/snapshot.ts";
import type { Issued } from "../../src/tls/authority/options.ts";
import { readText, writeAll } from "../support/bytes.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { makePki, type Pki } from "../tls/tls_fixture.ts";
import { specs } from "../upstream/upstream_fixture.ts";

const LOCAL = "127.0.0.1:0";

/** The snapshot of a configuration without TLS. */
function snapshotOf(document: unknown): Snapshot {
  const config = parseConfig(JSON.stringify(document), { name: "test.yaml", folder: "/" });
  return buildSnapshot(config, { credentials: NO_CREDENTIALS, sets: new Map() });
}

function oneService(listen: string, upstream: Record<string, unknown> = {}): Snapshot {
  const backends = ["10.0.0.1:1", "10.0.0.2:1"];
  return snapshotOf({
    version: 1,
    upstreams: { app: { backends, ...upstream } },
    services: [{ name: "web", listen: [listen], upstream: "app" }],
  });
}

async function change(dataPlane: DataPlane, snapshot: Snapshot): Promise<BoundAddresses> {
  using plan = await dataPlane.prepare(snapshot);
  return plan.commit();
}

function portOf(bound: BoundAddresses, service: string): number {
  const address = bound.get(service)![0]!;
  assert(address.kind === "tcp");
  return address.port;
}

/** Each backend's state, by its address. */
async function states(dataPlane: DataPlane): Promise<Record<string, string>> {
  const { backends } = (await dataPlane.reportUpstream("app"))!;
  return Object.fromEntries(backends.map(({ key, state }) => [key, state]));
}

/** Answers each connection with what it has been sent. */
function echo(listener: Deno.Listener): Promise<void> {
  return (async () => {
    for await (const connection of listener) {
      void connection.readable.pipeTo(connection.writable).catch(() => {});
    }
  })();
}

/** What a client with this certificate is answered; `undefined` if it is rejected. */
async function answer(port: number, { ca, by }: { ca: string; by: Issued }): Promise<string | undefined> {
  try {
    using client = await Deno.connectTls({
      ...{ hostname: "127.0.0.1", port, caCerts: [ca] },
      ...{ cert: by.chainPem, key: by.keyPem },
    });
    await writeAll(client, new TextEncoder().encode("hello"));
    await client.closeWrite();
    const text = await readText(client);
    return text === "" ? undefined : text;
  } catch {
    return undefined;
  }
}

/** A snapshot with everything that one can have: mutual TLS with CRLs and trust domains, names, PROXY, TLS backends. */
async function fullSnapshot(files: TlsFiles, { pki, backend }: { pki: Pki; backend: number }) {
  const { ca, server, client } = pki;
  const revoked = await ca.issueClient({ cn: "mallory" });
  ca.revoke(revoked.serial);
  const own = files.putOwn("server", server);
  const ownClient = files.putOwn("client", client);
  const caPath = files.put("ca.pem", ca.certPem);
  const allow = [{ all: [{ cn: "alice" }, { ou: "operations" }], ca: caPath }, { cn: "mallory" }];
  const clientAuth = { ca: caPath, crl: [files.put("ca.crl", ca.crl()), "/nowhere/ca.crl"], allow };
  const trustDomains = { "example.org": { ca: caPath, crl: "/nowhere/ca.crl" } };
  const addresses = [{ address: `127.0.0.1:${backend}`, weight: 2, maxConnections: 9 }];
  const document = {
    version: 1,
    upstreams: {
      app: {
        backends: addresses,
        health: { type: "http", http: { path: "/healthz" }, port: 1 },
        pool: { maxIdle: 2 },
        slowStart: "1s",
        proxyProtocol: "none",
        tls: { ca: caPath, serverName: "localhost", ...ownClient, allow: [{ dns: "localhost" }] },
      },
      other: { backends: ["unix:/run/app.sock"], proxyProtocol: { version: "v2", tlvs: ["ssl"] } },
    },
    services: [
      {
        ...{ name: "mutual", listen: [LOCAL], upstream: "app", tls: { ...own, clientAuth } },
        ...{ allow: ["127.0.0.0/8"], deny: ["10.0.0.0/8"], rate: { connections: 100, per: "1s" } },
      },
      {
        ...{ name: "spiffe", listen: [LOCAL], upstream: "other" },
        tls: { ...own, clientAuth: { trustDomains, allow: [{ uri: "spiffe://example.org/**" }] } },
      },
      { name: "names", listen: [LOCAL], sni: { "*.example.org": "app", "a.test": "other" } },
      { name: "proxied", listen: [LOCAL], upstream: "other", proxyProtocol: true, trusted: ["127.0.0.1"] },
      { name: "native", listen: [LOCAL], upstream: "app", tls: { ...own, native: true } },
    ],
  };
  const reading = new ConfigReading(JSON.stringify(document), { name: "t", folder: files.folder.path });
  assertEquals(reading.problems(), []);
  const credentials = await loadCredentials(reading, "t");
  return { snapshot: buildSnapshot(reading.config!, { credentials, sets: new Map() }), revoked };
}

Deno.test("a snapshot survives structuredClone, and services run from the clone", async () => {
  await using files = new TlsFiles();
  const pki = await makePki();
  const { ca, server, client } = pki;
  using backend = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: server.chainPem,
    key: server.keyPem,
  });
  const serving = echo(backend);
  const { snapshot, revoked } = await fullSnapshot(files, { pki, backend: backend.addr.port });
  const clone = structuredClone(snapshot);
  assertEquals(clone, snapshot);
  assertEquals(clone.services.length, 5);

  const dataPlane = new DataPlane({ log: new RecordingLog() });
  const bound = await change(dataPlane, clone);
  assertEquals([...bound.keys()], ["mutual", "spiffe", "names", "proxied", "native"]);
  const port = portOf(bound, "mutual");
  const ask = (by: Issued) => answer(port, { ca: ca.certPem, by });
  assertEquals(await ask(client), "hello");
  assertEquals(await ask(revoked), undefined);
  assertEquals(await ask(await ca.issueClient({ cn: "bob" })), undefined);
  assertEquals(await answer(portOf(bound, "native"), { ca: ca.certPem, by: client }), "hello");
  const report = await dataPlane.report();
  assertEquals(structuredClone(report), report);
  assertEquals(report.services[0]!.ended["tls-revoked"], 1);
  await dataPlane.destroy();
  backend.close();
  await serving;
});

Deno.test("a plan that is not committed changes nothing and leaves nothing bound", async () => {
  const dataPlane = new DataPlane({ log: new RecordingLog() });
  const bound = await change(dataPlane, oneService(LOCAL));
  const free = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = free.addr;
  free.close();
  const other = snapshotOf({
    version: 1,
    upstreams: { next: { backends: ["10.0.0.9:1"] } },
    services: [{ name: "next", listen: [`127.0.0.1:${port}`], upstream: "next" }],
  });
  {
    using _plan = await dataPlane.prepare(other);
    assertThrows(() => Deno.listen({ hostname: "127.0.0.1", port }), Deno.errors.AddrInUse);
  }
  Deno.listen({ hostname: "127.0.0.1", port }).close();
  const { services, upstreams } = await dataPlane.report();
  assertEquals([services.map(({ name }) => name), upstreams.map(({ name }) => name)], [["web"], ["app"]]);
  assertEquals(services[0]!.listeners, [...bound.get("web")!]);
  await dataPlane.destroy();
});

Deno.test("a plan can't be committed once the data plane stops", async () => {
  const dataPlane = new DataPlane({ log: new RecordingLog() });
  await change(dataPlane, oneService(LOCAL));
  const plan = await dataPlane.prepare(oneService(LOCAL, { retries: 5 }));
  await dataPlane.drain();
  assertEquals(assertThrows(() => plan.commit(), CulvertError).code, "draining");
  plan[Symbol.dispose]();
  const error = await assertRejects(() => dataPlane.prepare(oneService(LOCAL)), CulvertError);
  assertEquals(error.code, "draining");
});

Deno.test("backends, health and what is disabled by hand are reported by name", async () => {
  const dataPlane = new DataPlane({ log: new RecordingLog() });
  await change(dataPlane, oneService(LOCAL, { health: { type: "tcp" } }));
  const [a, b, c] = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"] as const;
  assertEquals(await states(dataPlane), { [a]: "unknown", [b]: "unknown" });
  dataPlane.setHealth("app", new Map([[a, "up"], [b, "down"], [c, "up"]]));
  dataPlane.setHealth("other", new Map([[a, "down"]]));
  assertEquals(await states(dataPlane), { [a]: "up", [b]: "down" });
  assertEquals(await dataPlane.availability(), [
    { name: "app", available: true, counts: { up: 1, down: 1 } },
  ]);
  const disabled = true;
  assertEquals(dataPlane.setDisabled("app", { backend: a, disabled }), true);
  assertEquals(dataPlane.setDisabled("app", { backend: c, disabled }), false);
  assertEquals(dataPlane.setDisabled("other", { backend: a, disabled }), false);
  assertEquals((await dataPlane.availability())[0]!.available, false);
  dataPlane.setDisabled("app", { backend: a, disabled: false });

  const next = specs("10.0.0.2 10.0.0.3");
  dataPlane.setBackends("app", next);
  dataPlane.setBackends("other", []);
  assertEquals(await states(dataPlane), { [b]: "down", [c]: "unknown" });
  assertEquals(await dataPlane.reportUpstream("other"), undefined);

  // A backend keeps its health through a reload, unless there are no checks any more.
  const sets = new Map([["app", next]]);
  const health = { type: "http", interval: "1s" };
  using plan = await dataPlane.prepare(oneService(LOCAL, { health }));
  plan.commit({ sets });
  assertEquals(await states(dataPlane), { [b]: "down", [c]: "unknown" });
  using unchecked = await dataPlane.prepare(oneService(LOCAL));
  unchecked.commit({ sets });
  assertEquals(await states(dataPlane), { [b]: "up", [c]: "up" });
  dataPlane.setHealth("app", new Map([[b, "down"]])); // Of a check that ended late.
  assertEquals(await states(dataPlane), { [b]: "up", [c]: "up" });
  await dataPlane.destroy();
});

Deno.test("other credentials hold for the next client, and bad ones change nothing", async () => {
  await using files = new TlsFiles();
  const pki = await makePki();
  const other = await makePki("ecdsa-p256", "Other CA");
  const { ca, server, client } = pki;
  using backend = Deno.listenTls({
    hostname: "127.0.0.1",
    port: 0,
    cert: server.chainPem,
    key: server.keyPem,
  });
  const serving = echo(backend);
  const { snapshot } = await fullSnapshot(files, { pki, backend: backend.addr.port });
  const dataPlane = new DataPlane({ log: new RecordingLog() });
  const port = portOf(await change(dataPlane, snapshot), "mutual");
  const ask = (by: Issued) => answer(port, { ca: ca.certPem, by });
  assertEquals([await ask(client), await ask(other.client)], ["hello", undefined]);
  const { tls } = snapshot.services[0]!;
  const { crls: _, ...clientAuth } = tls!.clientAuth!;
  const withCa = (pem: string): ServerCredentials => ({
    ...tls!,
    clientAuth: { ...clientAuth, ca: pem, allow: [{ any: true } as const] },
  });
  await dataPlane.setCredentials(new Map([["mutual", withCa(other.ca.certPem)], ["unknown", tls!]]));
  assertEquals([await ask(client), await ask(other.client)], [undefined, "hello"]);
  await assertRejects(() => dataPlane.setCredentials(new Map([["mutual", withCa("junk")]])), CulvertError);
  assertEquals([await ask(client), await ask(other.client)], [undefined, "hello"]);
  await dataPlane.destroy();
  backend.close();
  await serving;
});
