import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { until } from "../support/wait.ts";
import { answering, OK, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n";
/** Longer than any test. */
const LONG_MS = 600_000;
const LONG = { handshakeMs: LONG_MS, idleMs: LONG_MS, responseMs: LONG_MS, requestMs: 0 };

/** Sends something every few milliseconds, until the connection ends. */
async function trickle(connection: RawConnection, text: string): Promise<void> {
  try {
    for (let at = 0; !connection.ended; at++) {
      await connection.send(text[at % text.length]!);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } catch {
    // It has ended.
  }
}

function reasons({ records }: ProxyFixture): unknown[] {
  return records.map(({ reason, status }) => [reason, status]);
}

Deno.test("a head that is not complete within `handshake` gets 408, however it comes", async () => {
  await using origin = new RawOrigin();
  await using fixture = new ProxyFixture([origin], { timeouts: { ...LONG, handshakeMs: 1000 } });
  const stopped = await fixture.client("GET / HTTP/1.1\r\nHost: a\r\n");
  const slow = await fixture.client("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  const trickling = trickle(slow, "y");
  const silent = await fixture.client();
  for (const client of [stopped, slow]) {
    const answer = await client.rest();
    assertStringIncludes(answer, "HTTP/1.1 408 Request Timeout\r\n");
    assertStringIncludes(answer, "Connection: close\r\n");
  }
  await trickling;
  assertEquals(await silent.rest(), "", "a client that has sent nothing is not answered");
  assertEquals(reasons(fixture), [["request-timeout", 408], ["request-timeout", 408]]);
  assertEquals(origin.connections.length, 0);
});

Deno.test("the deadline of the head holds for each request of a connection", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { timeouts: { ...LONG, handshakeMs: 1000 } });
  const client = await fixture.client(GET);
  await client.receive("ok");
  await client.send("GET / HT");
  assertStringIncludes(await client.rest(), "HTTP/1.1 408 Request Timeout\r\n");
});

Deno.test("a body that stalls for `idle` gets 408, and the connection to the backend is destroyed", async () => {
  await using origin = new RawOrigin();
  await using fixture = new ProxyFixture([origin], { timeouts: { ...LONG, idleMs: 150 } });
  for (
    const request of [
      `${POST}hello`,
      POST.replace("Content-Length: 10", "Transfer-Encoding: chunked") + "5\r\nhel",
    ]
  ) {
    const client = await fixture.client(request);
    const answer = await client.rest();
    assertStringIncludes(answer, "HTTP/1.1 408 Request Timeout\r\n");
    assertStringIncludes(answer, "Connection: close\r\n");
    await origin.connections.at(-1)!.done;
  }
  assertEquals(reasons(fixture), [["request-timeout", 408], ["request-timeout", 408]]);
});

Deno.test("a response that stalls for `idle` is cut short", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  });
  await using fixture = new ProxyFixture([origin], { timeouts: { ...LONG, idleMs: 150 } });
  const client = await fixture.client(GET);
  assert((await client.rest()).endsWith("\r\n\r\nhalf"));
  await origin.connections[0]!.done;
  assertEquals(reasons(fixture), [["idle", 200]]);
});

Deno.test("a client that does not read for `idle` is cut off, and so is the backend", async () => {
  const held = Promise.withResolvers<void>();
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
    const piece = "x".repeat(1_000_000);
    for (let i = 0; i < 1000 && !connection.ended; i++) await connection.send(piece);
  });
  await using fixture = new ProxyFixture([origin], {
    timeouts: { ...LONG, idleMs: 300 },
    onAccess: (record) => record.reason === "idle" ? held.resolve() : held.reject(new Error(record.reason)),
  });
  using client = await Deno.connect({ hostname: "127.0.0.1", port: fixture.port });
  await client.write(new TextEncoder().encode(GET));
  await held.promise;
  await origin.connections[0]!.done;
});

Deno.test("a client without a request is closed after `idle`, without an answer", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { timeouts: { ...LONG, idleMs: 150 } });
  const client = await fixture.client(GET);
  assert((await client.rest()).endsWith("\r\n\r\nok"));
  assertEquals(reasons(fixture), [["ok", 200]]);
});

Deno.test("`request` bounds the whole: 504 without an answer, and an answer under way is cut short", async () => {
  let answering: Promise<void> | undefined;
  await using origin = new RawOrigin(async (connection, index) => {
    await connection.receive("\r\n\r\n");
    if (index === 0) return;
    await connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    await (answering = trickle(connection, "1\r\nx\r\n"));
  });
  await using fixture = new ProxyFixture([origin], { timeouts: { ...LONG, requestMs: 1000 } });
  const mute = await fixture.client(POST);
  const trickling = trickle(mute, "y");
  assertStringIncludes(await mute.rest(), "HTTP/1.1 504 Gateway Timeout\r\n");
  await trickling;
  const cut = await (await fixture.client(GET)).rest();
  assertStringIncludes(cut, "HTTP/1.1 200 OK\r\n");
  assert(!cut.endsWith("0\r\n\r\n"));
  await answering;
  assertEquals(reasons(fixture), [["request-lifetime", 504], ["request-lifetime", 200]]);
});

Deno.test("the timeouts of a route are its own", async () => {
  await using origin = new RawOrigin();
  await using fixture = new ProxyFixture([origin], {
    routes: [
      { match: { path: "/slow" }, upstream: "app" },
      { match: {}, upstream: "app", timeouts: { responseMs: 100 } },
    ],
    timeouts: LONG,
  });
  const slow = await fixture.client("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
  assertStringIncludes(await (await fixture.client(GET)).rest(), "HTTP/1.1 504 Gateway Timeout\r\n");
  assertEquals(slow.received, "");
});

Deno.test("a client that was answered early is listened to for 2 s, or 1 MiB, and no longer", async () => {
  await using origin = new RawOrigin(async (connection) => {
    await connection.receive("\r\n\r\n");
    await connection.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
  });
  await using fixture = new ProxyFixture([origin], { timeouts: LONG });
  const head = POST.replace("10", "1000000000");
  const silent = await fixture.client(head);
  assertStringIncludes(await silent.rest(), "Connection: close\r\n");
  await until(() => fixture.proxy.stats.active === 0, { what: "the silent client to be closed" });
  const sending = await fixture.client(head);
  assertStringIncludes(await sending.rest(), "HTTP/1.1 413 Content Too Large\r\n");
  const block = "x".repeat(1_000_000);
  let sent = 0;
  // The kernel takes some megabytes that the proxy does not read.
  await assertRejects(async () => {
    for (; sent < 200; sent++) await sending.send(block);
  });
  assertEquals(reasons(fixture), [["ok", 413], ["ok", 413]]);
});

Deno.test("a drain tells clients with their next answer, and closes those that ask for nothing", async () => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { timeouts: { ...LONG, drainMs: LONG_MS } });
  const [asking, silent] = [await fixture.client(GET), await fixture.client(GET)];
  for (const client of [asking, silent]) await client.receive("ok");
  // What has begun is served, however busy the machine is.
  await asking.send(GET.slice(0, 1));
  await until(() => fixture.proxy.stats.requests.active === 1, { what: "the next request to begin" });
  const closing = fixture.proxy.close();
  await asking.send(GET.slice(1));
  const answers = await asking.rest();
  assertEquals(answers.split("HTTP/1.1 200 OK\r\n").length, 3);
  assertEquals(answers.split("Connection: close\r\n").length, 2);
  assertEquals((await silent.rest()).includes("Connection: close\r\n"), false);
  await closing;
});
