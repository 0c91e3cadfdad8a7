import { assertEquals } from "@std/assert";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect, echo, ending, exchange, startBackend } from "../support/peers.ts";
import { type Culvert, startCulvert } from "../support/program.ts";
import { proxyConfig } from "../support/proxy_config.ts";

const REFUSED = { message: "connection refused", service: "main" };
const HELLO = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

/** Answers one request and closes. */
const startWeb = () =>
  startBackend(async (connection) => {
    await connection.read(new Uint8Array(4096));
    await connection.write(new TextEncoder().encode(HELLO));
  });

/** Whether a client with this address of its own is served. */
async function served(culvert: Culvert, from: string): Promise<boolean> {
  const url = `http://127.0.0.1:${culvert.port("main")}/`;
  const { code, stdout } = await run("curl", ["-sS", "--interface", from, url]);
  return code === 0 && stdout === "ok";
}

testWith(["curl"], "deny turns addresses away, allow lets only its own in, and deny wins", async () => {
  using web = startWeb();
  const rules = 'allow: ["127.0.0.1", "127.0.1.0/24"], deny: ["127.0.1.128/25"]';
  await using culvert = await startCulvert(proxyConfig({ backends: [web.address], service: rules }));

  assertEquals(await served(culvert, "127.0.0.1"), true);
  assertEquals(await served(culvert, "127.0.1.7"), true);
  assertEquals(await served(culvert, "127.0.0.2"), false);
  assertEquals(await served(culvert, "127.0.1.200"), false);

  const refused = [await culvert.waitFor(REFUSED), await culvert.waitFor(REFUSED, 2)];
  assertEquals(refused.map(({ reason }) => reason), ["refused-by-allow", "refused-by-deny"]);
  assertEquals(refused.map(({ client }) => String(client).split(":")[0]), ["127.0.0.2", "127.0.1.200"]);
  assertEquals(web.accepted, 2);
  await culvert.finish();
});

testWith(["curl"], "rules hold for IPv4 clients of a listener of both families", async () => {
  using web = startWeb();
  await using culvert = await startCulvert(
    proxyConfig({ backends: [web.address], listen: '":0"', service: 'deny: ["127.0.0.2/32"]' }),
  );
  assertEquals(await served(culvert, "127.0.0.1"), true);
  assertEquals(await served(culvert, "127.0.0.2"), false);
  await culvert.waitFor({ ...REFUSED, reason: "refused-by-deny" });
  await culvert.finish();
});

testWith(["curl"], "rate bounds the new connections of each client address by itself", async () => {
  using web = startWeb();
  await using culvert = await startCulvert(
    proxyConfig({ backends: [web.address], service: "rate: {connections: 1, per: 1h, burst: 3}" }),
  );
  const fromOne = [];
  for (let i = 0; i < 5; i++) fromOne.push(await served(culvert, "127.0.0.1"));
  assertEquals(fromOne, [true, true, true, false, false]);
  assertEquals(await served(culvert, "127.0.0.2"), true);
  await culvert.waitFor({ ...REFUSED, reason: "refused-by-rate" }, 2);
  await culvert.finish();
});

Deno.test("beyond maxConnections the next one is refused at once, and served when a place is free", async () => {
  using backend = startBackend(echo);
  await using culvert = await startCulvert(
    proxyConfig({ backends: [backend.address], service: "maxConnections: 3" }),
  );
  const port = culvert.port("main");
  const clients = await Promise.all([1, 2, 3].map(() => connect(port)));
  await Promise.all(clients.map((client) => exchange(client, "in")));
  for (let i = 0; i < 5; i++) {
    using refused = await connect(port);
    await ending(refused);
  }
  await culvert.waitFor({ ...REFUSED, reason: "refused-by-limit" }, 5);

  clients[0]!.close();
  await culvert.waitFor({ message: "connection closed" });
  using next = await connect(port);
  assertEquals(await exchange(next, "my turn"), "my turn");
  for (const client of [next, ...clients.slice(1)]) client.close();
  await culvert.finish();
});
