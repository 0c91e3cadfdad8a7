import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ExitCode } from "../../src/cli/exit_code.ts";
import { run } from "../support/child.ts";
import { enters } from "../support/enters.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { Load } from "../support/load.ts";
import { connect, echo, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { DENO, HEAD, SOURCE, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { tlsConfig, TlsFiles } from "../support/tls_files.ts";
import { makePki } from "../tls/tls_fixture.ts";

/** The same configuration with so many workers. */
function withWorkers(config: string, workers: number): string {
  return config.replace(/^version: 1$/m, `version: 1\nworkers: ${workers}`);
}

Deno.test("the number of workers changes, and no connection is refused or reset", async () => {
  using backend = startBackend(greet("a"));
  const config = proxyConfig({ backends: [backend.address] });
  const later = [1, 2, 4].map((workers) => withWorkers(config, workers));
  await using culvert = await startCulvert(later[1]!, { later });
  const port = culvert.port("main");
  const load = new Load(port, { clients: 4 });
  await load.more(20);
  await culvert.reload(later[2]!); // No listener closes.
  await load.more(20);
  await load.stop();
  assertEquals(load.errors, []);

  const tunnels = await Promise.all(Array.from({ length: 12 }, () => connect(port)));
  for (const tunnel of tunnels) assertEquals(await readLine(tunnel), "a");
  for (const next of [later[0]!, later[1]!]) {
    await culvert.reload(next);
    for (const tunnel of tunnels) assertEquals(await exchange(tunnel, "still open"), "still open");
    const again = new Load(port, { clients: 4 });
    await again.more(10);
    await again.stop();
    assertEquals(again.errors, []);
  }
  assertEquals(culvert.found({ message: "listening" }).length, 1);
  for (const tunnel of tunnels) tunnel.close();
  await culvert.waitFor({ message: "connection closed", reason: "client-closed" });
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  assertEquals(culvert.found({ level: "ERROR" }), []);
});

Deno.test("four workers keep the rules of mutual TLS, and a revocation reaches all of them", async () => {
  const pki = await makePki();
  const visitor = await pki.ca.issueClient({ cn: "visitor", ou: "guests" });
  await using files = new TlsFiles();
  using backend = startBackend(echo);
  const config = () => {
    const clientAuth = {
      ca: files.put("ca.pem", pki.ca.certPem),
      crl: files.put("crl.pem", pki.ca.crl()),
      allow: [{ cn: "alice" }],
    };
    const tls = { ...files.putOwn("server", pki.server), clientAuth };
    return withWorkers(tlsConfig({ backends: [backend.address], tls }), 4);
  };
  await using culvert = await startCulvert(config());
  // Of 16 connections, each worker gets one, but for one time in 25.
  const accepted = async (own = pki.client) => {
    const each = await Promise.all(Array.from({ length: 16 }, () => enters(culvert, pki, { own })));
    return each.filter(Boolean).length;
  };
  assertEquals([await accepted(), await accepted(visitor)], [16, 0]);
  pki.ca.revoke(pki.client.serial);
  await culvert.reload(config());
  assertEquals(await accepted(), 0);
  const reasons = culvert.found({ message: "connection refused" }).map(({ reason }) => reason);
  assertEquals([...new Set(reasons)].sort(), ["tls-not-allowed", "tls-revoked"]);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test("unix sockets are served beside workers, through a change of their number", async () => {
  using backend = startBackend(greet("a"));
  await using folder = new TemporaryFolder();
  const path = folder.file("app.sock");
  const config = proxyConfig({ backends: [backend.address], listen: `"unix:${path}", "127.0.0.1:0"` });
  const later = [1, 2].map((workers) => withWorkers(config, workers));
  await using culvert = await startCulvert(later[1]!, { later });
  using first = await Deno.connect({ transport: "unix", path });
  assertEquals(await readLine(first), "a");
  await culvert.reload(later[0]!);
  using second = await Deno.connect({ transport: "unix", path });
  assertEquals(await readLine(second), "a");
  assertEquals(await exchange(first, "still open"), "still open");
  using third = await connect(culvert.port("main", 1));
  assertEquals(await readLine(third), "a");
  for (const connection of [first, second, third]) connection.close();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test("without the permission to read the program, the error names the flag; permissions lists it", async () => {
  await using folder = new TemporaryFolder();
  const file = folder.file("culvert.yaml");
  const config = withWorkers(proxyConfig({ backends: ["127.0.0.1:1"], head: HEAD }), 2);
  await Deno.writeTextFile(file, config);
  const { code, stderr } = await run(DENO, [
    "run",
    "--no-prompt",
    "--allow-net",
    `--allow-read=${file}`,
    SOURCE,
    "--config",
    file,
  ]);
  assertEquals(code, ExitCode.noPermission);
  assertStringIncludes(stderr, `a permission is missing; add --allow-read=${SOURCE},`);
  const flags = await run(DENO, ["run", `--allow-read=${file}`, SOURCE, "permissions", "--config", file]);
  assert(flags.stdout.includes(SOURCE), flags.stdout);
});
