import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { RawOrigin } from "../http_proxy/proxy_fixture.ts";
import { readMessage } from "../http_proxy/strictness/messages.ts";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { HEAD, startCulvert } from "../support/program.ts";
import { TlsFiles } from "../support/tls_files.ts";
import { pki } from "../tls/tls_fixture.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** What a client sends, the statuses that it gets, and whether it can see that the last answer is cut short. */
const ROWS:
  readonly (readonly [name: string, request: string, statuses: readonly number[], isCut?: boolean])[] = [
    ["requests one after the other", `${GET}\r\n${GET}\r\n${LAST}`, [200, 200, 200]],
    ["a body in chunks", `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n${LAST}`, [
      200,
      200,
    ]],
    ["HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", [200]],
    ["a bare line feed", "GET / HTTP/1.1\nHost: a\r\n\r\n", [400]],
    ["white space before a colon", `${GET}X : y\r\n\r\n`, [400]],
    ["no Host", "GET / HTTP/1.1\r\n\r\n", [400]],
    [
      "a length and chunks",
      `${POST}Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${LAST}`,
      [400],
    ],
    ["a bad request behind a good one", `${GET}\r\n${GET}Content-Length: 1, 1\r\n\r\nx${LAST}`, [200, 400]],
    ["a large head", `${GET}X: ${"a".repeat(40_000)}\r\n\r\n`, [431]],
    ["another version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", [505]],
    ["no TLS inside TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", [400]],
    ["a bad answer", "GET /bad HTTP/1.1\r\nHost: a\r\n\r\n", [502]],
    ["an answer that is cut short", "GET /cut HTTP/1.1\r\nHost: a\r\n\r\n", [200], true],
    ["chunks that are cut short, for HTTP/1.0", "GET /chunks HTTP/1.0\r\n\r\n", [200], true],
  ];

/** By path: what is sent, and whether the connection ends then. */
const ANSWERS: Readonly<Record<string, readonly [answer: string, closes: boolean]>> = {
  "/bad": ["HTTP/1.1 200 OK\r\nX : y\r\n\r\n", false],
  "/cut": ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", true],
  "/chunks": ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", true],
};

const serve: RawOrigin["serve"] = async (connection) => {
  for (let at = 0;;) {
    let end = -1;
    await connection.until(() => {
      const message = readMessage(connection.received, { at, body: "none" });
      if (message?.complete === true) end = message.end;
      return end !== -1;
    });
    if (end === -1) return;
    const [, path = ""] = connection.received.slice(at, end).split(" ");
    const [answer, closes] = ANSWERS[path] ?? ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n", false];
    at = end;
    await connection.send(answer);
    if (closes) return connection.close();
  }
};

testWith(
  ["openssl"],
  "over TLS 1.2 and 1.3 requests are as strict, and what is cut short looks so",
  async (t) => {
    const { ca, server } = await pki();
    await using files = new TlsFiles();
    const { cert, key } = files.putOwn("server", server);
    const authority = files.put("ca.pem", ca.certPem);
    await using origin = new RawOrigin(serve);
    await using culvert = await startCulvert(`${HEAD}
upstreams: {app: {backends: ["${origin.address}"]}}
services:
  - {name: web, protocol: http, listen: ["127.0.0.1:0"], upstream: app, tls: {cert: ${cert}, key: ${key}}}
`);
    const connect = [
      "-connect",
      `127.0.0.1:${culvert.port("web")}`,
      "-CAfile",
      authority,
      "-verify_return_error",
    ];
    for (const version of ["-tls1_2", "-tls1_3"]) {
      await t.step(version, async () => {
        for (const [name, input, statuses, isCut = false] of ROWS) {
          const args = ["s_client", ...connect, version, "-quiet", "-ign_eof"];
          const { stdout, stderr } = await run("openssl", args, { input });
          const seen = [...stdout.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map((match) => Number(match[1]));
          assertEquals(seen, statuses, `${name}: ${stdout}`);
          // Only an end of the session that is told is a clean one.
          assertEquals(stderr.includes("unexpected eof while reading"), isCut, `${name}: ${stderr}`);
          if (!isCut) assertMatch(stdout, /^Connection: close\r$/m, name);
        }
      });
    }
    assert(
      !origin.received.includes("/last HTTP/1.1\r\nHost: a\r\nConnection"),
      "Connection has been passed on",
    );
    assertStringIncludes(origin.received, "X-Forwarded-Proto: https\r\n");
    culvert.signal("SIGTERM");
    assertEquals(await culvert.exit, 0);
  },
);
