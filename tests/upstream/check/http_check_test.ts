import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { dial } from "../../../src/net/dial.ts";
import { CheckFailedError } from "../../../src/upstream/check/check.ts";
import { HttpCheck, type HttpCheckSpec } from "../../../src/upstream/check/http_check.ts";
import { seededRandom } from "../../core/seeded_random.ts";
import { mutate } from "../../net/mutate.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { type Handler, silent, startResetting } from "../../support/peers.ts";
import { until } from "../../support/wait.ts";
import {
  answering,
  ANYWHERE,
  memoryDial,
  NEVER,
  readUntil,
  sendInPieces,
  startChecked,
} from "./check_fixture.ts";
import { parseAddress } from "../../../src/net/address.ts";

const OK = "HTTP/1.1 200 OK\r\n";

/** What a check of such a backend sees: the detail, or what was wrong. */
async function outcome(handle: Handler, spec: HttpCheckSpec = {}): Promise<string> {
  using backend = startChecked(handle);
  try {
    return (await new HttpCheck({ dial, ...spec }).run(backend.at, NEVER)).detail;
  } catch (error) {
    if (!(error instanceof CheckFailedError)) throw error;
    return error.message;
  }
}

/** The same for an answer that comes in pieces of so many characters. */
async function outcomeInPieces(
  { text, size }: { text: string; size: number },
  spec: HttpCheckSpec = {},
): Promise<string> {
  const { dial, near, far } = memoryDial({ capacity: size });
  const running = new HttpCheck({ dial, ...spec }).run(ANYWHERE, NEVER);
  let request = "";
  while (!request.endsWith("\r\n\r\n")) request += await far.receive();
  const sending = sendInPieces(far, { text, size });
  const { detail } = await running;
  await sending;
  assertEquals(near.closed, true);
  return detail;
}

Deno.test("the request is one for HTTP/1.1, with the address as host unless another one is given", async () => {
  const requests: string[] = [];
  const note: Handler = async (connection) => {
    requests.push(await readUntil(connection, "\r\n\r\n"));
    await connection.write(new TextEncoder().encode(`${OK}\r\n`));
  };
  await using folder = new TemporaryFolder();
  using backend = startChecked(note);
  using local = startChecked(note, { path: folder.file("app.sock") });
  await new HttpCheck({ dial }).run(backend.at, NEVER);
  const spec = { method: "HEAD", path: "/healthz?deep=1", host: "app.example.org:8080" };
  await new HttpCheck({ dial, ...spec }).run(backend.at, NEVER);
  await new HttpCheck({ dial, method: "POST" }).run(local.at, NEVER);
  const rest = "User-Agent: culvert (health check)\r\nAccept: */*\r\nAccept-Encoding: identity\r\n";
  const close = "Connection: close\r\n\r\n";
  assertEquals(requests, [
    `GET / HTTP/1.1\r\nHost: ${backend.address}\r\n${rest}${close}`,
    `HEAD /healthz?deep=1 HTTP/1.1\r\nHost: app.example.org:8080\r\n${rest}${close}`,
    `POST / HTTP/1.1\r\nHost: localhost\r\n${rest}Content-Length: 0\r\n${close}`,
  ]);
});

Deno.test("an IPv6 address is sent as host in brackets and without its zone", async () => {
  const { dial, far } = memoryDial();
  const running = new HttpCheck({ dial }).run(parseAddress("[fe80::1%eth0]:80"), NEVER);
  const request = await far.receive();
  await far.send(`${OK}\r\n`);
  await running;
  assertEquals(/^Host: (.*)\r$/m.exec(request!)?.[1], "[fe80::1]:80");
});

Deno.test("the status decides, by default from 200 to 399", async () => {
  const statuses: [status: string, spec: HttpCheckSpec, detail: string][] = [
    ["200 OK", {}, "answered 200"],
    ["204 No Content", {}, "answered 204"],
    ["399 ", {}, "answered 399"],
    ["503 Service Unavailable", {}, "answered 503, expected 200-399"],
    ["599 Odd", {}, "answered 599, expected 200-399"],
    ["401 Unauthorized", { expect: "200, 401" }, "answered 401"],
    ["301 Moved", { expect: "200-204" }, "answered 301, expected 200-204"],
  ];
  for (const [status, spec, detail] of statuses) {
    assertEquals(await outcome(answering(`HTTP/1.1 ${status}\r\n\r\n`), spec), detail);
  }
});

Deno.test("interim answers are passed over, in whatever pieces they come", async () => {
  const answer =
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}A: b\r\n\r\nok`;
  for (const size of [1, 3, 40, 1000]) {
    assertEquals(await outcomeInPieces({ text: answer, size }, { body: "ok" }), "answered 200");
  }
  const many = answering("HTTP/1.1 100 Continue\r\n\r\n".repeat(9));
  assertEquals(await outcome(many), "sent more than 8 interim answers");
});

Deno.test("without a text to look for the body is not waited for", async () => {
  const holding: Handler = async (connection) => {
    await readUntil(connection, "\r\n\r\n");
    await connection.write(new TextEncoder().encode(`${OK}Content-Length: 5\r\n\r\n`));
    await silent(connection);
  };
  assertEquals(await outcome(holding), "answered 200");
});

Deno.test("a text is found in bodies of each kind, wherever the pieces are cut", async () => {
  const bodies = [
    `${OK}Content-Length: 13\r\n\r\nall is ready!and more`,
    `${OK}Transfer-Encoding: chunked\r\n\r\n8\r\nall is r\r\n1;x=y\r\ne\r\n4\r\nady!\r\n0\r\n\r\n`,
    `${OK}\r\nall is ready!`,
    `HTTP/1.0 200 OK\r\n\r\nall is ready!`,
  ];
  for (const body of bodies) {
    for (const size of [1, 7, 1000]) {
      assertEquals(await outcomeInPieces({ text: body, size }, { body: "is ready!" }), "answered 200");
    }
  }
  assertEquals(await outcome(answering(`${OK}\r\nbereit für alles`), { body: "für" }), "answered 200");
});

Deno.test("a text that was found ends the check, however long the body is", async () => {
  const endless: Handler = async (connection) => {
    await readUntil(connection, "\r\n\r\n");
    await connection.write(new TextEncoder().encode(`${OK}\r\nready`));
    await silent(connection);
  };
  assertEquals(await outcome(endless, { body: "ready" }), "answered 200");
});

Deno.test("a missing text is reported: another text, an empty, too large or truncated body", async () => {
  const wanted = { body: "ready" };
  const cases: [answer: string, seen: string][] = [
    [`${OK}Content-Length: 4\r\n\r\nbusyready`, '"ready" is not in the body, which is "busy"'],
    [`${OK}\r\nbusy`, '"ready" is not in the body, which is "busy"'],
    [`${OK}\r\n`, '"ready" is not in the body, which is empty'],
    [`HTTP/1.1 204 No Content\r\n\r\nready`, '"ready" is not in the body, which is empty'],
    [`${OK}Content-Length: 9\r\n\r\nbusy`, '"ready" is not in the body, which broke off: "busy"'],
    [
      `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n`,
      '"ready" is not in the body, which broke off: "busy"',
    ],
    [
      `${OK}Transfer-Encoding: chunked\r\n\r\n4\r\nbusy\r\n0\r\n\r\nready`,
      '"ready" is not in the body, which is "busy"',
    ],
  ];
  for (const [answer, seen] of cases) assertEquals(await outcome(answering(answer), wanted), seen);
});

Deno.test("64 KiB of a body are searched, to the last byte and no further", async () => {
  const body = (before: number) => `${"x".repeat(before)}ready`;
  for (const head of [`${OK}\r\n`, `${OK}Content-Length: 70000\r\n\r\n`]) {
    assertEquals(await outcome(answering(head + body(65_531)), { body: "ready" }), "answered 200");
    const late = '"ready" is not in the body, of which 65536 bytes were searched';
    assertEquals(await outcome(answering(head + body(65_532)), { body: "ready" }), late);
  }
});

Deno.test("whatever is no strict HTTP/1.1 is refused at once, and quoted", async () => {
  const unreadable = "Cannot read the response: ";
  const cases: [answer: string, seen: string, quoted: string][] = [
    [
      "SSH-2.0-OpenSSH_9.2p1\r\n",
      "it does not begin with a version and a status",
      "SSH-2.0-OpenSSH_9.2p1\\r\\n",
    ],
    ["HTTP/1.1 200 OK\n\n", "a line ends in a bare line feed", "HTTP/1.1 200 OK\\n\\n"],
    [`${OK}A: b\r\n c\r\n`, "a line that begins with white space", "HTTP/1.1 200 OK\\r\\nA: b\\r\\n c\\r\\n"],
    [`${OK}A: \x1b[2J`, "the value of a field has the octet 0x1b", "HTTP/1.1 200 OK\\r\\nA: \\u001b[2J"],
    ["HTTP/1.1 2000 OK", "it does not begin with a version and a status", "HTTP/1.1 2000 OK"],
    ["HTTP/1.1 999 Odd\r\n\r\n", "its status is 999, expected 100 to 599", "HTTP/1.1 999 Odd\\r\\n\\r\\n"],
    [
      "HTTP/1.1 101 Odd\r\n\r\n",
      "it changes the protocol, which was not asked for",
      "HTTP/1.1 101 Odd\\r\\n\\r\\n",
    ],
  ];
  for (const [answer, seen, quoted] of cases) {
    assertEquals(await outcome(answering(answer)), `${unreadable}${seen}; it begins with "${quoted}"`);
  }
  const half = 'closed the connection within the head of its answer: "HTTP/1.1 200"';
  assertEquals(await outcome(answering("HTTP/1.1 200")), half);
  const bad = answering(`${OK}Transfer-Encoding: chunked\r\n\r\nready`);
  assertEquals(await outcome(bad, { body: "ready" }), `${unreadable}a chunk without a size`);
  assertEquals(await outcome(answering("")), "closed the connection without an answer");
});

Deno.test("a head of 16 KiB is read, and a byte more is too much", async () => {
  const head = (length: number) => `${OK}A: ${"b".repeat(length - OK.length - 7)}\r\n\r\n`;
  assertEquals(await outcome(answering(head(16_384))), "answered 200");
  assertStringIncludes(await outcome(answering(head(16_385))), "its head has more than 16384 bytes");
});

Deno.test("a connection that breaks is a failed check, and a failed dial has its own error", async () => {
  await using backend = await startResetting();
  const check = new HttpCheck({ dial });
  const seen = "the connection broke: ";
  await assertRejects(() => check.run(parseAddress(backend.address), NEVER), CheckFailedError, seen);
  await assertRejects(() => check.run(parseAddress("127.0.0.1:1"), NEVER), Deno.errors.ConnectionRefused);
});

Deno.test("the signal ends a check that waits for an answer, and closes its connection", async () => {
  using backend = startChecked(silent);
  const stop = new AbortController();
  const running = new HttpCheck({ dial }).run(backend.at, stop.signal);
  await until(() => backend.live.size === 1, { what: "the check to connect" });
  const reason = new Error("too late");
  stop.abort(reason);
  assertStrictEquals(await running.catch((error) => error), reason);
  await until(() => backend.live.size === 0, { what: "the connection to be closed" });
});

Deno.test("the signal ends a check in the midst of a body", async () => {
  const { dial, near, far } = memoryDial();
  const stop = new AbortController();
  const running = new HttpCheck({ dial, body: "ready" }).run(ANYWHERE, stop.signal);
  await far.receive();
  await far.send(`${OK}Content-Length: 1000\r\n\r\nnot yet`);
  const reason = new Error("too late");
  stop.abort(reason);
  assertStrictEquals(await running.catch((error) => error), reason);
  assertEquals(near.closed, true);
});

Deno.test("a connection that is there only when the signal has fired is closed", async () => {
  const { near } = memoryDial();
  const stop = new AbortController();
  const reason = new Error("too late");
  const check = new HttpCheck({
    dial: () => {
      stop.abort(reason);
      return Promise.resolve(near);
    },
  });
  assertStrictEquals(await check.run(ANYWHERE, stop.signal).catch((error) => error), reason);
  assertEquals(near.closed, true);
});

Deno.test("what could never work is refused before the first check", () => {
  const wrong: [spec: HttpCheckSpec, message: string][] = [
    [{ method: "get" }, 'the method "get": expected one in capital letters, such as GET'],
    [{ method: "GET /\r\nX:" }, "expected one in capital letters"],
    [{ method: "CONNECT" }, "expected one that asks for an answer"],
    [{ path: "healthz" }, 'the path "healthz": expected one that begins with /'],
    [{ path: "/a b" }, "without blanks and #"],
    [{ path: "/a#b" }, "without blanks and #"],
    [{ path: "/a\r\nX: y" }, "expected one that begins with /"],
    [{ host: "a b" }, 'the host "a b": expected a name or an address'],
    [{ host: "a\r\nX: y" }, "expected a name or an address"],
    [{ host: "" }, "expected a name or an address"],
    [{ host: "http://a" }, "expected a name or an address"],
    [{ expect: "2xx" }, 'Cannot read the status ranges "2xx"'],
    [{ body: "" }, "there is nothing to look for"],
    [{ body: "x", method: "HEAD" }, "the answer to HEAD has none"],
    [{ body: "x".repeat(65_537) }, "no more than 65536 bytes are searched"],
  ];
  for (const [spec, message] of wrong) {
    assertThrows(() => new HttpCheck({ dial, ...spec }), CulvertError, message);
  }
  for (const host of ["app", "app.example.org:80", "[::1]:80", "10.0.0.1", "_x"]) {
    new HttpCheck({ dial, host });
  }
});

Deno.test("whatever is changed in an answer, the check ends with a report or with an error of its own", async () => {
  const random = seededRandom(22);
  const answer = `HTTP/1.1 103 Early\r\n\r\n${OK}Transfer-Encoding: chunked\r\n\r\n6\r\nready!\r\n0\r\n\r\n`;
  const good = new TextEncoder().encode(answer);
  const outcomes = { fit: 0, unfit: 0 };
  for (let i = 0; i < 2000; i++) {
    const { dial, near, far } = memoryDial();
    await far.send(mutate(good, random));
    await far.closeWrite();
    try {
      await new HttpCheck({ dial, body: "ready" }).run(ANYWHERE, NEVER);
      outcomes.fit++;
    } catch (error) {
      if (!(error instanceof CheckFailedError)) throw error;
      outcomes.unfit++;
    }
    assertEquals(near.closed, true);
  }
  assertEquals(outcomes.fit > 50 && outcomes.unfit > 50, true, JSON.stringify(outcomes));
});
