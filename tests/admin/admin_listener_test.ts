import { assert, assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { AdminListener } from "../../src/admin/admin_listener.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { BufferPool } from "../../src/net/buffers.ts";
import { listen } from "../../src/net/listen.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { mutate } from "../net/mutate.ts";
import { readText, writeAll } from "../support/bytes.ts";
import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";
import { until, within } from "../support/wait.ts";
import { FakeTarget, SMALL_STATUS } from "./fake_target.ts";
import { ask, TestAdmin } from "./listener_fixture.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** Sends all of it, and reads until the end. */
async function exchange(admin: TestAdmin, sent: string | Uint8Array): Promise<string> {
  using connection = await admin.connect();
  await writeAll(connection, typeof sent === "string" ? encode(sent) : sent);
  return await within(readText(connection), { what: "the end of the answer" });
}

Deno.test("the API answers over TCP", async () => {
  await using admin = await TestAdmin.start();
  assertEquals(await ask(admin.url("/healthz")), [200, { status: "ok" }]);
  assertEquals(await ask(admin.url("/api/status?pretty")), [200, SMALL_STATUS as unknown]);
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify(["127.0.0.1:80"]);
  const [status] = await ask(admin.url("/api/upstreams/db/backends"), { method: "PUT", headers, body });
  assertEquals(status, 200);
  assertEquals(await ask(admin.url("/api/reload"), { method: "POST" }), [200, { ok: true, generation: 2 }]);
  const [missing] = await ask(admin.url("/nowhere"));
  assertEquals(missing, 404);
  assertEquals(admin.target.calls, [["replace", "db", ["127.0.0.1:80"]], ["reload"]]);
});

Deno.test("one connection serves many requests", async () => {
  await using admin = await TestAdmin.start();
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 1 });
  for (let i = 0; i < 20; i++) {
    const response = await fetch(admin.url("/healthz"), { client });
    assertEquals(await response.json(), { status: "ok" });
    assertEquals(admin.listener.connections, 1);
  }
});

Deno.test("a body of ten thousand backends is accepted, and one of more than 4 MiB is rejected", async () => {
  await using admin = await TestAdmin.start();
  const set = Array.from({ length: 10_000 }, (_, i) => ({
    address: `10.100.${i >> 8}.${i & 255}:65535`,
    weight: 1,
    maxConnections: 1000,
    backup: false,
  }));
  const put = (body: string) =>
    ask(admin.url("/api/upstreams/db/backends"), { method: "PUT", body, headers });
  const headers = { "content-type": "application/json" };
  const [status, json] = await put(JSON.stringify(set, undefined, 2));
  assertEquals([status, (json as unknown[]).length], [200, 10_000]);
  const [refused, error] = await put(JSON.stringify("x".repeat(4 * 1024 * 1024)));
  assertEquals([refused, (error as { error: { code: string } }).error.code], [413, "body_too_large"]);
});

testWith(["curl"], "curl works over a unix socket, with plain and encoded paths", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.file("admin.sock");
  await using admin = await TestAdmin.start({}, { kind: "unix", path });
  const curl = async (...args: string[]) => {
    const { stdout } = await run("curl", ["-sSg", "--unix-socket", path, ...args]);
    return stdout;
  };
  assertEquals(await curl("http://localhost/healthz"), '{"status":"ok"}\n');
  assertStringIncludes(await curl("-I", "http://localhost/healthz"), "Content-Length: 16");
  const backends = "http://localhost/api/upstreams/db/backends";
  await curl("-X", "POST", `${backends}/[::1]:80/drain`);
  await curl("-X", "POST", `${backends}/unix:/run/app.sock/enable`);
  await curl("-X", "POST", `${backends}/unix:%2Frun%2Fapp.sock/drain`);
  const large = folder.file("set.json");
  await Deno.writeTextFile(large, JSON.stringify(Array.from({ length: 90_000 }, (_, i) => `10.0.0.1:${i}`)));
  const json = "Content-Type: application/json";
  // More than a mebibyte: curl asks first whether it may (Expect).
  const answer = await curl("-X", "PUT", "-H", json, "--data-binary", `@${large}`, backends);
  assertEquals(JSON.parse(answer).length, 90_000);
  const text = await curl("-X", "PUT", "-d", "[]", backends);
  assertEquals(JSON.parse(text).error.code, "bad_content_type");
  assertStringIncludes(await curl("-H", "Host: evil.example", "http://localhost/healthz"), "foreign_host");
  assertEquals(admin.target.calls.slice(0, 3), [
    ["drain", "db", "[::1]:80"],
    ["enable", "db", "unix:/run/app.sock"],
    ["drain", "db", "unix:/run/app.sock"],
  ]);
});

testWith(["curl"], "curl receives the expected status codes and keeps connections", async () => {
  await using admin = await TestAdmin.start();
  const code = async (...args: string[]) => {
    const write = ["-sS", "-o", "/dev/null", "-w", "%{http_code} %{num_connects};"];
    return (await run("curl", [...write, ...args])).stdout;
  };
  const health = admin.url("/healthz");
  assertEquals(await code(health, "-o", "/dev/null", health), "200 1;200 0;");
  assertEquals(await code("--http1.0", health), "200 1;");
  assertEquals(await code("-X", "OPTIONS", health), "405 1;");
  assertEquals(await code("-H", "Origin: http://evil.example", health), "403 1;");
  assertEquals(await code("-H", "Transfer-Encoding: chunked", "-d", "x", admin.url("/api/reload")), "411 1;");
  assertEquals(await code("--http2-prior-knowledge", "-m", "5", health).then((s) => s.slice(0, 3)), "000");
});

Deno.test("at the limit the connection that has waited longest is evicted", async () => {
  await using admin = await TestAdmin.start({ maxConnections: 3 });
  const first: Deno.Conn[] = [];
  for (let count = 1; count <= 3; count++) {
    first.push(await admin.connect());
    await until(() => admin.listener.connections === count, { what: "a connection" });
  }
  using next = await admin.connect();
  assertEquals(await first[0]!.read(new Uint8Array(1)).catch(() => null), null);
  await writeAll(next, encode(requestTo(admin)));
  assert((await readText(next)).startsWith("HTTP/1.1 200 "));
  assertEquals(admin.log.messages.filter((message) => message.startsWith("too many")), [
    "too many admin connections, closing those that have waited longest",
  ]);
  for (const connection of first) connection.close();
});

function hostOf({ port }: TestAdmin): string {
  return port === 0 ? "localhost" : `localhost:${port}`;
}

/** A request of a client that ends its connection with it. */
function requestTo(admin: TestAdmin): string {
  return `GET /healthz HTTP/1.1\r\nHost: ${hostOf(admin)}\r\nConnection: close\r\n\r\n`;
}

const CROWD = 8;

/** What connections that want to keep others out send, and whether they read what they are answered. */
const CROWDS: readonly [kind: string, sends: (admin: TestAdmin) => string, reads: boolean][] = [
  ["silent", () => "", false],
  ["slow in the head of a request", (admin) => requestTo(admin).slice(0, -4), false],
  ["idle after a request", (admin) => requestTo(admin).replace("close", "keep-alive"), true],
  [
    "slow in the body of a request",
    (admin) =>
      `PUT /api/upstreams/db/backends HTTP/1.1\r\nHost: ${hostOf(admin)}\r\nContent-Length: 99\r\n\r\n[`,
    false,
  ],
  ["slow to read their answers", (admin) => requestTo(admin).replace("/healthz", "/api/status"), false],
];

for (const kind of ["tcp", "unix"] as const) {
  for (const [what, sends, reads] of CROWDS) {
    Deno.test(`connections by ${kind} that are ${what} keep no other client out`, async () => {
      await using folder = new TemporaryFolder();
      const path = folder.file("admin.sock");
      const at = kind === "tcp" ? undefined : { kind, path };
      await using admin = await TestAdmin.start({ maxConnections: CROWD }, at);
      admin.target.document = { ...SMALL_STATUS, version: "x".repeat(6 << 20) };
      const connect = () => kind === "tcp" ? admin.connect() : Deno.connect({ transport: "unix", path });
      const crowd: Deno.Conn[] = [];
      for (let i = 0; i < CROWD; i++) {
        const connection = await connect();
        crowd.push(connection);
        const text = sends(admin);
        if (text !== "") await writeAll(connection, encode(text));
        if (reads) await connection.read(new Uint8Array(1000));
      }
      await until(() => admin.listener.connections === CROWD, { what: "the crowd" });
      for (let i = 0; i < 5; i++) {
        using client = await connect();
        await writeAll(client, encode(requestTo(admin)));
        assert((await within(readText(client), { what: "the answer" })).startsWith("HTTP/1.1 200 "));
      }
      for (const connection of crowd) connection.close();
    });
  }
}

Deno.test("a request that is being handled is not evicted", async () => {
  await using admin = await TestAdmin.start({ maxConnections: 1 });
  const reloading = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  admin.target.reloaded = async () => {
    reloading.resolve();
    await finish.promise;
    return { ok: true, generation: 2 };
  };
  const reload = ask(admin.url("/api/reload"), { method: "POST" });
  await reloading.promise;
  using refused = await admin.connect();
  assertEquals(admin.listener.connections, 1);
  assertEquals(await refused.read(new Uint8Array(1)).catch(() => null), null);
  finish.resolve();
  assertEquals((await reload)[0], 200);
});

Deno.test("sixty-four connections are served at once", async () => {
  await using admin = await TestAdmin.start();
  const connections = await Promise.all(Array.from({ length: 64 }, () => admin.connect()));
  const request = encode(
    `GET /healthz HTTP/1.1\r\nHost: localhost:${admin.port}\r\nConnection: close\r\n\r\n`,
  );
  const answers = await Promise.all(connections.map(async (connection) => {
    await until(() => admin.listener.connections === 64, { what: "all connections" });
    await writeAll(connection, request);
    return await readText(connection);
  }));
  assert(answers.every((answer) => answer.endsWith('{"status":"ok"}\n')));
  for (const connection of connections) connection.close();
});

Deno.test("closing closes idle connections at once, and lets a current request finish", async () => {
  const admin = await TestAdmin.start();
  const reloading = Promise.withResolvers<void>();
  admin.target.reloaded = async () => {
    await reloading.promise;
    return { ok: true, generation: 7 };
  };
  using idle = await admin.connect();
  using busy = await admin.connect();
  const begun = admin.target.reloadBegun();
  await writeAll(busy, encode(`POST /api/reload HTTP/1.1\r\nHost: localhost:${admin.port}\r\n\r\n`));
  await begun;
  const closing = admin.listener.close();
  assertEquals(await within(readText(idle), { what: "the idle connection's end" }), "");
  await assertRejects(() => admin.connect());
  reloading.resolve();
  assertStringIncludes(await readText(busy), '{"ok":true,"generation":7}');
  busy.closeWrite();
  await within(closing, { what: "the listener to close" });
  assertEquals(admin.listener.connections, 0);
  await admin.listener.close();
});

Deno.test("closing destroys what has not finished within drainMs", async () => {
  const admin = await TestAdmin.start({ drainMs: 200 });
  admin.target.reloaded = () => new Promise(() => {});
  using busy = await admin.connect();
  const begun = admin.target.reloadBegun();
  await writeAll(busy, encode(`POST /api/reload HTTP/1.1\r\nHost: localhost:${admin.port}\r\n\r\n`));
  await begun;
  await within(admin.listener.close(), { what: "the listener to close" });
  assertEquals(await readText(busy), "");
});

Deno.test("a non-local address without TLS is rejected, and its port is free again", async () => {
  for (const host of ["", "0.0.0.0"]) {
    const bound = await listen({ kind: "tcp", host, port: 0 });
    const parts = { target: new FakeTarget(), wheel: new TimerWheel(), buffers: new BufferPool() };
    const error = assertThrows(
      () => new AdminListener(bound, parts),
      CulvertError,
      "Cannot serve the admin API",
    );
    assertEquals(error.code, "admin_exposed");
    (await listen(bound.address)).close();
  }
});

Deno.test("DNS rebinding is rejected", async () => {
  await using admin = await TestAdmin.start();
  const rebound = `GET /api/status HTTP/1.1\r\nHost: evil.example:${admin.port}\r\nConnection: close\r\n\r\n`;
  const answer = await exchange(admin, rebound);
  assertStringIncludes(answer, "HTTP/1.1 403 Forbidden\r\n");
  assertStringIncludes(answer, '"code":"foreign_host"');
  assert(!answer.includes("uptimeSeconds"));
});

Deno.test("malformed and truncated requests leave no connection behind", async () => {
  await using admin = await TestAdmin.start({ limits: { headMs: 300, bodyMs: 300 } });
  const good = encode(
    `PUT /api/upstreams/db/backends HTTP/1.1\r\nHost: localhost:${admin.port}\r\nContent-Length: 13\r\n` +
      `Connection: close\r\n\r\n["127.0.0.1"]`,
  );
  const attack = async (seed: number) => {
    const random = seededRandom(seed);
    const connection = await admin.connect();
    try {
      await writeAll(connection, mutate(good, random));
      if (random() < 0.5) await connection.closeWrite();
      if (random() < 0.3) await within(readText(connection), { what: `an end, seed ${seed}` });
    } catch (error) {
      assert(
        error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe,
        `${error}`,
      );
    } finally {
      connection.close();
    }
  };
  for (let first = 1; first <= 300; first += 50) {
    await Promise.all(Array.from({ length: 50 }, (_, i) => attack(first + i)));
    await until(() => admin.listener.connections === 0, { what: `all ends, seeds from ${first}` });
  }
  assertEquals(await ask(admin.url("/healthz")), [200, { status: "ok" }]);
  assertEquals(admin.log.lines.filter(({ level }) => level === "error"), []);
});
