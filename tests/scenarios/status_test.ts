import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { AdminClient } from "../support/admin_client.ts";
import { type Result, run } from "../support/child.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { echo, startBackend } from "../support/peers.ts";
import { DENO, HEAD, MAIN, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { until } from "../support/wait.ts";

function status(flags: string[], ...args: string[]): Promise<Result> {
  return run(DENO, ["run", ...flags, MAIN, "status", ...args]);
}

Deno.test("status says by its exit code whether the proxy is ready, is not, or can't be reached", async () => {
  using backend = startBackend(echo);
  const config = (address: string) => {
    const head = `${HEAD}admin: {listen: "127.0.0.1:0"}\n`;
    return proxyConfig({ head, backends: [address], upstream: "health: {type: tcp}" });
  };
  const down = config(`127.0.0.1:${freePort()}`);
  await using culvert = await startCulvert(config(backend.address), { later: [down] });
  const listener = String((await culvert.waitFor({ message: "admin API" })).listener);
  const flags = [`--allow-net=${listener}`];
  using admin = new AdminClient(culvert);
  await admin.ready();
  const ready = await status(flags, "--admin", `http://${listener}`);
  assertEquals([ready.code, ready.stderr], [0, ""]);
  assertMatch(ready.stdout, /^culvert \S+: ready, up /);
  assertMatch(ready.stdout, /^main +127\.0\.0\.1:\d+ /m);
  await culvert.reload(down);
  await until(async () => (await admin.unready()).length > 0, { what: "the program not to be ready" });
  const unready = await status(flags, "--json", "--admin", `http://${listener}`);
  assertEquals([unready.code, JSON.parse(unready.stdout).services[0].name], [1, "main"]);
  const away = `127.0.0.1:${freePort()}`;
  const gone = await status([`--allow-net=${away}`], "--admin", `http://${away}`);
  assertEquals([gone.code, gone.stdout], [2, ""]);
  assertStringIncludes(gone.stderr, `culvert: Cannot reach the admin API at http://${away}: `);
  const notAdmin = `127.0.0.1:${culvert.port("main")}`;
  const other = await status([`--allow-net=${notAdmin}`], "--admin", `http://${notAdmin}`);
  assertEquals(other.code, 2);
  const denied = await status([], "--admin", `http://${listener}`);
  assertEquals(denied.code, 77);
  assertStringIncludes(denied.stderr, `--allow-net=${listener}`);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test("status speaks to a unix socket, and mutual TLS", async () => {
  await using folder = new TemporaryFolder();
  await using files = new TlsFiles();
  const socket = folder.file("admin.sock");
  const ca = await createAuthority();
  const own = files.putOwn("server", await ca.issueServer({ names: ["127.0.0.1"] }));
  const client = files.putOwn("client", await ca.issueClient({ cn: "operator" }));
  const trust = files.put("ca.pem", ca.certPem);
  const tls = `{cert: ${own.cert}, key: ${own.key}, clientAuth: {ca: ${trust}, allow: [{cn: operator}]}}`;
  const backends = [`127.0.0.1:${freePort()}`];
  const plain = proxyConfig({ backends, head: `${HEAD}admin: {listen: "unix:${socket}"}\n` });
  const secure = proxyConfig({ backends, head: `${HEAD}admin: {listen: "127.0.0.1:0", tls: ${tls}}\n` });
  await using culvert = await startCulvert(plain, { later: [secure] });
  const rights = [`--allow-net=unix:${socket}`, `--allow-read=${socket}`, `--allow-write=${socket}`];
  const local = await status(rights, "--admin", `unix:${socket}`);
  assertEquals([local.code, local.stderr], [0, ""]);
  await culvert.reload(secure);
  const listener = String((await culvert.waitFor({ message: "admin API" }, 2)).listener);
  const flags = [`--allow-net=${listener}`, `--allow-read=${files.folder.path}`];
  const url = ["--admin", `https://${listener}`];
  const remote = await status(flags, ...url, "--ca", trust, "--cert", client.cert, "--key", client.key);
  assertEquals([remote.code, remote.stderr], [0, ""]);
  const unknown = await status(flags, ...url, "--ca", trust);
  assertEquals(unknown.code, 2);
  const distrusting = await status(flags, ...url, "--cert", client.cert, "--key", client.key);
  assertEquals(distrusting.code, 2);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});
