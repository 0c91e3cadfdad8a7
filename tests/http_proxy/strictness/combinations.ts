import { refused, served, type StrictnessCase } from "./strictness_case.ts";

const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const BAD_HEADS = [
  ["white space before a colon", "X : y", 400],
  ["two lengths", "Content-Length: 1\r\nContent-Length: 1", 400],
  ["a length and chunks", "Content-Length: 1\r\nTransfer-Encoding: chunked", 400],
  ["an unknown coding", "Transfer-Encoding: gzip", 501],
  ["another expectation", "Expect: x", 417],
  ["a large field", `X: ${"a".repeat(33_000)}`, 431],
] as const;

/** One route, for GET and HEAD of a path. */
const ROUTES = {
  routes: [
    { match: { path: "/app", methods: ["GET", "HEAD"] }, upstream: "app" },
    { match: { path: "/sentinel" }, upstream: "app" },
  ],
};

function post(path: string, rest: string): string {
  return `POST ${path} HTTP/1.1\r\nHost: a\r\n${rest}`;
}

/** A request without a backend and with a body that has a fault: the fault is told. */
function unrouted(name: string, rest: string, status: number): StrictnessCase[] {
  return [
    refused(`no route, and ${name}`, post("/no", rest), status, { options: ROUTES }),
    refused(`no method, and ${name}`, post("/app", rest), status, { options: ROUTES }),
    refused(`a fixed response, and ${name}`, post("/", rest), status, {
      options: { routes: [{ match: {}, respond: { status: 200, body: "ok" } }] },
    }),
  ].map((each) => ({ ...each, options: { ...each.options, limits: { bodySize: 10 } } }));
}

/** Faults of two kinds at once, and faults where no backend is asked. */
export const COMBINATIONS: readonly StrictnessCase[] = [
  ...BAD_HEADS.map(([name, line, status]): StrictnessCase => ({
    name: `HEAD with ${name} gets no content`,
    client: [`HEAD / HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`],
    answers: [{ status, has: ["connection: close"] }],
  })),
  {
    name: "HEAD of a bad target gets no content",
    client: ["HEAD /%zz HTTP/1.1\r\nHost: a\r\n\r\n"],
    answers: [400],
  },
  {
    name: "HEAD without a route gets no content",
    client: ["HEAD /no HTTP/1.1\r\nHost: a\r\n\r\n"],
    answers: [404],
    connection: "open",
    options: ROUTES,
  },
  {
    name: "CONNECT is told the methods that are served",
    client: ["CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"],
    answers: [{ status: 405, has: ["allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE"] }],
  },
  ...unrouted("a bad chunk", "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
  ...unrouted("chunks over bodySize", "Transfer-Encoding: chunked\r\n\r\nfffff\r\n", 413),
  ...unrouted("a length over bodySize", "Content-Length: 11\r\n\r\nhello world", 413),
  ...unrouted("another expectation", "Expect: x\r\nContent-Length: 1\r\n\r\nx", 417),
  {
    name: "no route, and a body that is whole",
    client: [post("/no", "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n")],
    answers: [404],
    connection: "open",
    options: ROUTES,
    requests: [],
  },
  {
    name: "no route, and a body that has not come, which is no request",
    client: [
      post("/no", "Content-Length: 40\r\n\r\n"),
      { until: "404" },
      "GET /app HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    answers: [{ status: 404, has: ["connection: close"] }],
    options: ROUTES,
    requests: [],
  },
  {
    name: "no route, and an expectation",
    client: [post("/no", "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")],
    answers: [{ status: 404, has: ["connection: close"] }],
    options: ROUTES,
    requests: [],
  },
  {
    name: "an empty line behind a request, and no other request",
    client: ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", { until: "ok" }, "\r\n", "END"],
    answers: [{ status: 200, body: "ok" }],
    requests: ["GET / HTTP/1.1"],
  },
  {
    name: "an expectation with chunks",
    client: [
      post("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
      { until: "100 Continue\r\n\r\n" },
      "5\r\nhel",
      "lo\r\n0\r\n\r\n",
    ],
    origin: "HTTP/1.1 100 Continue\r\n\r\n",
    answersAt: "head",
    final: OK,
    answers: [100, { status: 200, body: "ok" }],
    requests: [{ line: "POST / HTTP/1.1", has: ["expect: 100-continue"], body: "hello" }],
    connection: "open",
  },
  {
    name: "a final answer in the place of 100, and chunks that come nonetheless",
    client: [
      post("/", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"),
      { until: "no" },
      "5\r\nhello\r\n0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    origin: "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    answersAt: "head",
    answers: [{ status: 403, has: ["connection: close"], body: "no" }],
    requests: "any",
  },
  {
    name: "interim answers, then 101",
    client: [
      "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n",
      { until: "hello" },
      "END",
    ],
    origin: "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n" +
      "Upgrade: webSocket\r\nContent-Length: 5\r\n\r\nhello",
    then: "close",
    answers: [103, { status: 101, has: ["upgrade: webSocket"], lacks: ["content-length"] }],
    requests: "any",
    connection: "any",
  },
  served(
    "an upgrade of a POST with a length of 0",
    post(
      "/",
      "Connection: upgrade\r\nUpgrade: x\r\nContent-Length: 0\r\n\r\n",
    ),
    { line: "POST / HTTP/1.1", has: ["upgrade: x", "content-length: 0"] },
  ),
];
