import { assertEquals, assertGreater, assertMatch, assertStringIncludes } from "@std/assert";
import * as v from "valibot";
import { backendSchema } from "../../src/admin/status/upstream.ts";
import { ADMIN_HEAD, AdminClient } from "../support/admin_client.ts";
import { callInVain, callOneByOne } from "../support/calls.ts";
import { Callers } from "../support/callers.ts";
import { output, run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { type Member, Members } from "../support/member.ts";
import { connect, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { HEAD, startCulvert, THREADS } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { until } from "../support/wait.ts";
import { makePki } from "../tls/tls_fixture.ts";

const PATH = "/api/upstreams/main/backends";

Deno.test("the admin API tells of a program that lives, is ready, carries, drains and ends", async () => {
  using backend = startBackend(greet("a"));
  const config = proxyConfig({ backends: [backend.address], service: "maxConnections: 1", head: ADMIN_HEAD });
  await using culvert = await startCulvert(config);
  using admin = new AdminClient(culvert);
  assertEquals(await admin.ask("/healthz"), { status: 200, json: { status: "ok" } });
  assertEquals(await admin.unready(), []);

  using client = await connect(culvert.port("main"));
  assertEquals([await readLine(client), await exchange(client, "hello")], ["a", "hello"]);
  await callInVain(culvert);
  const { state, services, upstreams, reload, version, pid } = await admin.status();
  assertEquals(state, "ready");
  assertGreater(pid!, 1);
  assertMatch(version, /^\d+\.\d+\.\d+/);
  assertEquals([reload.ok, reload.generation, reload.why], [true, 1, "start"]);
  const { durationSeconds, connectSeconds } = services[0]!;
  assertEquals([durationSeconds.count, connectSeconds.count], [0, 1]);
  assertEquals(services, [{
    name: "main",
    listeners: [culvert.address("main")],
    upstream: "main",
    upstreams: ["main"],
    active: 1,
    handshakes: 0,
    total: 1,
    rejected: 1,
    refused: { "refused-by-limit": 1 },
    acceptFailures: { reset: 0, descriptors: 0, other: 0 },
    ended: {},
    bytesUp: 5,
    bytesDown: 7,
    durationSeconds,
    connectSeconds,
  }]);
  const [{ address, active, total, failures, weight } = upstreams[0]!.backends[0]!] = upstreams[0]!.backends;
  assertEquals([upstreams.length, upstreams[0]!.available], [1, 1]);
  assertEquals([address, active, total, failures, weight], [backend.address, 1, 1, 0, 1]);

  culvert.signal("SIGTERM");
  await culvert.waitFor({ message: "draining", connections: 1 });
  assertEquals(await admin.ask("/healthz"), { status: 200, json: { status: "ok" } });
  assertEquals(await admin.unready(), ["the program is draining"]);
  assertEquals((await admin.status()).state, "draining");
  const answer = await admin.ask("/api/reload", { method: "POST" });
  assertEquals([answer.status, answer.json.error.code], [503, "draining"]);
  client.close();
  assertEquals(await culvert.exit, 0);
});

Deno.test("a reload by the admin API that is refused tells every problem, and the old configuration goes on", async () => {
  using members = new Members(2);
  const [a, b] = members.all as [Member, Member];
  const config = (backend: Member) => proxyConfig({ backends: [backend.address], head: ADMIN_HEAD });
  await using culvert = await startCulvert(config(a), { later: [config(b)] });
  using admin = new AdminClient(culvert);
  const reload = () => admin.ask("/api/reload", { method: "POST" });
  await using callers = new Callers(culvert.port("main"), { clients: 2 });
  const bad = [`{address: "${a.address}", wieght: 2}`, "nonsense"];
  await culvert.write(proxyConfig({ backends: bad, service: "maxConnections: many", head: ADMIN_HEAD }));
  const { status, json: { error } } = await reload();
  assertEquals([status, error.code], [422, "bad_config"]);
  const problems = error.problems as { path: string; kind: string; nearest?: string }[];
  assertEquals(problems.map(({ path, kind, nearest = "" }) => [path, kind, nearest]), [
    ["upstreams.main.backends[0].wieght", "unknown_key", "weight"],
    ["upstreams.main.backends[1].address", "bad_value", ""],
    ["services[0].maxConnections", "bad_value", ""],
  ]);
  const told = await admin.status();
  assertEquals([told.reload.ok, told.reload.generation, told.reload.why], [false, 1, "admin"]);
  assertEquals(told.reload.problems?.length, 3);
  await callers.more(20);
  assertEquals([...callers.served.keys()], ["0"]);

  await culvert.write(config(b));
  assertEquals(await reload(), { status: 200, json: { ok: true, generation: 2 } });
  await until(() => callers.served.has("1"), { what: "the new backend to serve" });
  assertEquals((await admin.status()).reload.ok, true);
  await callers.stop();
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  // Those of the refused reload.
  assertEquals(culvert.found({ level: "ERROR" }).length, 4);
});

Deno.test("what the admin API can't do it says why, and nothing has changed", async () => {
  using backend = startBackend(greet("a"));
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], head: ADMIN_HEAD }));
  using admin = new AdminClient(culvert);
  const put = (body: unknown, more: { contentType?: string; name?: string } = {}) =>
    admin.ask(PATH.replace("main", more.name ?? "main"), { method: "PUT", body, ...more });
  const cases = [
    [await put(["127.0.0.1:2"], { contentType: "text/plain" }), 415, "bad_content_type"],
    [await put("[", {}), 400, "bad_json"],
    [await put(["127.0.0.1:2"], { name: "none" }), 404, "unknown_upstream"],
    [await put(["nonsense", { address: "127.0.0.1:2", wieght: 1 }]), 422, "bad_backends"],
    [await put({ address: "127.0.0.1:2" }), 422, "bad_backends"],
    [await admin.ask(PATH, { method: "POST" }), 405, "method_not_allowed"],
    [await admin.ask(`${PATH}/127.0.0.1:2/drain`, { method: "POST" }), 404, "unknown_backend"],
    [await admin.ask("/nothing"), 404, "not_found"],
  ] as const;
  for (const [{ status, json }, expected, code] of cases) {
    assertEquals([status, json.error.code], [expected, code]);
    assertGreater(json.error.message.length, 10);
  }
  assertEquals(cases[3][0].json.error.problems.length, 2);
  assertEquals([...(await admin.backends()).keys()], [backend.address]);
  assertEquals(await callOneByOne(culvert, 2), ["a", "a"]);
  await culvert.finish();
});

Deno.test("a set by PUT survives a reload that brings another certificate, and not one that brings other backends", async () => {
  const pki = await makePki();
  await using files = new TlsFiles();
  using members = new Members(3);
  const [first, byHand, last] = members.all as [Member, Member, Member];
  const config = (backend: Member, own: unknown) =>
    tlsConfig({ backends: [backend.address], tls: own, head: ADMIN_HEAD });
  const own = files.putOwn("server", pki.server);
  const later = [config(byHand, own), config(last, own)];
  await using culvert = await startCulvert(config(first, own), { later });
  using admin = new AdminClient(culvert);
  const serving = async () => {
    const connection = await Deno.connectTls({
      hostname: "127.0.0.1",
      port: culvert.port("main"),
      caCerts: [pki.ca.certPem],
    });
    const name = await readLine(connection);
    connection.close();
    return name;
  };
  const shown = async () => (await admin.status()).certificates.map(({ subject }) => subject);
  assertEquals(await serving(), first.name);
  const [set] = await admin.put([{ address: byHand.address, weight: 7 }]);
  assertEquals([set!.address, set!.weight], [byHand.address, 7]);
  v.parse(backendSchema, set);
  assertEquals(await serving(), byHand.name);

  const next = await pki.ca.issueServer({ names: ["127.0.0.1", "localhost"], cn: "next" });
  files.putOwn("server", next);
  await culvert.reload(config(first, own));
  assertEquals(await shown(), ["CN=next"]);
  assertEquals([await serving(), (await admin.backend(byHand.address)).weight], [byHand.name, 7]);

  await culvert.reload(config(last, own));
  assertEquals([await serving(), [...(await admin.backends()).keys()]], [last.name, [last.address]]);
  await culvert.reload(config(first, own));
  assertEquals(await serving(), first.name);
  await culvert.finish();
});

Deno.test("the admin listener comes, moves and goes with a reload", async () => {
  using backend = startBackend(greet("a"));
  await using folder = new TemporaryFolder();
  const socket = folder.file("admin.sock");
  const unix = `${HEAD}admin: {listen: "unix:${socket}"}\n`;
  const config = (head: string) => proxyConfig({ backends: [backend.address], head });
  const [none, onTcp, onUnix] = [config(HEAD), config(ADMIN_HEAD), config(unix)];
  await using culvert = await startCulvert(none, { later: [onTcp, onUnix] });
  assertEquals(culvert.found({ message: "admin API" }), []);
  await culvert.reload(onTcp);
  using tcp = new AdminClient(culvert);
  assertEquals((await tcp.status()).reload.generation, 2);
  await culvert.reload(onUnix);
  using admin = new AdminClient(culvert);
  assertEquals((await admin.status()).reload.generation, 3);
  assertEquals((await Deno.stat(socket)).mode! & 0o777, 0o600);
  await until(() => tcp.ask("/healthz").then(() => false, () => true), { what: "the old listener to close" });
  await culvert.reload(none);
  await until(() => Deno.stat(socket).then(() => false, () => true), { what: "the socket to go" });
  assertEquals(await callOneByOne(culvert, 1), ["a"]);
  await culvert.finish();
});

testWith(["curl"], "curl changes a set, drains, enables and reloads by a unix socket", async () => {
  using members = new Members(2);
  const [a, b] = members.all as [Member, Member];
  await using folder = new TemporaryFolder();
  const socket = folder.file("admin.sock");
  const head = `${HEAD}admin: {listen: "unix:${socket}"}\n`;
  const config = proxyConfig({ backends: [a.address], head });
  const both = proxyConfig({ backends: members.addresses, head });
  await using culvert = await startCulvert(config, { later: [both] });
  const curl = async (path: string, ...args: string[]) =>
    JSON.parse(
      await output("curl", ["-sS", "-f", "-g", "--unix-socket", socket, ...args, `http://localhost${path}`]),
    );

  assertEquals(await curl("/readyz"), { ready: true, reasons: [] });
  const json = ["-H", "Content-Type: application/json"];
  const set = await curl(PATH, "-X", "PUT", ...json, "--data-binary", JSON.stringify(members.addresses));
  assertEquals(set.map(({ address }: { address: string }) => address), members.addresses);
  assertEquals((await callOneByOne(culvert, 2)).toSorted(), ["0", "1"]);
  assertEquals((await curl(`${PATH}/${b.address}/drain`, "-X", "POST")).state, "drained");
  assertEquals(await callOneByOne(culvert, 2), ["0", "0"]);
  assertEquals((await curl(`${PATH}/${b.address}/enable`, "-X", "POST")).state, "up");
  // Each thread has a round of its own, and one of them gets two connections.
  assertEquals(new Set(await callOneByOne(culvert, THREADS + 1)), new Set(["0", "1"]));
  await culvert.write(both);
  assertEquals(await curl("/api/reload", "-X", "POST"), { ok: true, generation: 2 });
  // Without a Content-Type of its own, curl says that it is a form.
  const args = ["-sS", "-f", "--unix-socket", socket, "-X", "PUT", "-d", "[]", `http://localhost${PATH}`];
  const refused = await run("curl", args);
  assertEquals(refused.code, 22);
  assertStringIncludes(refused.stderr, "415");
  assertEquals((await callOneByOne(culvert, 2)).toSorted(), ["0", "1"]);
  await culvert.finish();
});

Deno.test("many concurrent clients, and some silent ones, delay neither the responses nor the traffic", async () => {
  using members = new Members(3);
  await using culvert = await startCulvert(proxyConfig({ backends: members.addresses, head: ADMIN_HEAD }));
  const { listener } = culvert.found({ message: "admin API" })[0]!;
  const port = Number(String(listener).split(":").at(-1));
  const idle = await Promise.all(Array.from({ length: 30 }, () => connect(port)));
  {
    await using callers = new Callers(culvert.port("main"), { clients: 2 });
    const clients = Array.from({ length: 16 }, () => new AdminClient(culvert, { keepAlive: true }));
    await Promise.all(clients.map(async (client, index) => {
      using admin = client;
      for (let i = 0; i < 20; i++) {
        if (index % 2 === 0) assertEquals((await admin.upstream()).backends.length, 3);
        else assertEquals(await admin.unready(), []);
      }
    }));
    await callers.more(50);
    await callers.stop();
    assertEquals(callers.errors, []);
  }
  for (const connection of idle) connection.close();
  await culvert.finish();
});
