import { octet, type StrictnessCase, type WantedAnswer } from "./strictness_case.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const HEAD = "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\n";
const CHUNKED = `${OK}Transfer-Encoding: chunked\r\n\r\n`;
const EVIL = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";

/** A response that becomes 502. */
function bad(name: string, origin: string): StrictnessCase {
  return { name, client: [GET], origin, answers: [502], requests: "any" };
}

/** A response that is passed on; the client's connection can be used. */
function passed(
  name: string,
  origin: string,
  wanted: WantedAnswer,
  more: Partial<StrictnessCase> = {},
): StrictnessCase {
  return { name, client: [GET], origin, answers: [wanted], requests: "any", connection: "open", ...more };
}

/** A response that ends before its end. */
function cut(name: string, origin: string, body?: string): StrictnessCase {
  const wanted = { status: 200, cut: true, ...(body === undefined ? {} : { body }) };
  return {
    name,
    client: [GET],
    origin,
    then: "close",
    answers: [wanted],
    requests: "any",
    connection: "any",
  };
}

const BAD_LINES: readonly string[] = [
  "HTTP/1.1 200 OK\n",
  "HTTP/1.1  200 OK\r\n",
  "HTTP/1.1\t200 OK\r\n",
  "HTTP/1.1 200\r\n",
  "HTTP/1.1 20 OK\r\n",
  "HTTP/1.1 2000 OK\r\n",
  "HTTP/1.1 abc OK\r\n",
  "HTTP/1.1 +200 OK\r\n",
  "HTTP/1.1 -20 OK\r\n",
  "HTTP/1.1 2.0 OK\r\n",
  "HTTP/1.1 000 OK\r\n",
  "HTTP/1.1 099 OK\r\n",
  "HTTP/1.1 600 OK\r\n",
  "HTTP/1.1 999 OK\r\n",
  "HTTP/1.1 200\tOK\r\n",
  "HTTP/1.1 200 O\0K\r\n",
  "HTTP/1.1 200 O\rK\r\n",
  "HTTP/1.1 200 O\x7fK\r\n",
  "HTTP/1.1 200 O\x1bK\r\n",
  " HTTP/1.1 200 OK\r\n",
  "\r\nHTTP/1.1 200 OK\r\n",
  "http/1.1 200 OK\r\n",
  "HTTP/1 200 OK\r\n",
  "HTTP/1.2 200 OK\r\n",
  "HTTP/2.0 200 OK\r\n",
  "HTTP/2 200 OK\r\n",
  "HTTP/0.9 200 OK\r\n",
  "HTTP/01.1 200 OK\r\n",
  "HTTP/1.1: 200 OK\r\n",
  "ICY 200 OK\r\n",
  "HTTPS/1.1 200 OK\r\n",
  "200 OK\r\n",
  "OK\r\n",
  "<html>hello</html>\r\n",
  "SSH-2.0-x\r\n",
  "\0\0\0\0\0\0\0\0\r\n",
  "\xef\xbb\xbfHTTP/1.1 200 OK\r\n",
];

const BAD_FIELDS: readonly string[] = [
  "X: y\nZ: z",
  "X: y\rZ: z",
  "X: y\r\r\nZ: z",
  "X: y\r\n z",
  "X: y\r\n\tz",
  " X: y",
  "X : y",
  "X\t: y",
  ": y",
  "X",
  "X(Y): z",
  "X Y: z",
  "X\xe4: z",
  "X\0: z",
  "Content-Length : 2",
  "Transfer-Encoding : chunked",
  "HTTP/1.1 200 OK",
  "Content-Length: 2\r\nContent-Length: 3",
  "Content-Length: 2\r\nContent-Length: 2",
  "Content-Length: 2, 2",
  "Content-Length: 2, 3",
  "Content-Length: +2",
  "Content-Length: -2",
  "Content-Length: 2a",
  "Content-Length: 0x2",
  "Content-Length:",
  "Content-Length: 2 2",
  "Content-Length: 2.0",
  "Content-Length: 18446744073709551618",
  "Content-Length: 9007199254740993",
  "Content-Length: 2\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: chunked\r\nContent-Length: 2",
  "Transfer-Encoding: gzip\r\nContent-Length: 2",
  "Transfer-Encoding: identity\r\nContent-Length: 2",
  "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
  "Transfer-Encoding: chunked, chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, gzip",
  "Transfer-Encoding: gzip",
  "Transfer-Encoding: identity",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding:",
  "Transfer-Encoding: chunked;a",
  'Transfer-Encoding: "chunked"',
  "Transfer-Encoding:\vchunked",
  `X: ${"a".repeat(33_000)}`,
  "X: y\r\n".repeat(101) + "Z: z",
];

/** Chunks that are wrong with the first bytes, so that it can still be told; or later. */
const BAD_CHUNKS: readonly (readonly [name: string, chunks: string])[] = [
  ["no size", "\r\n"],
  ["no number", "zz\r\n"],
  ["0x", "0x2\r\nok\r\n0\r\n\r\n"],
  ["a sign", "+2\r\nok\r\n0\r\n\r\n"],
  ["a space before", " 2\r\nok\r\n0\r\n\r\n"],
  ["a space behind", "2 \r\nok\r\n0\r\n\r\n"],
  ["LF", "2\nok\r\n0\r\n\r\n"],
  ["CR", "2\rok\r\n0\r\n\r\n"],
  ["LF behind data", "2\r\nok\n0\r\n\r\n"],
  ["too much data", "2\r\nokk\r\n0\r\n\r\n"],
  ["too little data", "3\r\nok\r\n0\r\n\r\n"],
  ["fourteen digits", "00000000000002\r\nok\r\n0\r\n\r\n"],
  ["a bad extension", "2;\r\nok\r\n0\r\n\r\n"],
  ["LF behind the last one", "2\r\nok\r\n0\n\r\n"],
  ["LF at the end", "2\r\nok\r\n0\r\n\n"],
  ["a bad trailer", "2\r\nok\r\n0\r\nX : y\r\n\r\n"],
  ["a folded trailer", "2\r\nok\r\n0\r\nX: y\r\n z\r\n\r\n"],
];

const BAD: readonly StrictnessCase[] = [
  ...BAD_LINES.map((line) => bad(`the line ${JSON.stringify(line)}`, `${line}Content-Length: 2\r\n\r\nok`)),
  ...BAD_FIELDS.map((lines) =>
    bad(`the fields ${JSON.stringify(lines.slice(0, 60))}`, `${OK}${lines}\r\n\r\nok`)
  ),
  ...[0, 1, 8, 11, 12, 27, 31, 127].map((code) =>
    bad(`${octet(code)} in a value`, `${OK}Content-Length: 2\r\nX: a${String.fromCharCode(code)}b\r\n\r\nok`)
  ),
  ...BAD_CHUNKS.map(([name, chunks]) => bad(`chunks: ${name}`, `${CHUNKED}${chunks}`)),
  bad("chunked in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
  bad(
    "101 that was not asked for",
    "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
  ),
  bad("101 without Upgrade", "HTTP/1.1 101 Switching Protocols\r\n\r\n"),
  {
    name: "33 interim answers",
    client: [GET],
    origin: `${"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(33)}${OK}Content-Length: 2\r\n\r\nok`,
    answers: [...Array(32).fill(103), 502],
    requests: "any",
  },
  {
    name: "nothing",
    client: [GET.replace("GET", "POST")],
    origin: "",
    then: "close",
    answers: [502],
    requests: "any",
  },
  {
    name: "half a line",
    client: [GET],
    origin: "HTTP/1.1 2",
    then: "close",
    answers: [502],
    requests: "any",
  },
  {
    name: "half a head",
    client: [GET],
    origin: `${OK}X: y\r\n`,
    then: "close",
    answers: [502],
    requests: "any",
  },
  {
    name: "an interim answer alone",
    client: [GET],
    origin: "HTTP/1.1 103 Early Hints\r\n\r\n",
    then: "close",
    answers: [103, 502],
    requests: "any",
  },
];

const CUT: readonly StrictnessCase[] = [
  cut("a length that is not reached", `${OK}Content-Length: 5\r\n\r\nhel`, "hel"),
  cut("a length and nothing", `${OK}Content-Length: 5\r\n\r\n`, ""),
  cut("chunks without a last one", `${CHUNKED}5\r\nhello\r\n`, "hello"),
  cut("half a chunk", `${CHUNKED}5\r\nhel`, "hel"),
  cut("half a last chunk", `${CHUNKED}5\r\nhello\r\n0\r\n`, "hello"),
  cut("half a size", `${CHUNKED}5\r\nhello\r\n0`, "hello"),
  cut("a long extension", `${CHUNKED}2\r\nok\r\n2;${"a".repeat(70_000)}\r\nok\r\n0\r\n\r\n`),
  cut("long trailers", `${CHUNKED}2\r\nok\r\n0\r\nX: ${"a".repeat(70_000)}\r\n\r\n`),
  cut("half trailers", `${CHUNKED}5\r\nhello\r\n0\r\nX: y\r\n`, "hello"),
  cut("no chunk at all", CHUNKED, ""),
  {
    name: "a length that is not reached, for HTTP/1.0",
    client: ["GET / HTTP/1.0\r\nHost: a\r\n\r\n"],
    origin: `${OK}Content-Length: 5\r\n\r\nhel`,
    then: "close",
    answers: [{ status: 200, cut: true }],
    requests: "any",
    connection: "any",
  },
];

const GOOD: readonly StrictnessCase[] = [
  passed("no reason", "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok", { status: 200, body: "ok" }),
  passed("a reason in latin1", "HTTP/1.1 200 Voil\xe0\r\nContent-Length: 2\r\n\r\nok", {
    status: 200,
    body: "ok",
  }),
  passed("an unknown status", "HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nok", { status: 299, body: "ok" }),
  passed("599", "HTTP/1.1 599 Odd\r\nContent-Length: 2\r\n\r\nok", { status: 599, body: "ok" }),
  passed("until the end", `${OK}\r\nhello`, {
    status: 200,
    has: ["transfer-encoding: chunked"],
    body: "hello",
  }, { then: "close" }),
  passed("nothing until the end", `${OK}\r\n`, { status: 200, body: "" }, { then: "close" }),
  passed("HTTP/1.0 until the end", "HTTP/1.0 200 OK\r\n\r\nhello", { status: 200, body: "hello" }, {
    then: "close",
  }),
  passed("HTTP/1.0 with a length", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", {
    status: 200,
    body: "ok",
  }),
  passed("chunks", `${CHUNKED}5\r\nhello\r\n0\r\n\r\n`, { status: 200, body: "hello" }),
  passed("chunks in capitals", `${OK}Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`, {
    status: 200,
    body: "hello",
  }),
  passed("an extension", `${CHUNKED}5;a="b"\r\nhello\r\n0;c\r\n\r\n`, { status: 200, body: "hello" }),
  passed("a trailer", `${CHUNKED}5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\nSet-Cookie: a\r\n\r\n`, {
    status: 200,
    body: "hello",
  }),
  passed("a length with zeros", `${OK}Content-Length: 0002\r\n\r\nok`, { status: 200, body: "ok" }),
  passed("a length of zero", `${OK}Content-Length: 0\r\n\r\n`, { status: 200, body: "" }),
  passed("204 without a length", "HTTP/1.1 204 No Content\r\n\r\n", {
    status: 204,
    lacks: ["content-length", "transfer-encoding"],
  }),
  passed("204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", {
    status: 204,
    lacks: ["content-length"],
  }),
  passed(
    "204 with chunks",
    "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
    {
      status: 204,
      lacks: ["transfer-encoding"],
    },
  ),
  passed("304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", { status: 304 }),
  passed("304 with a body", "HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\nevil", { status: 304 }),
  passed("205 with no length", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n", {
    status: 205,
    body: "",
  }),
  passed("bytes behind the answer", `${OK}Content-Length: 2\r\n\r\nok${EVIL}`, { status: 200, body: "ok" }),
  passed("bytes behind the last chunk", `${CHUNKED}2\r\nok\r\n0\r\n\r\n${EVIL}`, { status: 200, body: "ok" }),
  passed("bytes behind 204", `HTTP/1.1 204 No Content\r\n\r\n${EVIL}`, { status: 204 }),
  passed("bytes behind 304", `HTTP/1.1 304 Not Modified\r\n\r\n${EVIL}`, { status: 304 }),
  ...[["a length", `${OK}Content-Length: 4\r\n\r\n`], ["a body", `${OK}Content-Length: 4\r\n\r\nevil`], [
    "chunks",
    `${CHUNKED}4\r\nevil\r\n0\r\n\r\n`,
  ], ["no length", `${OK}\r\n`]]
    .map(([name, origin]): StrictnessCase => ({
      name: `HEAD, answered with ${name}`,
      client: [HEAD],
      origin: origin!,
      answers: [200],
      requests: "any",
      connection: "open",
    })),
  {
    name: "an interim answer",
    client: [GET],
    origin: `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`,
    answers: [{ status: 103, has: ["link: </a>"] }, { status: 200, body: "ok" }],
    requests: "any",
    connection: "open",
  },
  {
    name: "an interim answer with a length",
    client: [GET],
    origin:
      `HTTP/1.1 102 Processing\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`,
    answers: [502],
    requests: "any",
  },
  {
    name: "32 interim answers",
    client: [GET],
    origin: `${"HTTP/1.1 100 Continue\r\n\r\n".repeat(32)}${OK}Content-Length: 2\r\n\r\nok`,
    answers: [...Array(32).fill(100), { status: 200, body: "ok" }],
    requests: "any",
    connection: "open",
  },
  {
    name: "no interim answer for HTTP/1.0",
    client: ["GET / HTTP/1.0\r\nHost: a\r\n\r\n"],
    origin: `HTTP/1.1 103 Early Hints\r\n\r\n${OK}Content-Length: 2\r\n\r\nok`,
    answers: [{ status: 200, body: "ok" }],
    requests: "any",
  },
  ...["HEAD", "GET"].map((method): StrictnessCase => ({
    name: `no Transfer-Encoding for HTTP/1.0: ${method}`,
    client: [`${method} / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`],
    origin: `HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n`,
    answers: [{ status: 304, lacks: ["transfer-encoding"] }],
    requests: "any",
    connection: "open",
  })),
  {
    name: "no chunks for HTTP/1.0",
    client: ["GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n"],
    origin: `${CHUNKED}2;a\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n`,
    answers: [{ status: 200, lacks: ["transfer-encoding"], has: ["connection: close"], body: "hello" }],
    requests: "any",
  },
  {
    name: "an answer before the body is read, and no next request",
    client: ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello"],
    origin: `${OK}Content-Length: 2\r\n\r\nok`,
    answersAt: "head",
    answers: [{ status: 200, has: ["connection: close"], body: "ok" }],
    requests: [],
  },
  {
    name: "an early answer and the rest of the body, which is no request",
    client: [
      "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 37\r\n\r\n",
      { until: "ok" },
      "GET /evil HTTP/1.1\r\nHost: a\r\n\r\nxxxxx",
    ],
    origin: `${OK}Content-Length: 2\r\n\r\nok`,
    answersAt: "head",
    answers: [{ status: 200, has: ["connection: close"], body: "ok" }],
    requests: "any",
  },
];

export const RESPONSES: readonly StrictnessCase[] = [...BAD, ...CUT, ...GOOD];
