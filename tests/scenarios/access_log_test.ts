import { assertEquals, assertGreaterOrEqual, assertMatch } from "@std/assert";
import { endAtLast } from "../support/child.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { connect, echo, ending, exchange, startBackend } from "../support/peers.ts";
import { DENO, HEAD, MAIN, printedFlags, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";
import { until, within } from "../support/wait.ts";

const FIELDS = [
  ...["service", "listener", "client", "backend", "tries", "bytes_up", "bytes_down"],
  ...["duration_ms", "connect_ms", "reason"],
];

for (const format of ["json", "text"]) {
  const head = HEAD.replace("json", format);

  Deno.test(`the access line of a connection has all its fields, as ${format}`, async () => {
    using backend = startBackend(echo);
    await using culvert = await startCulvert(proxyConfig({ backends: [backend.address], head }));
    let from = 0;
    {
      using client = await connect(culvert.port("main"));
      from = client.localAddr.port;
      assertEquals(await exchange(client, "hello"), "hello");
    }
    const line = await culvert.waitFor({ message: "connection closed" });
    assertEquals(Object.keys(line).filter((key) => FIELDS.includes(key)), FIELDS);
    assertEquals([line.level, line.service, line.backend], ["INFO", "main", backend.address]);
    assertEquals([line.listener, line.client], [culvert.address("main"), `127.0.0.1:${from}`]);
    assertEquals([line.tries, line.bytes_up, line.bytes_down, line.reason], [1, 5, 5, "client-closed"]);
    assertGreaterOrEqual(Number(line.duration_ms), Number(line.connect_ms));
    assertMatch(String(line["@timestamp"]), /^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    await culvert.finish();
  });

  Deno.test(`the access line of a connection that found no backend says why, as ${format}`, async () => {
    const dead = "127.0.0.1:1";
    await using culvert = await startCulvert(proxyConfig({ backends: [dead], head }));
    using client = await connect(culvert.port("main"));
    await ending(client);
    const line = await culvert.waitFor({ message: "connection closed", reason: "connect-failed" });
    assertEquals([line.level, line.backend, line.tries, line.connect_ms], ["INFO", dead, 1, undefined]);
    assertMatch(
      String(line.error),
      /^Cannot connect to upstream "main": the only attempt failed with: .*refused/i,
    );
    await culvert.finish();
  });

  Deno.test(`the line of a refused client has its address, listener and reason, as ${format}`, async () => {
    const config = proxyConfig({ backends: ["127.0.0.1:9"], head, service: "allow: []" });
    await using culvert = await startCulvert(config);
    using client = await connect(culvert.port("main"));
    await ending(client);
    const line = await culvert.waitFor({ message: "connection refused" });
    assertEquals([line.level, line.service, line.listener], ["INFO", "main", culvert.address("main")]);
    assertEquals([line.client, line.reason], [`127.0.0.1:${client.localAddr.port}`, "refused-by-allow"]);
    await culvert.finish();
  });
}

Deno.test("with access: false, finished connections have no line, and refused ones have theirs", async () => {
  using backend = startBackend(echo);
  const head = HEAD.replace("debug", "debug, access: false");
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], head, service: "maxConnections: 1" }),
  );
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await exchange(client, "hello"), "hello");
    using refused = await connect(culvert.port("main"));
    await ending(refused);
  }
  await culvert.finish();
  const lines = culvert.found((record) => String(record.message).startsWith("connection"));
  assertEquals(lines.map(({ message, reason }) => [message, reason]), [
    ["connection refused", "refused-by-limit"],
  ]);
});

Deno.test("a log that is not read does not delay connections or the end of the program", async () => {
  using backend = startBackend(echo);
  await using folder = new TemporaryFolder();
  const port = freePort();
  const file = folder.file("culvert.yaml");
  await Deno.writeTextFile(file, proxyConfig({ backends: [backend.address], listen: `"127.0.0.1:${port}"` }));
  const child = new Deno.Command(DENO, {
    args: ["run", ...await printedFlags(file), MAIN, "--config", file],
    stdin: "null",
    stderr: "piped",
  }).spawn();
  await using _ended = endAtLast(child);
  await until(() => connect(port).then((client) => client.close()).then(() => true, () => false), {
    what: "the program to listen",
  });
  let left = 6000; // Far more lines than a pipe and the program's own buffer take.
  await Promise.all(Array.from({ length: 20 }, async () => {
    while (left-- > 0) {
      using client = await connect(port);
      assertEquals(await exchange(client, "hello"), "hello");
    }
  }));
  child.kill("SIGTERM");
  const { code } = await within(child.status, { what: "the program to end" });
  const log = await new Response(child.stderr).text();
  assertEquals(code, 0);
  assertMatch(log, /^{.*"message":"connection closed".*}$/m);
});
