import { assert, assertEquals } from "@std/assert";
import { answering, OK, ProxyFixture, RawOrigin } from "./proxy_fixture.ts";

const HEAD = "POST / HTTP/1.1\r\nHost: a\r\n";

/** What a client sends, and the status that it gets; the origin sees nothing of it. */
const REFUSED: readonly [input: string, status: number][] = [
  ["GET / HTTP/1.1\nHost: a\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\nA: b\x00c\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\nA: b\x7fc\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\nA(b): c\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", 400],
  ["GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET /a%2fb HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET /../a HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400],
  ["GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400],
  ["GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505],
  ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
  ["GET / http/1.1\r\nHost: a\r\n\r\n", 400],
  ["GET /\r\n", 400],
  [`${HEAD}Content-Length: 1, 1\r\n\r\na`, 400],
  [`${HEAD}Content-Length: 1\r\nContent-Length: 1\r\n\r\na`, 400],
  [`${HEAD}Content-Length: +1\r\n\r\na`, 400],
  [`${HEAD}Content-Length: 99999999999999999999\r\n\r\na`, 400],
  [`${HEAD}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  [`${HEAD}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`, 400],
  [`${HEAD}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n`, 400],
  [`${HEAD}Transfer-Encoding: gzip\r\n\r\n`, 501],
  ["POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n1 \r\na\r\n0\r\n\r\n`, 400],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n`, 400],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\naa\r\n0\r\n\r\n`, 400],
  [`${HEAD}Transfer-Encoding: chunked\r\n\r\n1;a=\x01\r\na\r\n0\r\n\r\n`, 400],
  [`GET /${"a".repeat(33_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414],
  [`GET / HTTP/1.1\r\nHost: a\r\nA: ${"a".repeat(33_000)}\r\n\r\n`, 431],
  [`GET / HTTP/1.1\r\nHost: a\r\n${"A: b\r\n".repeat(101)}\r\n`, 431],
  [`${HEAD}Content-Length: 1001\r\n\r\n`, 413],
  ["CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405],
  ["GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na", 400],
  [`${HEAD}Expect: something\r\nContent-Length: 1\r\n\r\na`, 417],
  ["PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n", 400],
  ["\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
];

Deno.test("a request outside the grammar is refused with its status, and the connection closes", async (t) => {
  await using origin = new RawOrigin(answering(OK));
  await using fixture = new ProxyFixture([origin], { limits: { bodySize: 1000 } });
  for (const [input, status] of REFUSED) {
    await t.step(JSON.stringify(input.slice(0, 70)), async () => {
      using client = await fixture.client(input);
      const answer = await client.rest();
      assertEquals(answer.slice(0, 13), `HTTP/1.1 ${status} `);
      assert(answer.includes("\r\nConnection: close\r\n"));
      assertEquals(answer.split("HTTP/1.1 ").length, 2, "one answer");
    });
  }
  await t.step("nothing of them reached the backend but what came before a bad chunk", () => {
    assertEquals(origin.received.includes("Host: a\r\nHost: a"), false);
    assertEquals(origin.connections.every(({ received }) => !received.includes("0\r\n\r\n")), true);
  });
});

/** What a backend answers to a GET, and what becomes of it. */
const BAD_ANSWERS: readonly string[] = [
  "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
  "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  "HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
  "HTTP/2 200 OK\r\nContent-Length: 0\r\n\r\n",
  "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
  `${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33)}${OK}`,
  `HTTP/1.1 200 OK\r\nA: ${"a".repeat(33_000)}\r\n\r\n`,
  "SSH-2.0-OpenSSH_9.2p1\r\n",
];

Deno.test("an answer outside the grammar becomes 502, and its connection is not used again", async (t) => {
  for (const bad of BAD_ANSWERS) {
    await t.step(JSON.stringify(bad.slice(0, 70)), async () => {
      await using origin = new RawOrigin(answering(bad));
      await using fixture = new ProxyFixture([origin]);
      const answer = await fixture.ask("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
      const final = answer.replaceAll("HTTP/1.1 103 Early Hints\r\n\r\n", "");
      assertEquals(final.slice(0, 13), "HTTP/1.1 502 ");
      assertEquals(fixture.records.map(({ reason, tries }) => [reason, tries]), [["bad-response", 1]]);
      await origin.connections[0]!.done;
      assertEquals(origin.connections.length, 1);
    });
  }
});
