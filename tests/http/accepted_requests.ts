/** A request that is taken: what is special, its bytes, and some of what is told of it. */
export type AcceptedRequest = readonly [what: string, text: string, told: Readonly<Record<string, unknown>>];

const H = "Host: a\r\n";

function get(fields: string, line = "GET / HTTP/1.1"): string {
  return `${line}\r\n${fields}\r\n`;
}

function target(path: string): string {
  return get(H, `GET ${path} HTTP/1.1`);
}

function post(fields: string): string {
  return get(H + fields, "POST / HTTP/1.1");
}

const LINES: AcceptedRequest[] = [
  ["the shortest", get(H), { method: "GET", target: "/", form: "origin", path: "/", query: "", minor: 1 }],
  ["HTTP/1.0 without Host", get("", "GET / HTTP/1.0"), {
    minor: 0,
    authority: "",
    host: "",
    port: -1,
    keepAlive: false,
  }],
  ["HTTP/1.0 with Host", get("Host: A:80\r\n", "GET / HTTP/1.0"), { authority: "A:80", host: "a", port: 80 }],
  ["an empty line in front", `\r\n${get(H)}`, { method: "GET", length: get(H).length }],
  ...[
    "HEAD",
    "POST",
    "PUT",
    "DELETE",
    "PATCH",
    "OPTIONS",
    "TRACE",
    "get",
    "GETS",
    "PROPFIND",
    "M-SEARCH",
    "X",
    "PRIX",
    "!#$%&'*+-.^_`|~09azAZ",
    "A".repeat(1000),
  ].map((method): AcceptedRequest => [
    `the method ${method.slice(0, 30)}`,
    get(H, `${method} / HTTP/1.1`),
    { method, path: "/" },
  ]),
];

const TARGETS: AcceptedRequest[] = [
  ["a path", target("/a/b.html"), { path: "/a/b.html", query: "" }],
  ["a query", target("/a?b=c&d"), { path: "/a", query: "?b=c&d" }],
  ["an empty query", target("/a?"), { path: "/a", query: "?" }],
  ["a query with question marks and slashes", target("/a?b?c/../d"), { path: "/a", query: "?b?c/../d" }],
  ["a query with brackets", target("/?a[]=1"), { path: "/", query: "?a[]=1" }],
  ["an encoded query, byte for byte", target("/?%41%2f%00%5c%2e%2e"), { query: "?%41%2f%00%5c%2e%2e" }],
  ["a path with brackets", target("/[::1]:80/a[0]"), { path: "/[::1]:80/a[0]" }],
  ["all octets of a path", target("/-._~!$&'()*+,;=:@09azAZ"), { path: "/-._~!$&'()*+,;=:@09azAZ" }],
  ["8,000 bytes", target(`/${"a".repeat(7999)}`), { path: `/${"a".repeat(7999)}` }],
  ["unreserved octets decoded", target("/%41%7a%30%2d%2E%5f%7e"), { path: "/Az0-._~" }],
  ["hexadecimal digits in capitals", target("/%c3%a9%2b%3f"), { path: "/%C3%A9%2B%3F" }],
  ["an encoded percent sign", target("/%252e%252E"), { path: "/%252e%252E" }],
  ["an encoded space", target("/a%20b"), { path: "/a%20b" }],
  ["an encoded semicolon", target("/a%3bb"), { path: "/a%3Bb" }],
  ["a dot segment", target("/a/./b"), { path: "/a/b" }],
  ["two dots", target("/a/../b"), { path: "/b" }],
  ["a dot at the end", target("/a/."), { path: "/a/" }],
  ["two dots at the end", target("/a/b/.."), { path: "/a/" }],
  ["two dots back to the root", target("/a/.."), { path: "/" }],
  ["a dot alone", target("/."), { path: "/" }],
  ["encoded dots", target("/a/%2e%2e/b"), { path: "/b" }],
  ["half encoded dots", target("/a/.%2E/b/%2e"), { path: "/b/" }],
  ["dots with parameters", target("/a/..;x=y/b"), { path: "/b" }],
  ["dots with an empty parameter", target("/a/..;/b/.;x/c"), { path: "/b/c" }],
  ["encoded dots with parameters", target("/a/%2e%2e;x/b"), { path: "/b" }],
  ["three dots", target("/a/.../b"), { path: "/a/.../b" }],
  ["a segment that begins with dots", target("/.well-known/..a/.b"), { path: "/.well-known/..a/.b" }],
  ["dots at the end of a segment", target("/a../b."), { path: "/a../b." }],
  ["double slashes", target("//a//b"), { path: "//a//b", routePath: "/a/b", host: "a" }],
  ["double slashes and dots", target("/a//../b"), { path: "/a/b" }],
  ["double slashes that dots leave", target("/a/..//b"), { path: "//b", routePath: "/b" }],
  ["what looks like a URL in a path", target("/http://b/c"), {
    path: "/http://b/c",
    routePath: "/http:/b/c",
    host: "a",
  }],
  ["*", get(H, "OPTIONS * HTTP/1.1"), { form: "asterisk", target: "*", path: "*", query: "", host: "a" }],
  ["OPTIONS of a path", get(H, "OPTIONS /a HTTP/1.1"), { form: "origin", path: "/a" }],
  ["a URL", get(H, "GET http://B.example:8080/c?d HTTP/1.1"), {
    form: "absolute",
    authority: "B.example:8080",
    host: "b.example",
    port: 8080,
    path: "/c",
    query: "?d",
  }],
  ["a URL of https", target("https://b/c"), { form: "absolute", host: "b", path: "/c" }],
  ["a scheme in capitals", target("HTTP://b/"), { form: "absolute", host: "b", path: "/" }],
  ["a URL without a path", target("http://b"), { authority: "b", path: "/", query: "" }],
  ["a URL with a query alone", target("http://b?c"), { authority: "b", path: "/", query: "?c" }],
  ["a URL with an address", target("http://[::1]:80/"), { authority: "[::1]:80", host: "[::1]", port: 80 }],
  ["a URL with dots", target("http://b/c/../%64"), { path: "/d" }],
  ["a URL with a bracket in its query", target("http://b/?[c]"), { query: "?[c]" }],
  ["OPTIONS of a URL without a path", get(H, "OPTIONS http://b:80 HTTP/1.1"), { path: "*", host: "b" }],
  ["OPTIONS of a URL with a path", get(H, "OPTIONS http://b/ HTTP/1.1"), { path: "/" }],
  ["a URL in HTTP/1.0 without Host", get("", "GET http://b/ HTTP/1.0"), { host: "b", path: "/" }],
];

const HOSTS: AcceptedRequest[] = ([
  ["a name", "shop.example.org", "shop.example.org", -1],
  ["capitals", "Shop.Example.ORG", "shop.example.org", -1],
  ["a port", "a:8080", "a", 8080],
  ["the largest port", "a:65535", "a", 65535],
  ["zeros before a port", "a:00080", "a", 80],
  ["an empty port", "a:", "a", -1],
  ["a dot at the end", "a.example.:80", "a.example", 80],
  ["an underscore", "a_b", "a_b", -1],
  ["a hyphen", "a-b", "a-b", -1],
  ["an IPv4 address", "127.0.0.1:80", "127.0.0.1", 80],
  ["an IPv6 address", "[::1]", "[::1]", -1],
  ["an IPv6 address with a port", "[::1]:80", "[::1]", 80],
  ["a long IPv6 address", "[2001:DB8:0:0:0:0:0:1]", "[2001:db8::1]", -1],
  ["an address of the future", "[v1.a:b]", "[v1.a:b]", -1],
  ["sub-delims", "a!$&'()*+;=b", "a!$&'()*+;=b", -1],
  ["encoded unreserved octets", "%61%2Eb", "a.b", -1],
] as const).map(([what, value, host, port]): AcceptedRequest => [
  `Host with ${what}`,
  get(`Host: ${value}\r\n`),
  { authority: value, host, port },
]);

const FIELDS: AcceptedRequest[] = [
  ["white space around a value", post("Content-Length:\t5 \r\n"), {
    contentLength: 5,
    copy: "Host: a\r\nContent-Length: 5\r\n",
  }],
  ["no white space before a value", get("Host:a\r\nA:b\r\n"), { host: "a", copy: "Host: a\r\nA: b\r\n" }],
  ["an empty value", get(`${H}A:\r\nB: \r\n`), {
    fields: ["host: a", "a: ", "b: "],
    copy: "Host: a\r\nA: \r\nB: \r\n",
  }],
  ["white space within a value", get(`${H}A: b \t c\r\n`), { copy: "Host: a\r\nA: b \t c\r\n" }],
  ["obs-text in a value", get(`${H}A: \x80\xff\r\n`), { fields: ["host: a", "a: \x80\xff"] }],
  ["every octet of a name", get(`${H}!#$%&'*+-.^_\`|~09azAZ: b\r\n`), {
    copy: `Host: a\r\n!#$%&'*+-.^_\`|~09azAZ: b\r\n`,
  }],
  ["a colon in a value", get(`${H}A: b: c\r\n`), { fields: ["host: a", "a: b: c"] }],
  ["a name twice", get(`${H}A: b\r\na: c\r\n`), { copy: "Host: a\r\nA: b\r\na: c\r\n" }],
  ["100 fields", get(H + "A: b\r\n".repeat(99)), { copy: H + "A: b\r\n".repeat(99) }],
  ["a long value", get(`${H}A: ${"b".repeat(30_000)}\r\n`), { host: "a" }],
  [
    "Connection and what it names",
    get(`${H}Connection: X-A, close,, x-B ,keep-alive\r\nX-A: 1\r\nx-b: 2\r\nX-C: 3\r\n`),
    { keepAlive: false, copy: "Host: a\r\nX-C: 3\r\n" },
  ],
  ["Connection twice", get(`${H}Connection: x-a\r\nX-A: 1\r\nconnection: X-B\r\nX-B: 2\r\n`), { copy: H }],
  ["an empty Connection", get(`${H}Connection:\r\n`), { keepAlive: true, copy: H }],
  ["Connection naming a known field", get(`${H}Connection: cookie\r\nCookie: a\r\ncookie: b\r\n`), {
    copy: H,
  }],
  [
    "Connection naming what frames, routes or is ours",
    post(
      "Connection: host, content-length, x-forwarded-for, forwarded, client-cert, x-real-ip, expect\r\n" +
        "Content-Length: 5\r\nX-Forwarded-For: b\r\nForwarded: for=b\r\nClient-Cert: c\r\nX-Real-IP: b\r\n",
    ),
    {
      copy:
        "Host: a\r\nContent-Length: 5\r\nX-Forwarded-For: b\r\nForwarded: for=b\r\nClient-Cert: c\r\nX-Real-IP: b\r\n",
    },
  ],
  [
    "Connection naming Transfer-Encoding",
    post("Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n"),
    { bodyKind: "chunked", copy: "Host: a\r\nTransfer-Encoding: chunked\r\n" },
  ],
  [
    "what is for one connection",
    get(
      `${H}Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy: b\r\nTE: gzip\r\nHTTP2-Settings: AAA\r\nUpgrade: c\r\n`,
    ),
    { copy: H, acceptsTrailers: false, upgrade: "" },
  ],
  ["TE with trailers", get(`${H}TE: gzip;q=0.5, Trailers\r\nConnection: TE\r\n`), {
    acceptsTrailers: true,
    copy: H,
  }],
  ["lookalikes", get(`${H}X_Forwarded_For: b\r\ncontent_length: 5\r\nX-Forwarded_For: b\r\nMy_Own: c\r\n`), {
    bodyKind: "none",
    copy: "Host: a\r\nMy_Own: c\r\n",
  }],
];

const CONNECTIONS: AcceptedRequest[] = [
  ["HTTP/1.1 stays", get(H), { keepAlive: true }],
  ["HTTP/1.1 closes", get(`${H}Connection: Close\r\n`), { keepAlive: false }],
  ["HTTP/1.0 closes", get(H, "GET / HTTP/1.0"), { keepAlive: false }],
  ["HTTP/1.0 stays", get(`${H}Connection: Keep-Alive\r\n`, "GET / HTTP/1.0"), { keepAlive: true }],
  ["HTTP/1.0 with both", get(`${H}Connection: keep-alive, close\r\n`, "GET / HTTP/1.0"), {
    keepAlive: false,
  }],
  ["an upgrade", get(`${H}Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n`), {
    upgrade: "websocket",
    copy: "Host: a\r\nUpgrade: WebSocket\r\n",
  }],
  ["an upgrade to one of two", get(`${H}Connection: upgrade\r\nUpgrade: a/1, b\r\n`), { upgrade: "a/1,b" }],
  ["an upgrade that Connection does not name", get(`${H}Upgrade: websocket\r\n`), { upgrade: "", copy: H }],
  ["an upgrade in HTTP/1.0", get(`${H}Connection: upgrade\r\nUpgrade: websocket\r\n`, "GET / HTTP/1.0"), {
    upgrade: "",
    copy: H,
  }],
  [
    "an upgrade to h2c",
    get(`${H}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAA\r\n`),
    { upgrade: "", copy: H },
  ],
  ["an upgrade to H2C", get(`${H}Connection: Upgrade\r\nUpgrade: websocket, H2C\r\n`), {
    upgrade: "",
    copy: H,
  }],
  ...["h2", "HTTP/2.0", "http/1.1", "h2c/1"].map((protocol): AcceptedRequest => [
    `an upgrade to ${protocol}`,
    get(`${H}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`),
    { upgrade: "", copy: H },
  ]),
  ["an upgrade to nothing", get(`${H}Connection: Upgrade\r\nUpgrade:\r\n`), { upgrade: "", copy: H }],
  ["an upgrade that is no name", get(`${H}Connection: Upgrade\r\nUpgrade: a b\r\n`), {
    upgrade: "",
    copy: H,
  }],
  ["an upgrade with a body", post("Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n"), {
    upgrade: "",
    copy: "Host: a\r\nContent-Length: 5\r\n",
  }],
  ["an expectation", post("Expect: 100-Continue\r\nContent-Length: 5\r\n"), {
    expectsContinue: true,
    copy: "Host: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n",
  }],
  ["an expectation with chunks", post("Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"), {
    expectsContinue: true,
  }],
  ["an expectation without a body", get(`${H}Expect: 100-continue\r\n`), { expectsContinue: false, copy: H }],
  ["an expectation in HTTP/1.0", get("Expect: 100-continue\r\nContent-Length: 5\r\n", "POST / HTTP/1.0"), {
    expectsContinue: false,
    copy: "Content-Length: 5\r\n",
  }],
];

const BODIES: AcceptedRequest[] = [
  ["no body", get(H), { bodyKind: "none", contentLength: 0 }],
  ["a length", post("Content-Length: 5\r\n"), { bodyKind: "length", contentLength: 5 }],
  ["zeros before a length", post("Content-Length: 000000000000000000000005\r\n"), {
    bodyKind: "length",
    contentLength: 5,
  }],
  ["a length of zero", post("Content-Length: 0\r\n"), { bodyKind: "none", contentLength: 0 }],
  ["a length of 2^53", post("Content-Length: 9007199254740992\r\n"), {
    bodyKind: "length",
    contentLength: 2 ** 53,
  }],
  ["chunks", post("Transfer-Encoding: chunked\r\n"), { bodyKind: "chunked" }],
  ["chunks in capitals with white space", post("Transfer-Encoding:\t CHUNKED \t\r\n"), {
    bodyKind: "chunked",
    copy: "Host: a\r\nTransfer-Encoding: CHUNKED\r\n",
  }],
  ...["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "REPORT"].map((method): AcceptedRequest => [
    `a body of ${method}`,
    get(`${H}Content-Length: 5\r\n`, `${method} / HTTP/1.1`),
    { method, bodyKind: "length", contentLength: 5 },
  ]),
  ["a length in HTTP/1.0", get("Content-Length: 5\r\n", "POST / HTTP/1.0"), {
    bodyKind: "length",
    contentLength: 5,
  }],
  ["TRACE without a body", get(`${H}Content-Length: 0\r\n`, "TRACE / HTTP/1.1"), { bodyKind: "none" }],
];

/** Requests that are valid, by the sections of RFC 9112. */
export const ACCEPTED_REQUESTS: readonly AcceptedRequest[] = [
  ...LINES,
  ...TARGETS,
  ...HOSTS,
  ...FIELDS,
  ...CONNECTIONS,
  ...BODIES,
];
