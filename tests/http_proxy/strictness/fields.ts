import { served, type StrictnessCase, type WantedRequest } from "./strictness_case.ts";

const GET = "GET / HTTP/1.1\r\nHost: a\r\n";
const LINE = "GET / HTTP/1.1";
const TRUSTED = { trusted: ["127.0.0.0/8"] };

/** A GET with these lines, and what the origin has to see of them. */
function get(
  name: string,
  lines: string,
  wanted: Omit<WantedRequest, "line">,
  more: Partial<StrictnessCase> = {},
): StrictnessCase {
  return served(name, `${GET}${lines}\r\n\r\n`, { line: LINE, ...wanted }, more);
}

/** Names that only we may set: what a client sends is removed in each spelling. */
const SPOOFED = [
  "X-Forwarded-For",
  "X-Forwarded-Host",
  "X-Forwarded-Proto",
  "X-Forwarded-Port",
  "X-Real-IP",
  "Forwarded",
  "Client-Cert",
  "Client-Cert-Chain",
  "X-Client-Identity",
  "X-Forwarded-Server",
  "X-Forwarded-Prefix",
  "X-Forwarded-Ssl",
  "X-Forwarded-Scheme",
  "X-Forwarded-By",
  "X-Forwarded-Client-Cert",
  "X-Client-IP",
  "True-Client-IP",
  "Front-End-Https",
  "X-Original-URL",
  "X-Rewrite-URL",
  "X-Original-Host",
];

function spellings(name: string): string[] {
  return [
    name,
    name.toUpperCase(),
    name.replaceAll("-", "_"),
    name.replace("-", "_"),
    name.toLowerCase().replaceAll("-", "_"),
  ];
}

const SPOOFING: readonly StrictnessCase[] = SPOOFED.map((name) => ({
  name: `${name} of a client`,
  client: [`${GET}${spellings(name).map((spelling) => `${spelling}: spoofed`).join("\r\n")}\r\n\r\n`],
  answers: [200],
  requests: [{
    line: LINE,
    lacks: spellings(name).map((each) => each.toLowerCase()).filter((each) => each.includes("_")),
  }],
  connection: "open",
}));

/** None of these may bring the value `spoofed` to the origin, which only an exact look at the lines shows. */
const OVERWRITTEN: readonly StrictnessCase[] = [
  get("X-Forwarded-For is ours", "X-Forwarded-For: 192.0.2.1", { has: ["x-forwarded-for: 127.0.0.1"] }),
  get("X-Forwarded-Proto is ours", "X-Forwarded-Proto: https", { has: ["x-forwarded-proto: http"] }),
  get("X-Forwarded-Host is ours", "X-Forwarded-Host: evil", { has: ["x-forwarded-host: a"] }),
  get("X-Real-IP is ours", "X-Real-IP: 192.0.2.1", { has: ["x-real-ip: 127.0.0.1"] }),
  get("X-Forwarded-For can't be unset", "Connection: X-Forwarded-For, X-Real-IP", {
    has: ["x-forwarded-for: 127.0.0.1", "x-real-ip: 127.0.0.1"],
  }),
  get("X-Forwarded-For of a trusted client is appended to", "X-Forwarded-For: 192.0.2.1", {
    has: ["x-forwarded-for: 192.0.2.1, 127.0.0.1", "x-real-ip: 192.0.2.1"],
  }, { options: TRUSTED }),
  get("two X-Forwarded-For of a trusted client", "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 192.0.2.2", {
    has: ["x-forwarded-for: 192.0.2.1, 192.0.2.2, 127.0.0.1", "x-real-ip: 192.0.2.2"],
  }, { options: TRUSTED }),
  get(
    "the client's address is searched past trusted ones",
    "X-Forwarded-For: 192.0.2.1, 198.51.100.7, 127.0.0.2",
    {
      has: ["x-real-ip: 198.51.100.7"],
    },
    { options: TRUSTED },
  ),
  get("X-Forwarded-Proto of a trusted client is kept", "X-Forwarded-Proto: https", {
    has: ["x-forwarded-proto: https"],
  }, { options: TRUSTED }),
  get("a lookalike of a trusted client is removed", "X_Forwarded_For: 192.0.2.1", {
    has: ["x-forwarded-for: 127.0.0.1"],
    lacks: ["x_forwarded_for"],
  }, { options: TRUSTED }),
  get(
    "a Client-Cert field of a trusted peer is dropped",
    "Client-Cert: :AAAA:\r\nX-Client-Identity: spiffe://evil",
    {
      lacks: ["client_cert"],
    },
    { options: TRUSTED },
  ),
  get("Forwarded is removed where X is told", "Forwarded: for=192.0.2.1", { lacks: ["forwarded"] }),
  get("X is removed where Forwarded is told", "X-Forwarded-For: 192.0.2.1", {
    lacks: ["x-forwarded-for", "x-real-ip"],
    has: ["forwarded: for=127.0.0.1;host=a;proto=http"],
  }, { options: { forwarded: "rfc7239" } }),
  get(
    "all are removed where none is told",
    "X-Forwarded-For: 192.0.2.1\r\nForwarded: for=1\r\nX-Real-IP: 1",
    {
      lacks: ["x-forwarded-for", "forwarded", "x-real-ip", "x-forwarded-proto", "x-forwarded-host"],
    },
    { options: { forwarded: "none" } },
  ),
];

/** RFC 9110 section 7.6.1. */
const HOP_BY_HOP: readonly StrictnessCase[] = [
  get("Connection names a field", "Connection: X-A\r\nX-A: 1\r\nX-B: 2", {
    has: ["x-b: 2"],
    lacks: ["x-a", "connection"],
  }),
  get("Connection names a field in another case", "Connection: x-a\r\nX-A: 1", {
    lacks: ["x-a", "connection"],
  }),
  get("Connection behind the field", "X-A: 1\r\nX-A: 2\r\nConnection: X-A", { lacks: ["x-a", "connection"] }),
  get("a list with empty elements", "Connection: , X-A ,,\tX-B,\r\nX-A: 1\r\nX-B: 2", {
    lacks: ["x-a", "x-b", "connection"],
  }),
  get("two Connection fields", "Connection: X-A\r\nConnection: X-B\r\nX-A: 1\r\nX-B: 2", {
    lacks: ["x-a", "x-b", "connection"],
  }),
  get(
    "Connection names Cookie and Authorization",
    "Connection: Cookie, Authorization\r\nCookie: a\r\nAuthorization: b",
    {
      lacks: ["cookie", "authorization", "connection"],
    },
  ),
  get("Connection names a prefix of a name", "Connection: X\r\nX-A: 1", { has: ["x-a: 1"] }),
  get("Connection names what is not there", "Connection: X-A", { lacks: ["x-a", "connection"] }),
  get("Connection names itself", "Connection: Connection, X-A\r\nX-A: 1", { lacks: ["connection", "x-a"] }),
  get("Keep-Alive", "Keep-Alive: timeout=5", { lacks: ["keep-alive"] }),
  get("Proxy-Connection", "Proxy-Connection: keep-alive", { lacks: ["proxy-connection"] }),
  get("Proxy-Connection: close closes nothing", "Proxy-Connection: close", { lacks: ["proxy-connection"] }),
  get("Proxy", "Proxy: http://evil/", { lacks: ["proxy"] }),
  get("TE: gzip", "TE: gzip\r\nConnection: TE", { lacks: ["te"] }),
  get("TE: trailers", "TE: trailers\r\nConnection: TE", { has: ["te: trailers", "connection: TE"] }),
  get("TE with more than trailers", "TE: gzip;q=0.5, trailers\r\nConnection: TE", { has: ["te: trailers"] }),
  get("HTTP2-Settings", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", { lacks: ["http2-settings"] }),
  get("Proxy_Connection", "Proxy_Connection: keep-alive\r\nKeep_Alive: 1", {
    lacks: ["proxy_connection", "keep_alive"],
  }),
  get("Upgrade without Connection", "Upgrade: websocket", { lacks: ["upgrade", "connection"] }),
  get("an unknown name with an underscore", "X_Own: 1\r\nmy_field: 2", { has: ["x_own: 1", "my_field: 2"] }),
  get("User_Agent", "User_Agent: x\r\nContent_Type: y", { lacks: ["user_agent", "content_type"] }),
  get("Accept_Language", "Accept_Language: x\r\nX_Requested_With: y\r\nRemote_User: z\r\nX_Api_Key: z", {
    lacks: ["accept_language", "x_requested_with", "remote_user", "x_api_key"],
  }),
  get("lookalikes that are allowed", "User_Agent: x\r\nContent_Length: 5\r\nX_Forwarded_For: 1", {
    has: ["user_agent: x"],
    lacks: ["content_length", "x_forwarded_for"],
  }, { options: { underscores: "allow" } }),
];

/** Of responses. */
const OF_RESPONSES: readonly StrictnessCase[] = ([
  ["Connection names a field", "Connection: X-A\r\nX-A: 1\r\nX-B: 2", ["x-b: 2"], ["x-a", "connection"]],
  ["Keep-Alive", "Connection: keep-alive\r\nKeep-Alive: timeout=5", [], ["keep-alive", "connection"]],
  ["Proxy-Connection", "Proxy-Connection: close", [], ["proxy-connection", "connection"]],
  ["close is between the backend and us", "Connection: close", [], ["connection"]],
  ["Connection names Content-Length", "Connection: Content-Length", ["content-length: 2"], ["connection"]],
  ["Connection names Date", "Connection: Date\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT", [
    "date: Thu, 01 Jan 1970 00:00:00 GMT",
  ], []],
  ["Upgrade without 101", "Connection: upgrade\r\nUpgrade: websocket", [], ["upgrade", "connection"]],
  ["obs-text", "X: \xe9", ["x: \xe9"], []],
  ["two cookies", "Set-Cookie: a=1\r\nSet-Cookie: b=2", ["set-cookie: a=1", "set-cookie: b=2"], []],
] as const).map(([name, lines, has, lacks]): StrictnessCase => ({
  name: `of a response: ${name}`,
  client: [`${GET}\r\n`],
  origin: `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${lines}\r\n\r\nok`,
  then: lines.includes("Connection: close") ? "close" : "keep",
  answers: [{ status: 200, has, lacks, body: "ok" }],
  requests: [LINE],
  connection: "open",
}));

export const FIELDS: readonly StrictnessCase[] = [
  ...SPOOFING,
  ...OVERWRITTEN,
  ...HOP_BY_HOP,
  ...OF_RESPONSES,
];
