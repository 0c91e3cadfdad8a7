import { assertEquals } from "@std/assert";
import { BufferPool } from "../../../src/net/buffers.ts";
import { dial } from "../../../src/net/dial.ts";
import { tlsDial } from "../../../src/tls/dial.ts";
import { output } from "../../support/child.ts";
import { testWith } from "../../support/installed.ts";
import { startRedis } from "../../support/servers.ts";
import { until } from "../../support/wait.ts";
import { pki } from "../../tls/tls_fixture.ts";
import { startOwn } from "./own_server.ts";
import { example, tryScript } from "./script_examples.ts";

const REDIS = ["redis-server"];
const NOWHERE = ["--save", "", "--appendonly", "no", "--bind", "127.0.0.1"];

testWith(
  REDIS,
  "the example for Redis is good for Redis, and not for one that asks for a password",
  async () => {
    await using open = await startRedis();
    assertEquals(await tryScript(example("Redis"), open), "script done");
    const strict = await startOwn({
      program: "redis-server",
      args: ({ folder, port }) =>
        Promise.resolve([
          ...NOWHERE,
          ...["--dir", folder.path, "--port", String(port), "--requirepass", "secret"],
        ]),
    });
    await using _strict = strict;
    // It leaves the connection open: a farewell makes it end, which shows what it has said.
    const refused = [{ send: "PING\r\nQUIT\r\n" }, { expect: "+PONG" }];
    const seen = 'step 2, "+PONG", was not met before the connection was closed: received "-NOAUTH ';
    assertEquals((await tryScript(refused, strict)).startsWith(seen), true);
    const steps = example("Redis with a password");
    assertEquals(await tryScript(steps, strict), "script done");
    const user = "AUTH secret\r\nACL SETUSER checker on >word +ping\r\nQUIT\r\n";
    assertEquals(await tryScript([{ send: user }, { expect: "+OK\r\n+OK\r\n" }], strict), "script done");
    const own = [{ send: "AUTH checker word\r\n" }, ...steps.slice(1)];
    assertEquals(await tryScript(own, strict), "script done");
  },
);

testWith(
  [...REDIS, "redis-cli"],
  "the example for the primary is good for a primary, and not for a replica",
  async () => {
    await using redis = await startRedis();
    const steps = example("Redis, the primary only");
    assertEquals(await tryScript(steps, redis), "script done");
    await output("redis-cli", ["-p", String(redis.port), "REPLICAOF", "127.0.0.1", "1"]);
    const last = [...steps.slice(0, 1), { send: "QUIT\r\n" }, ...steps.slice(1)];
    const seen = await tryScript(last, redis);
    assertEquals(
      /^step 3, .* was not met before the connection was closed: .*role:slave/.test(seen),
      true,
      seen,
    );
  },
);

testWith(REDIS, "the same script goes to Redis over mutual TLS", async () => {
  const { ca, server, client } = await pki();
  await using redis = await startOwn({
    program: "redis-server",
    async args({ folder, port }) {
      const put = async (name: string, pem: string) => {
        await Deno.writeTextFile(folder.file(name), pem);
        return folder.file(name);
      };
      return [
        ...NOWHERE,
        ...["--dir", folder.path, "--port", "0", "--tls-port", String(port), "--tls-auth-clients", "yes"],
        ...["--tls-cert-file", await put("server.pem", server.chainPem)],
        ...["--tls-key-file", await put("server.key", server.keyPem)],
        ...["--tls-ca-cert-file", await put("ca.pem", ca.certPem)],
      ];
    },
  });
  const own = { cert: client.chainPem, key: client.keyPem };
  const secure = tlsDial({ dial, buffers: new BufferPool(), ca: ca.certPem, ...own });
  assertEquals(await tryScript(example("Redis"), { port: redis.port, dial: secure }), "script done");
});

testWith(
  REDIS,
  "a Redis that has been stopped for a while fails by time, and is good again afterwards",
  async () => {
    await using redis = await startOwn({
      program: "redis-server",
      args: ({ folder, port }) => Promise.resolve([...NOWHERE, "--dir", folder.path, "--port", String(port)]),
    });
    redis.child.signal("SIGSTOP");
    const late = new Error("too late");
    const stop = new AbortController();
    try {
      const running = tryScript(example("Redis"), { port: redis.port, signal: stop.signal });
      running.catch(() => {});
      await until(() => Deno.readTextFileSync("/proc/self/net/tcp").includes(hexPort(redis.port)), {
        what: "the check to connect",
      });
      stop.abort(late);
      assertEquals(await running.catch((error) => error), late);
    } finally {
      redis.child.signal("SIGCONT");
    }
    assertEquals(await tryScript(example("Redis"), redis), "script done");
  },
);

function hexPort(port: number): string {
  return `:${port.toString(16).toUpperCase().padStart(4, "0")} 01`;
}
