import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createAuthority } from "../../../../src/tls/authority/authority.ts";
import { Oid } from "../../../../src/tls/x509/oids.ts";
import { run } from "../../../support/child.ts";
import { TemporaryFolder } from "../../../support/folder.ts";
import { testWith } from "../../../support/installed.ts";
import { until } from "../../../support/wait.ts";
import { backend, Follower, PREFIX, quickSource } from "./fixture.ts";
import { Relay } from "./relay.ts";
import { type EtcdServer, startEtcd, startMembers } from "./server.ts";

const NEEDED = ["etcd", "etcdctl"];

function put(server: EtcdServer, name: string, address: string): Promise<string> {
  return server.control("put", PREFIX + name, backend(address));
}

testWith(NEEDED, "etcd: what is put, changed and deleted under the prefix is what the sets say", async () => {
  await using server = await startEtcd();
  await put(server, "b", "10.0.0.2:1");
  await server.control("put", "/culvert/other/a", backend("10.9.9.9:1"));
  const { source, log } = quickSource([server.url]);
  await using follower = new Follower(source);
  await follower.until("10.0.0.2:1");
  await put(server, "a", "10.0.0.1:1");
  await follower.until("10.0.0.1:1 10.0.0.2:1");
  await server.control("put", `${PREFIX}b`, backend("10.0.0.2:1", 5));
  await follower.until("10.0.0.1:1 10.0.0.2:1x5");
  await server.control("put", `${PREFIX}bad`, "no backend");
  await server.control("del", `${PREFIX}a`);
  await follower.until("10.0.0.2:1x5");
  assertEquals(follower.sets.length, 4); // The bad one changed nothing.
  assertEquals(follower.failures, []);
  const [warning, ...more] = log.lines.filter(({ level }) => level === "warn");
  assertEquals(warning?.fields.key, `${PREFIX}bad`);
  assertEquals(more, []);
  await server.control("del", "--prefix", PREFIX);
  await follower.until("");
});

testWith(NEEDED, "etcd: a transaction comes as one set", async () => {
  await using server = await startEtcd();
  const { source } = quickSource([server.url]);
  await using follower = new Follower(source);
  await follower.until("");
  const puts = ["c", "a", "b"].map((name, i) =>
    `put ${PREFIX}${name} "{\\"address\\":\\"10.0.0.${i}:1\\"}"\n`
  );
  const { code } = await run("etcdctl", [`--endpoints=${server.url}`, "txn"], {
    input: `\n${puts.join("")}\n\n`,
  });
  assertEquals(code, 0);
  await follower.until("10.0.0.1:1 10.0.0.2:1 10.0.0.0:1");
  assertEquals(follower.sets.length, 2);
});

testWith(NEEDED, "etcd: a key whose lease runs out is gone", async () => {
  await using server = await startEtcd();
  await put(server, "a", "10.0.0.1:1");
  const [, lease = ""] = /^lease (\w+) granted/.exec(await server.control("lease", "grant", "2"))!;
  await server.control("put", `--lease=${lease}`, `${PREFIX}b`, backend("10.0.0.2:1"));
  const { source } = quickSource([server.url]);
  await using follower = new Follower(source);
  await follower.until("10.0.0.1:1 10.0.0.2:1");
  await follower.until("10.0.0.1:1");
  assertEquals(follower.failures, []);
});

testWith(NEEDED, "etcd: after a restart of the server everything is followed on", async () => {
  await using server = await startEtcd();
  await put(server, "a", "10.0.0.1:1");
  const { source } = quickSource([server.url]);
  await using follower = new Follower(source);
  await follower.until("10.0.0.1:1");
  await server.stop();
  await follower.failure("etcd_unreachable");
  assertEquals(follower.set, "10.0.0.1:1");
  await server.start();
  await put(server, "b", "10.0.0.2:1");
  await follower.until("10.0.0.1:1 10.0.0.2:1");
});

testWith(NEEDED, "etcd: a server that comes back without its data is believed", async () => {
  await using server = await startEtcd();
  for (let i = 0; i < 5; i++) await put(server, "a", `10.0.0.${i}:1`);
  const { source } = quickSource([server.url]);
  await using follower = new Follower(source);
  await follower.until("10.0.0.4:1");
  await server.stop();
  await server.forget();
  await server.start();
  await follower.until("");
  await put(server, "b", "10.0.0.9:1"); // Of a revision that the old watch was beyond.
  await follower.until("10.0.0.9:1");
});

testWith(NEEDED, "etcd: what was compacted while the connection was broken does no harm", async () => {
  await using server = await startEtcd();
  await using relay = new Relay(server.port);
  await put(server, "a", "10.0.0.1:1");
  const { source } = quickSource([relay.url], { requestMs: 500 });
  await using follower = new Follower(source);
  await follower.until("10.0.0.1:1");
  relay.hold("all");
  relay.cut();
  await follower.failure("etcd_timeout");
  await put(server, "b", "10.0.0.2:1");
  await server.control("del", `${PREFIX}a`);
  await put(server, "c", "10.0.0.3:1");
  await server.control("compact", String(await server.revision()));
  relay.release();
  await follower.until("10.0.0.2:1 10.0.0.3:1");
});

testWith(NEEDED, "etcd: a server that hangs is noticed, and followed again when it goes on", async () => {
  await using server = await startEtcd();
  await put(server, "a", "10.0.0.1:1");
  const { source } = quickSource([server.url], { requestMs: 500 });
  await using follower = new Follower(source);
  await follower.until("10.0.0.1:1");
  server.signal("SIGSTOP");
  assertStringIncludes(await follower.failure("etcd_timeout"), `at "${server.url}": no `);
  assertEquals(follower.set, "10.0.0.1:1");
  server.signal("SIGCONT");
  await server.ready();
  await put(server, "b", "10.0.0.2:1");
  await follower.until("10.0.0.1:1 10.0.0.2:1");
});

testWith(
  NEEDED,
  "etcd: a network that carries nothing any longer is noticed, and its healing too",
  async () => {
    await using server = await startEtcd();
    await using relay = new Relay(server.port);
    await put(server, "a", "10.0.0.1:1");
    const { source } = quickSource([relay.url], { requestMs: 500 });
    await using follower = new Follower(source);
    await follower.until("10.0.0.1:1");
    relay.hold("all");
    await put(server, "b", "10.0.0.2:1");
    await follower.failure("etcd_timeout");
    assertEquals(follower.set, "10.0.0.1:1");
    relay.release();
    await follower.until("10.0.0.1:1 10.0.0.2:1");
  },
);

testWith(
  NEEDED,
  "etcd: a watch whose connection alone is dead is noticed by what it does not tell",
  async () => {
    await using server = await startEtcd();
    await using relay = new Relay(server.port);
    await put(server, "a", "10.0.0.1:1");
    const { source, log } = quickSource([relay.url], { graceMs: 100 });
    await using follower = new Follower(source);
    await follower.until("10.0.0.1:1");
    await until(() => relay.watching, { what: "the watch" });
    relay.hold("watches"); // As a firewall does that has forgotten a connection.
    await put(server, "b", "10.0.0.2:1");
    await follower.until("10.0.0.1:1 10.0.0.2:1");
    const why = [...log.lines.map(({ fields }) => String(fields.error)), ...follower.failures].join("\n");
    assertStringIncludes(why, "the watch misses changes");
  },
);

testWith(
  NEEDED,
  "etcd: a user is authenticated with the password, and again when the token is forgotten",
  async () => {
    await using server = await startEtcd();
    await put(server, "a", "10.0.0.1:1");
    await server.control("user", "add", "root:geheim");
    await server.control("user", "grant-role", "root", "root");
    await server.control("user", "add", "culvert:secret");
    await server.control("role", "add", "reader");
    await server.control("role", "grant-permission", "reader", "read", "--prefix=true", PREFIX);
    await server.control("user", "grant-role", "culvert", "reader");
    const user = { name: "culvert", password: () => Promise.resolve("secret") };
    const { source } = quickSource([server.url], { user });
    await using early = new Follower(source); // Before a token is required.
    await early.until("10.0.0.1:1");
    await server.control("auth", "enable");
    server.controlArgs = ["--user=root:geheim"];
    await using follower = new Follower(quickSource([server.url], { user }).source);
    await follower.until("10.0.0.1:1");
    await server.stop();
    await server.start(); // Tokens are kept in memory.
    await put(server, "b", "10.0.0.2:1");
    await follower.until("10.0.0.1:1 10.0.0.2:1");
    await early.until("10.0.0.1:1 10.0.0.2:1");

    const wrong = quickSource([server.url], { user: { name: "culvert", password: "falsch" } });
    await using refused = new Follower(wrong.source);
    const failure = await refused.failure("etcd_refused");
    assertStringIncludes(failure, "authentication failed, invalid user ID or password");
    assert(!failure.includes("falsch"));
    await using anonymous = new Follower(quickSource([server.url]).source);
    assertStringIncludes(await anonymous.failure("etcd_refused"), "user name is empty");
    const elsewhere = quickSource([server.url], { user, prefix: "/culvert/" });
    await using outside = new Follower(elsewhere.source);
    assertStringIncludes(await outside.failure("etcd_refused"), "permission denied");
  },
);

testWith(NEEDED, "etcd: with TLS both sides show certificates", async () => {
  const ca = await createAuthority();
  // The gateway calls its own server, with the server's certificate as a client's.
  const both = [Oid.serverAuth, Oid.clientAuth];
  const own = await ca.issueServer({ names: ["127.0.0.1"], extendedKeyUsage: both });
  const client = await ca.issueClient({ cn: "culvert" });
  await using folder = new TemporaryFolder();
  const file = (name: string, text: string) => {
    Deno.writeTextFileSync(folder.file(name), text);
    return folder.file(name);
  };
  const caFile = file("ca.pem", ca.certPem);
  await using server = await startEtcd({
    scheme: "https",
    args: [
      ...["--cert-file", file("own.pem", own.chainPem), "--key-file", file("own.key", own.keyPem)],
      ...["--trusted-ca-file", caFile, "--client-cert-auth"],
    ],
    controlArgs: [
      ...["--cacert", caFile, "--cert", file("client.pem", client.chainPem)],
      ...["--key", file("client.key", client.keyPem)],
    ],
  });
  await put(server, "a", "10.0.0.1:1");
  const tls = { ca: ca.certPem, cert: client.chainPem, key: client.keyPem };
  await using follower = new Follower(quickSource([server.url], { tls }).source);
  await follower.until("10.0.0.1:1");
  await put(server, "b", "10.0.0.2:1");
  await follower.until("10.0.0.1:1 10.0.0.2:1");
  await using anonymous = new Follower(quickSource([server.url], { tls: { ca: ca.certPem } }).source);
  await anonymous.failure("etcd_unreachable");
  const strange = { cert: client.chainPem, key: client.keyPem };
  await using distrusting = new Follower(quickSource([server.url], { tls: strange }).source);
  assertStringIncludes(await distrusting.failure("etcd_unreachable"), "UnknownIssuer");
  assertEquals([anonymous.sets, distrusting.sets, follower.failures], [[], [], []]);
});

testWith(NEEDED, "etcd: of three members one may die, and two may not", async () => {
  await using stack = new AsyncDisposableStack();
  const members = await startMembers(3);
  for (const member of members) stack.use(member);
  const [first, second, third] = members as [EtcdServer, EtcdServer, EtcdServer];
  await put(first, "a", "10.0.0.1:1");
  const { source, log } = quickSource(members.map(({ url }) => url), { requestMs: 3_000 });
  await using follower = new Follower(source);
  await follower.until("10.0.0.1:1");
  await first.stop();
  await put(second, "b", "10.0.0.2:1");
  await follower.until("10.0.0.1:1 10.0.0.2:1");
  const left = () => log.lines.filter(({ message }) => message === "etcd server failed");
  assertEquals(left()[0]?.fields.endpoint, first.url); // Others may follow, as long as there is no leader.
  await third.stop(); // The second one answers still, but it can't know what is true.
  await follower.failure("etcd_", follower.failures.length);
  assertEquals(follower.set, "10.0.0.1:1 10.0.0.2:1");
  await third.start();
  await put(second, "c", "10.0.0.3:1");
  await follower.until("10.0.0.1:1 10.0.0.2:1 10.0.0.3:1");
});
