import { assertEquals, assertStringIncludes } from "@std/assert";
import { Load } from "../support/load.ts";
import { connect, exchange, greet, readLine, startBackend } from "../support/peers.ts";
import { startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";

const REFUSED = { message: "reload failed, keeping the current configuration" };

Deno.test("a bad file changes nothing, and every one of its problems is in the log", async () => {
  using a = startBackend(greet("a"));
  const good = proxyConfig({ backends: [a.address] });
  await using culvert = await startCulvert(good);
  using tunnel = await connect(culvert.port("main"));
  assertEquals(await readLine(tunnel), "a");
  const load = new Load(culvert.port("main"), { clients: 2 });

  await culvert.write(
    proxyConfig({
      backends: [`{address: "${a.address}", wieght: 2}`, "nonsense"],
      service: "maxConnections: many",
    }),
  );
  culvert.signal("SIGHUP");
  const refused = await culvert.waitFor(REFUSED);
  assertEquals([refused.level, refused.error, refused.why], ["ERROR", "3 problems", "SIGHUP"]);
  await culvert.waitFor({ message: "bad configuration" }, 3);
  const problems = culvert.found({ message: "bad configuration" }).map(({ problem }) => String(problem));
  assertStringIncludes(
    problems[0]!,
    'upstreams.main.backends[0].wieght: unknown key; did you mean "weight"?',
  );
  assertStringIncludes(problems[1]!, "upstreams.main.backends[1].address: expected");
  assertStringIncludes(problems[2]!, "services[0].maxConnections: expected");

  await culvert.write("version: 1\nservices: [");
  culvert.signal("SIGHUP");
  await culvert.waitFor(REFUSED, 2);
  await Deno.remove(culvert.file);
  culvert.signal("SIGHUP");
  assertStringIncludes(String((await culvert.waitFor(REFUSED, 3)).error), "there is no such file");

  await load.more(50);
  await load.stop();
  assertEquals(load.errors, []);
  assertEquals(await exchange(tunnel, "unmoved"), "unmoved");
  tunnel.close();
  await culvert.reload(good);
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test("a reload that needs more permissions is refused, and names the flags", async () => {
  using a = startBackend(greet("a"));
  // Not on 127.0.0.1: of a host with a port that is picked, workers need all ports.
  const elsewhere = "127.0.0.2:9";
  await using culvert = await startCulvert(proxyConfig({ backends: [a.address] }));
  await culvert.write(proxyConfig({ backends: [elsewhere] }));
  culvert.signal("SIGHUP");
  const refused = await culvert.waitFor(REFUSED);
  assertStringIncludes(String(refused.error), `add --allow-net=${elsewhere}`);
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), "a");
  }
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});

Deno.test("a reload that can't bind its new listener changes nothing", async () => {
  using a = startBackend(greet("a"));
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const one = proxyConfig({ backends: [a.address] });
  const two =
    `${one}  - {name: extra, listen: ["127.0.0.1:0", "127.0.0.1:${taken.addr.port}"], upstream: main}\n`;
  await using culvert = await startCulvert(one, { later: [two] });
  await culvert.write(two);
  culvert.signal("SIGHUP");
  assertStringIncludes(String((await culvert.waitFor(REFUSED)).error), "the address is in use");
  await culvert.settled();
  {
    using client = await connect(culvert.port("main"));
    assertEquals(await readLine(client), "a");
  }
  await culvert.settled();
  culvert.signal("SIGTERM");
  assertEquals(await culvert.exit, 0);
});
