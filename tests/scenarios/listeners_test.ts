import { assertEquals, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { output, run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { DENO, HEAD, MAIN, startCulvert, THREADS } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until } from "../support/wait.ts";

const CANNOT_ACCEPT = { message: "cannot accept a connection", level: "WARN" };

Deno.test("a listener on a port alone serves both families", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], listen: '":0"' }));
  const port = culvert.port("main");
  for (const [hostname, client] of [["127.0.0.1", "127.0.0.1:"], ["::1", "[::1]:"]] as const) {
    {
      using connection = await Deno.connect({ hostname, port });
      assertEquals(await exchange(connection, hostname), hostname);
    }
    await culvert.waitFor((record) =>
      record.message === "connection closed" && String(record.client).startsWith(client)
    );
  }
  await culvert.finish();
});

Deno.test("unix sockets listen and serve as ports do, and their files go with the program", async () => {
  await using folder = new TemporaryFolder();
  using backend = startBackend(greet("by socket"), { path: folder.file("backend.sock") });
  const path = folder.file("listen.sock");
  const listen = `"127.0.0.1:0", "[::1]:0", "unix:${path}"`;
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], listen }));

  {
    using client = await Deno.connect({ transport: "unix", path });
    assertEquals(await readLine(client), "by socket");
    using other = await Deno.connect({ hostname: "::1", port: culvert.port("main", 1) });
    assertEquals(await readLine(other), "by socket");
  }
  const closed = await culvert.waitFor({ message: "connection closed", client: "unix" });
  assertEquals([closed.listener, closed.backend], [`unix:${path}`, backend.address]);
  await culvert.waitFor({ message: "connection closed" }, 2);
  await culvert.finish();
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["backend.sock"]);
});

Deno.test("a unix socket has its mode and group, a reload changes them, and a bad group changes nothing", async () => {
  await using folder = new TemporaryFolder();
  using backend = startBackend(greet("a"));
  const [path, admin] = [folder.file("listen.sock"), folder.file("admin.sock")];
  const config = (access: string) => {
    const head = `${HEAD}admin: {listen: {address: "unix:${admin}", ${access}}}\n`;
    return proxyConfig({ backends: [backend.address], listen: `{address: "unix:${path}", ${access}}`, head });
  };
  const shown = () =>
    [path, admin].map((socket) => Deno.lstatSync(socket)).map(({ mode, gid }) => [mode! & 0o777, gid]);
  const second = config('mode: "0600"');
  const options = { later: [second], readable: [folder.path] };
  await using culvert = await startCulvert(config(`mode: "0660", group: ${Deno.gid()}`), options);
  assertEquals(shown(), [[0o660, Deno.gid()], [0o660, Deno.gid()]]);
  using client = await Deno.connect({ transport: "unix", path });
  assertEquals(await readLine(client), "a");

  await culvert.write(config('mode: "0666", group: no-such-group'));
  culvert.signal("SIGHUP");
  await culvert.waitFor({ message: "reload failed, keeping the current configuration" });
  assertEquals(shown().map(([mode]) => mode), [0o660, 0o660]);

  await culvert.reload(second);
  await until(() => shown().every(([mode]) => mode === 0o600), { what: "both sockets to have the new mode" });
  client.close();
  await culvert.waitFor({ message: "connection closed" });
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
  assertEquals([...Deno.readDirSync(folder.path)], []);
});

testWith(
  ["python3"],
  "a unix socket that a dead process has left is replaced, one that is alive is not",
  async () => {
    await using folder = new TemporaryFolder();
    using backend = startBackend(echo);
    const path = folder.file("listen.sock");
    await output("python3", ["-c", `import socket; socket.socket(socket.AF_UNIX).bind("${path}")`]);
    const config = proxyConfig({ backends: [backend.address], listen: `"unix:${path}"` });
    await using culvert = await startCulvert(config);
    assertEquals(Deno.statSync(path).mode! & 0o777, 0o600);
    const file = folder.file("culvert.yaml");
    await Deno.writeTextFile(file, config);
    const second = await run(DENO, ["run", "-A", MAIN, "--config", file]);
    assertEquals(second.code, 1);
    assertStringIncludes(
      second.stderr,
      `Cannot listen on "unix:${path}": the address is in use (service main)`,
    );
    {
      using client = await Deno.connect({ transport: "unix", path });
      assertEquals(await exchange(client, "mine"), "mine");
    }
    await culvert.finish();
    assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["culvert.yaml"]);
  },
);

testWith(
  ["prlimit"],
  "a program that has run out of descriptors serves again when some are free",
  async () => {
    using backend = startBackend(greet("here"));
    await using culvert = await startCulvert(proxyConfig({ backends: [backend.address] }), {
      descriptors: 100,
    });
    const port = culvert.port("main");
    using tunnel = await connect(port);
    assertEquals(await readLine(tunnel), "here");

    const startedAt = performance.now();
    const clients = await Promise.all(Array.from({ length: 200 }, () => connect(port)));
    await culvert.waitFor(CANNOT_ACCEPT);
    assertEquals(await exchange(tunnel, "not me"), "not me");
    for (const client of clients) client.close();

    await until(() => servedBy(port), { what: "new clients to be served again" });
    const lines = culvert.found(CANNOT_ACCEPT).length;
    assertLessOrEqual(lines, THREADS * (1 + (performance.now() - startedAt) / 1000));
    assertEquals(await exchange(tunnel, "still not me"), "still not me");
    tunnel.close();
    await culvert.finish();
  },
);

testWith(["prlimit"], "a program that has run out of descriptors blames no backend for it", async () => {
  using backend = startBackend(greet("here"));
  const upstream = "retries: 0, outlier: {failures: 1}, health: {type: tcp, interval: 100ms, fall: 1}";
  await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], upstream }), {
    descriptors: 100,
  });
  const port = culvert.port("main");
  const clients = await Promise.all(Array.from({ length: 200 }, () => connect(port)));
  await culvert.waitFor(({ error }) => String(error).includes("Too many open files"), 3);
  for (const client of clients) client.close();
  await until(() => servedBy(port), { what: "new clients to be served again" });
  const blame = ["backend is ejected", "backend is down"].flatMap((message) => culvert.found({ message }));
  assertEquals(blame, []);
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

async function servedBy(port: number): Promise<boolean> {
  using client = await connect(port);
  return await readLine(client).catch(() => "nobody") === "here";
}
