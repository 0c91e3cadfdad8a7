import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { jsonResponse } from "../../src/admin/admin_response.ts";
import {
  type AdminHandler,
  type AdminRequest,
  AdminSession,
  type AdminSessionLimits,
} from "../../src/admin/admin_session.ts";
import type { AdminResponse } from "../../src/admin/admin_response.ts";
import type { StreamOutput } from "../../src/admin/live/live_feed.ts";
import { TimerWheel } from "../../src/core/timer_wheel.ts";
import { FakeClock } from "../core/fake_clock.ts";
import { readText, seededBytes } from "../support/bytes.ts";
import { memoryPair } from "../support/memory_connection.ts";
import { RecordingLog } from "../support/recording_log.ts";
import { settle } from "../support/settle.ts";
import { within } from "../support/wait.ts";

type Handle = (request: AdminRequest) => Promise<AdminResponse>;

/** Says what it was asked. */
const echo: Handle = ({ method, path, body }) =>
  Promise.resolve(jsonResponse(200, { method, path, bytes: body.length }));

function setUp(
  handle: Handle = echo,
  options: AdminSessionLimits & { capacity?: number; admit?: AdminHandler["admit"] } = {},
) {
  const { capacity = 10_000_000, admit = () => undefined, ...limits } = options;
  const clock = new FakeClock();
  const wheel = new TimerWheel({ clock });
  const log = new RecordingLog();
  const [peer, connection] = memoryPair({ capacity });
  const read = connection.read.bind(connection);
  let [reads, mostReads] = [0, 0];
  connection.read = async (buffer) => {
    mostReads = Math.max(mostReads, ++reads);
    return await read(buffer).finally(() => reads--);
  };
  const session = new AdminSession(connection, { handler: { admit, handle }, wheel, log, ...limits });
  const ended = session.run();
  /** All that is said until the session has ended, which leaves nothing behind. */
  const rest = async () => {
    const text = await within(readText(peer), { what: "the end of the answers" });
    if (!peer.closed) peer.close();
    await within(ended, { what: "the session's end" });
    assertEquals([connection.closed, clock.pending, mostReads], [true, 0, 1]);
    return text;
  };
  return { clock, log, peer, connection, session, ended, rest };
}

/** The status line's code of each answer, in their order. */
function codes(text: string): number[] {
  return [...text.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, code]) => Number(code));
}

/** The bodies that hold JSON, in their order. */
function bodies(text: string): unknown[] {
  return [...text.matchAll(/^\{.*\}$/gm)].map(([body]) => JSON.parse(body));
}

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

Deno.test("a response has its length and the common headers", async () => {
  const { peer, rest } = setUp();
  await peer.send(LAST);
  const text = await rest();
  assertEquals(
    text,
    [
      "HTTP/1.1 200 OK",
      "Cache-Control: no-store",
      "X-Content-Type-Options: nosniff",
      "Cross-Origin-Resource-Policy: same-origin",
      "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'",
      "Content-Type: application/json",
      "Content-Length: 42",
      "Connection: close",
      "",
      '{"method":"GET","path":"/last","bytes":0}\n',
    ].join("\r\n"),
  );
});

Deno.test("pipelined requests are handled in order, one after the other", async () => {
  let running = 0;
  const { peer, rest } = setUp(async (request) => {
    assertEquals(++running, 1);
    await settle();
    running--;
    return await echo(request);
  });
  const put = "PUT /b HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
  await peer.send(GET + put + GET + LAST + GET);
  assertEquals(bodies(await rest()), [
    { method: "GET", path: "/a", bytes: 0 },
    { method: "PUT", path: "/b", bytes: 3 },
    { method: "GET", path: "/a", bytes: 0 },
    { method: "GET", path: "/last", bytes: 0 },
  ]);
});

Deno.test("a response to HEAD has the length but no body", async () => {
  const { peer, rest } = setUp();
  await peer.send(GET.replace("GET", "HEAD") + LAST);
  const text = await rest();
  assertEquals(codes(text), [200, 200]);
  assertStringIncludes(text, "Content-Length: 40\r\n\r\nHTTP/1.1 200 OK");
});

Deno.test("an HTTP/1.0 connection is closed after one response", async () => {
  const { peer, rest } = setUp();
  await peer.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + GET);
  const text = await rest();
  assertEquals(codes(text), [200]);
  assertStringIncludes(text, "Connection: close\r\n");
});

Deno.test("a client that half-closes receives its response", async () => {
  const { peer, rest } = setUp();
  await peer.send(GET);
  await peer.closeWrite();
  assertEquals(codes(await rest()), [200]);
});

Deno.test("a malformed request is answered with an error, and the connection is closed", async () => {
  const cases: Record<string, [number, string]> = {
    "\x16\x03\x01\x02\x00\x01": [400, "bad_request"],
    "GET /a HTTP/1.1\n\n": [400, "bad_request"],
    "GET /a HTTP/1.1\r\n\r\n": [400, "bad_request"],
    "GET /a HTTP/2.0\r\nHost: a\r\n\r\n": [505, "bad_version"],
    "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n": [411, "length_required"],
    "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4194305\r\n\r\n": [413, "body_too_large"],
    "PUT /a HTTP/1.1\r\nHost: a\r\nExpect: gold\r\n\r\n": [417, "bad_expectation"],
    [`GET /a HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(17_000)}\r\n\r\n`]: [431, "head_too_large"],
  };
  for (const [sent, [status, code]] of Object.entries(cases)) {
    const { peer, rest } = setUp();
    await peer.send(sent + GET);
    const text = await rest();
    assertEquals(codes(text), [status], sent);
    assertStringIncludes(text, `{"error":{"code":"${code}","message":"`);
    assertStringIncludes(text, "Connection: close\r\n");
  }
});

Deno.test("a large body is read after 100 Continue", async () => {
  const { peer, rest } = setUp();
  await peer.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
  assertEquals(await peer.receive(), "HTTP/1.1 100 Continue\r\n\r\n");
  await peer.send(seededBytes(100_000, 1));
  await peer.send(LAST);
  assertEquals(bodies(await rest())[0], { method: "PUT", path: "/a", bytes: 100_000 });
});

Deno.test("a rejected body gets no 100 Continue, and is not parsed as a request", async () => {
  const admit = () => jsonResponse(403, { no: true });
  const { peer, rest } = setUp(echo, { admit });
  await peer.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n\r\n");
  await peer.send(GET);
  const text = await rest();
  assertEquals([codes(text), bodies(text)], [[403], [{ no: true }]]);
});

Deno.test("the connection is kept after a rejected request without a body", async () => {
  const admit: AdminHandler["admit"] = ({ path }) => path === "/a" ? jsonResponse(404, {}) : undefined;
  const { peer, rest } = setUp(echo, { admit });
  await peer.send(GET + GET + LAST);
  assertEquals(codes(await rest()), [404, 404, 200]);
});

Deno.test("a client that is still sending receives the response", async () => {
  const { peer, rest, clock } = setUp(echo, { maxBodyBytes: 10, capacity: 1000 });
  await peer.send("PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
  // It fits only because the session goes on reading.
  await within(peer.send(seededBytes(100_000, 1)), { what: "the body to be taken" });
  const reading = rest();
  await clock.advanceAsync(2200); // It never ends its half.
  assertEquals(codes(await reading), [413]);
});

Deno.test("a silent connection is closed after ten seconds, and an idle one after sixty", async () => {
  const silent = setUp();
  await silent.clock.advanceAsync(9900);
  assert(!silent.connection.closed);
  await silent.clock.advanceAsync(300);
  assertEquals(await silent.rest(), "");

  const idle = setUp();
  await idle.peer.send(GET);
  await idle.clock.advanceAsync(59_900);
  assert(!idle.connection.closed);
  await idle.clock.advanceAsync(400);
  assertEquals(codes(await idle.rest()), [200]);
});

Deno.test("a slow head and a slow body time out after ten seconds each", async () => {
  for (const start of ["", "GET", "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n"]) {
    const { peer, clock, rest } = setUp();
    await peer.send(`${start}G`);
    for (let s = 0; s < 9; s++) {
      await clock.advanceAsync(1000);
      await peer.send("x");
    }
    await clock.advanceAsync(1300);
    const text = await rest();
    assertEquals(codes(text), [408]);
    assertStringIncludes(text, '"code":"request_timeout"');
  }
});

Deno.test("a client that does not read its response is closed after thirty seconds", async () => {
  const { peer, clock, connection, ended } = setUp(echo, { capacity: 100 });
  await peer.send(GET);
  await clock.advanceAsync(29_900);
  assert(!connection.closed);
  await clock.advanceAsync(300);
  await within(ended, { what: "the session's end" });
  assertEquals([connection.closed, clock.pending], [true, 0]);
  peer.close();
});

Deno.test("a handler that exceeds its time is answered with 503", async () => {
  const { peer, clock, rest } = setUp(() => new Promise(() => {}));
  await peer.send(LAST);
  const reading = rest();
  await clock.advanceAsync(60_200);
  const text = await reading;
  assertEquals(codes(text), [503]);
  assertStringIncludes(text, '"code":"timeout"');
});

Deno.test("an error of the handler is logged, and answered as an internal error without details", async () => {
  const { peer, log, rest } = setUp(() => Promise.reject(new Error("secrets")));
  await peer.send(GET + LAST);
  const text = await rest();
  assertEquals([codes(text), text.includes("secrets")], [[500, 500], false]);
  const [line] = log.lines;
  assertEquals([line?.level, line?.message], ["error", "admin request failed, please report this bug"]);
  assertStringIncludes(String(line?.fields.error), "secrets");
});

Deno.test("a response with a line feed in a header is not sent", async () => {
  const { peer, rest } = setUp(() => Promise.resolve(jsonResponse(200, {}, { "X-A": "a\r\nSet-Cookie: b" })));
  await peer.send(LAST);
  assertEquals(await rest(), "");
});

Deno.test("requests that change something are logged at info, the others at debug", async () => {
  const { peer, log, rest } = setUp();
  await peer.send(GET + "POST /b HTTP/1.1\r\nHost: a\r\n\r\n" + LAST);
  await rest();
  assertEquals(log.lines.map(({ level, fields }) => [level, fields.method, fields.path, fields.status]), [
    ["debug", "GET", "/a", 200],
    ["info", "POST", "/b", 200],
    ["debug", "GET", "/last", 200],
  ]);
});

Deno.test("draining closes an idle session at once", async () => {
  const fresh = setUp();
  fresh.session.drain();
  assertEquals(await fresh.rest(), "");
  const idle = setUp();
  await idle.peer.send(GET);
  assertEquals(codes(await idle.peer.receive() ?? ""), [200]);
  await settle();
  idle.session.drain();
  assertEquals(await idle.rest(), "");
});

Deno.test("draining lets the current request finish, with Connection: close", async () => {
  const gate = Promise.withResolvers<void>();
  const { peer, session, rest } = setUp(async (request) => {
    await gate.promise;
    return await echo(request);
  });
  await peer.send(GET + GET);
  await settle();
  session.drain();
  gate.resolve();
  const text = await rest();
  assertEquals(codes(text), [200]);
  assertStringIncludes(text, "Connection: close\r\n");
});

Deno.test("draining during a response closes the session after it", async () => {
  const { peer, session, rest } = setUp(echo, { capacity: 100 });
  await peer.send(GET);
  await settle(); // The answer is longer than what the client takes by itself.
  session.drain();
  assertEquals(codes(await rest()), [200]);
});

Deno.test("destroying closes a session in every state", async () => {
  const hung: Handle = () => new Promise(() => {});
  for (const sent of ["", "GET", GET, "PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"]) {
    const { peer, session, rest } = setUp(hung);
    await peer.send(sent);
    await settle();
    session.destroy();
    session.destroy();
    assertEquals(await rest(), "");
  }
});

Deno.test("a reset in any state ends that session only", async () => {
  const sent = `PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc`;
  for (let length = 0; length <= sent.length; length++) {
    const { peer, clock, connection, ended } = setUp();
    await peer.send(sent.slice(0, length));
    if (length % 2 === 0) await settle();
    peer.reset();
    await within(ended, { what: "the session's end" });
    assertEquals([connection.closed, clock.pending], [true, 0]);
  }
});

/** A response that is sent piece by piece, and what there is of it. */
function streaming() {
  const { promise: started, resolve } = Promise.withResolvers<StreamOutput>();
  const ended = Promise.withResolvers<void>();
  const handle: Handle = () =>
    Promise.resolve({
      status: 200,
      headers: { "Content-Type": "text/event-stream" },
      body: "",
      stream: async (out) => {
        resolve(out);
        await new Promise<void>((resolve) => out.signal.addEventListener("abort", () => resolve()));
        ended.resolve();
      },
    });
  return { handle, started, ended: ended.promise };
}

const encode = (text: string) => new TextEncoder().encode(text);

Deno.test("a stream has no length, is the last response, and ends when the session is drained", async () => {
  const { handle, started, ended } = streaming();
  const { peer, session, rest } = setUp(handle);
  await peer.send(GET);
  const out = await started;
  await out.send(encode("data: 1\n\n"));
  await out.send(encode("data: 2\n\n"));
  session.drain();
  await within(ended, { what: "the stream's end" });
  const text = await rest();
  assertEquals(
    text.slice(text.indexOf("Content-Type: ")),
    [
      "Content-Type: text/event-stream",
      "Connection: close",
      "",
      "data: 1\n\ndata: 2\n\n",
    ].join("\r\n"),
  );
  assert(!text.includes("Content-Length"));
});

Deno.test("a stream ends when its client leaves, whatever that has sent meanwhile", async () => {
  const { handle, started, ended } = streaming();
  const { peer, rest } = setUp(handle);
  await peer.send(GET);
  await started;
  await peer.send(GET.repeat(10));
  peer.close();
  await within(ended, { what: "the stream's end" });
  await rest().catch(() => {});
});

Deno.test("a stream ends when its client reads nothing for too long", async () => {
  const { handle, started, ended } = streaming();
  const { clock, peer, session, ended: closed } = setUp(handle, { capacity: 1000, sendMs: 5000 });
  await peer.send(GET);
  const out = await started;
  const sent = out.send(new Uint8Array(5000)).then(() => "sent", () => "failed");
  await clock.advanceAsync(6000);
  await within(ended, { what: "the stream's end" });
  assertEquals(await within(sent, { what: "the send to fail" }), "failed");
  await within(closed, { what: "the session's end" });
  session.destroy();
  assertEquals(clock.pending, 0);
});

Deno.test("HEAD of a stream has its headers alone", async () => {
  const { peer, rest } = setUp(streaming().handle);
  await peer.send("HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n");
  const text = await rest();
  assert(text.endsWith("text/event-stream\r\nConnection: close\r\n\r\n"));
});
