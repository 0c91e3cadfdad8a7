import { served, type StrictnessCase } from "./strictness_case.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const LINE = "GET / HTTP/1.1";

/** Methods that must arrive as they are. */
const METHODS = [
  "PATCH",
  "PROPFIND",
  "get",
  "Get",
  "M-SEARCH",
  "QUERY",
  "X!#$%&'*+-.^_`|~9",
  "PURGE",
  "TRACE",
  "OPTIONS",
  "DELETE",
];

function body(method: string): StrictnessCase {
  return served(
    `a body of ${method}`,
    `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`,
    { line: `${method} / HTTP/1.1`, body: "hello" },
  );
}

function chunks(
  name: string,
  text: string,
  content: string,
  trailers: readonly string[] = [],
): StrictnessCase {
  return served(name, `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${text}`, {
    line: "POST / HTTP/1.1",
    body: content,
    trailers,
  });
}

export const ACCEPTED: readonly StrictnessCase[] = [
  served("an empty line in front", `\r\n${GET}\r\n`, LINE),
  served("white space around a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t5 \t\r\n\r\nhello", {
    line: "POST / HTTP/1.1",
    body: "hello",
  }),
  served("leading zeros in a length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0005\r\n\r\nhello", {
    line: "POST / HTTP/1.1",
    body: "hello",
  }),
  served(
    "thirty zeros in a length",
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${"0".repeat(30)}5\r\n\r\nhello`,
    {
      line: "POST / HTTP/1.1",
      body: "hello",
    },
  ),
  served("obs-text in a value", `${GET}X: caf\xe9 \xff\x80\r\n\r\n`, {
    line: LINE,
    has: ["x: caf\xe9 \xff\x80"],
  }),
  served("a tab inside a value", `${GET}X: a\tb\r\n\r\n`, { line: LINE, has: ["x: a\tb"] }),
  served("an empty value", `${GET}X:\r\nY: \t \r\n\r\n`, { line: LINE, has: ["x: "] }),
  served("a colon in a value", `${GET}X: a:b: c\r\nY::z\r\n\r\n`, {
    line: LINE,
    has: ["x: a:b: c", "y: :z"],
  }),
  served("a name of all token characters", `${GET}!#$%&'*+-.^_\`|~09Az: y\r\n\r\n`, {
    line: LINE,
    has: ["!#$%&'*+-.^_`|~09az: y"],
  }),
  served("a field that is repeated", `${GET}X: 1\r\nX: 2\r\nx: 3\r\n\r\n`, {
    line: LINE,
    has: ["x: 1", "x: 2", "x: 3"],
  }),
  served("99 other fields", `${GET}${"X: y\r\n".repeat(99)}\r\n`, LINE),
  served("a value of 30,000 bytes", `${GET}X: ${"a".repeat(30_000)}\r\n\r\n`, {
    line: LINE,
    has: [`x: ${"a".repeat(30_000)}`],
  }),
  ...METHODS.map((method) =>
    served(`the method ${method}`, `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`, `${method} / HTTP/1.1`)
  ),
  ...["GET", "DELETE", "OPTIONS", "PUT", "PATCH"].map(body),
  served("a length of zero", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", {
    line: LINE,
    body: "",
  }),
  served("HEAD with a body", "HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", {
    line: "HEAD / HTTP/1.1",
    body: "hello",
  }, { origin: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" }),
  served(
    "GET with chunks",
    "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    {
      line: LINE,
      body: "hello",
    },
  ),
  served(
    "chunked in capitals",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \tCHUNKED \r\n\r\n1\r\na\r\n0\r\n\r\n",
    {
      line: "POST / HTTP/1.1",
      has: ["transfer-encoding: chunked"],
      body: "a",
    },
  ),
  chunks("no data", "0\r\n\r\n", ""),
  chunks("capital digits", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
  chunks("small digits", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789"),
  chunks("zeros before a size", "0000000000005\r\nhello\r\n0\r\n\r\n", "hello"),
  chunks("a last chunk of many zeros", "5\r\nhello\r\n0000000000000\r\n\r\n", "hello"),
  chunks("an extension", "5;a\r\nhello\r\n0;b\r\n\r\n", "hello"),
  chunks("an extension with a value", "5;a=b;c=d\r\nhello\r\n0\r\n\r\n", "hello"),
  chunks("a quoted extension", '5;a="b;c\\"d\t"\r\nhello\r\n0\r\n\r\n', "hello"),
  chunks("a quoted extension with a size inside", '5;a="0;b=c"\r\nhello\r\n0\r\n\r\n', "hello"),
  chunks("white space around an extension", "5;\ta = b ; c\r\nhello\r\n0\r\n\r\n", "hello"),
  chunks("an extension of 1,000 bytes", `5;${"a".repeat(1000)}\r\nhello\r\n0\r\n\r\n`, "hello"),
  chunks("data that looks like chunks", "b\r\n0\r\n\r\nGET / \r\n0\r\n\r\n", "0\r\n\r\nGET / "),
  chunks("a trailer", "5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", "hello", ["x-sum: 1"]),
  chunks("two trailers", "0\r\nX-A: 1\r\nX-B: \xe9\r\n\r\n", "", ["x-a: 1", "x-b: \xe9"]),
  chunks(
    "trailers that must not be",
    "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: b\r\nAuthorization: x\r\nX-Forwarded-For: 1.2.3.4\r\n" +
      "Cookie: a\r\nX_Real_IP: 1\r\nConnection: close\r\nX-A: 1\r\n\r\n",
    "",
    ["x-a: 1"],
  ),
  {
    name: "three requests in one piece",
    client: [
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nxyGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    answers: [200, 200, 200],
    requests: ["GET /1 HTTP/1.1", { line: "POST /2 HTTP/1.1", body: "xy" }, "GET /3 HTTP/1.1"],
    connection: "open",
  },
  {
    name: "an empty line between requests",
    client: ["GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"],
    answers: [200, 200],
    requests: ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1"],
    connection: "open",
  },
  {
    name: "an empty line behind a body",
    client: [
      "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    answers: [200, 200],
    requests: [{ line: "POST /1 HTTP/1.1", body: "x" }, "GET /2 HTTP/1.1"],
    connection: "open",
  },
  {
    name: "nothing behind Connection: close is served",
    client: ["GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n"],
    answers: [{ status: 200, has: ["connection: close"] }],
    requests: ["GET /1 HTTP/1.1"],
  },
  {
    name: "close in a list in capitals",
    client: ["GET / HTTP/1.1\r\nHost: a\r\nConnection: ,x,, CLOSE\t,\r\n\r\n"],
    answers: [{ status: 200, has: ["connection: close"] }],
    requests: [LINE],
  },
  {
    name: "close in the second Connection",
    client: ["GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n"],
    answers: [{ status: 200, has: ["connection: close"] }],
    requests: [LINE],
  },
  {
    name: "HTTP/1.0 closes",
    client: ["GET / HTTP/1.0\r\nHost: a\r\n\r\n"],
    answers: [{ status: 200, has: ["connection: close"], body: "ok" }],
    requests: [LINE],
  },
  {
    name: "HTTP/1.0 with keep-alive",
    client: ["GET / HTTP/1.0\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n"],
    answers: [{ status: 200, has: ["connection: keep-alive"], body: "ok" }],
    requests: [LINE],
    connection: "open",
  },
  {
    name: "a client that has ended its side gets its answer",
    client: ["POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "END"],
    answers: [{ status: 200, body: "ok" }],
    requests: [{ line: "POST / HTTP/1.1", body: "hello" }],
  },
  {
    name: "a client that has ended its side gets all its answers",
    client: ["GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", "END"],
    answers: [200, 200],
    requests: ["GET /1 HTTP/1.1", "GET /2 HTTP/1.1"],
  },
];
