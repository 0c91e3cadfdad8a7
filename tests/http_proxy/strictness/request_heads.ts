import { octet, refused, type StrictnessCase } from "./strictness_case.ts";

const HEAD = "GET / HTTP/1.1\r\nHost: a\r\n";
const CONTROLS = [...Array(32).keys(), 127].filter((code) => code !== 9);

/** Line ends and white space, RFC 9112 sections 2.2, 3 and 5. */
const LINES: readonly StrictnessCase[] = [
  refused("bare LF behind the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
  refused("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n", 400),
  refused("bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", 400),
  refused("bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
  refused("bare LF in front of the request", `\n${HEAD}\r\n`, 400),
  refused("bare CR in front of the request", `\r${HEAD}\r\n`, 400),
  refused("two empty lines in front", `\r\n\r\n${HEAD}\r\n`, 400),
  refused("CR CR LF behind the request line", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 400),
  refused("CR CR LF behind a field", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", 400),
  refused("bare CR behind a field", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n", 400),
  refused("LF CR for CR LF", "GET / HTTP/1.1\n\rHost: a\n\r\n\r", 400),
  refused("CR in the empty line, then a field", `${HEAD}\rX: y\r\n\r\n`, 400),
  refused("white space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
  refused("a tab before the first field", "GET / HTTP/1.1\r\n\tHost: a\r\nHost: b\r\n\r\n", 400),
  refused("a line of white space before the first field", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n", 400),
  refused("a folded field", `${HEAD}X: y\r\n z\r\n\r\n`, 400),
  refused("a field folded with a tab", `${HEAD}X: y\r\n\tz\r\n\r\n`, 400),
  refused("a folded field with an empty first line", `${HEAD}X:\r\n y\r\n\r\n`, 400),
  refused("a fold that is empty", `${HEAD}X: y\r\n \r\n\r\n`, 400),
  refused("a folded Transfer-Encoding", `${HEAD}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`, 400),
  refused("a folded Content-Length", `${HEAD}Content-Length:\r\n\t5\r\n\r\nhello`, 400),
  refused("a folded Host", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", 400),
  refused("a space before the colon", `${HEAD}X : y\r\n\r\n`, 400),
  refused("a tab before the colon", `${HEAD}X\t: y\r\n\r\n`, 400),
  refused("a space before the colon of Host", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
  refused("a space before the colon of Content-Length", `${HEAD}Content-Length : 0\r\n\r\n`, 400),
  refused(
    "a space before the colon of Transfer-Encoding",
    `${HEAD}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`,
    400,
  ),
  refused("an empty name", `${HEAD}: y\r\n\r\n`, 400),
  refused("no colon", `${HEAD}X\r\n\r\n`, 400),
  refused("no colon, in the last line", `${HEAD}X: y\r\nnothing here\r\n\r\n`, 400),
  refused("a colon alone", `${HEAD}:\r\n\r\n`, 400),
  refused("a request line as a field", `${HEAD}GET /evil HTTP/1.1\r\n\r\n`, 400),
];

/** Names that are no tokens, RFC 9110 section 5.6.2. */
const NAMES: readonly StrictnessCase[] = [
  ...[...'"(),/;<=>?@[\\]{}'].map((char) => refused(`${char} in a name`, `${HEAD}X${char}Y: z\r\n\r\n`, 400)),
  ...[0, 1, 8, 11, 12, 31, 127, 128, 0xa0, 0xe4, 255].map((code) =>
    refused(`${octet(code)} in a name`, `${HEAD}X${String.fromCharCode(code)}Y: z\r\n\r\n`, 400)
  ),
  refused("a name in UTF-8", `${HEAD}X-\xc3\xa4: z\r\n\r\n`, 400),
  refused("a quoted name", `${HEAD}"X": z\r\n\r\n`, 400),
];

/** Control characters in values, RFC 9110 section 5.5. */
const VALUES: readonly StrictnessCase[] = [
  ...CONTROLS.map((code) =>
    refused(`${octet(code)} in a value`, `${HEAD}X: y${String.fromCharCode(code)}z\r\n\r\n`, 400)
  ),
  ...[0, 11, 12, 127].flatMap((code) => [
    refused(`${octet(code)} before a value`, `${HEAD}X: ${String.fromCharCode(code)}y\r\n\r\n`, 400),
    refused(`${octet(code)} behind a value`, `${HEAD}X: y${String.fromCharCode(code)}\r\n\r\n`, 400),
    refused(
      `${octet(code)} behind chunked`,
      `${HEAD}Transfer-Encoding: chunked${String.fromCharCode(code)}\r\n\r\n0\r\n\r\n`,
      400,
    ),
  ]),
];

/** The request line, RFC 9112 section 3. */
const REQUEST_LINES: readonly StrictnessCase[] = [
  refused("two spaces behind the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a tab behind the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a tab before the version", "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a vertical tab behind the method", "GET\v/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a space before the method", " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a space behind the version", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
  refused("a tab behind the version", "GET / HTTP/1.1\t\r\nHost: a\r\n\r\n", 400),
  refused("a fourth word", "GET / HTTP/1.1 x\r\nHost: a\r\n\r\n", 400),
  refused("a space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("no method", "/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a method alone", "GET\r\nHost: a\r\n\r\n", 400),
  refused("a method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a method with a slash", "GET/ / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a method with a quote", 'G"ET / HTTP/1.1\r\nHost: a\r\n\r\n', 400),
  refused("a method with a byte over 127", "G\xc9T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a method with NUL", "G\0T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused("a byte order mark", "\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
];

const VERSIONS: readonly (readonly [version: string, status: number])[] = [
  ["HTTP/2.0", 505],
  ["HTTP/3.0", 505],
  ["HTTP/9.9", 505],
  ["HTTP/2.1", 505],
  ["HTTP/1.2", 505],
  ["HTTP/1.9", 505],
  ["HTTP/0.9", 400],
  ["HTTP/0.0", 400],
  ["http/1.1", 400],
  ["Http/1.1", 400],
  ["HTTP/1", 400],
  ["HTTP/1.", 400],
  ["HTTP/.1", 400],
  ["HTTP/2", 400],
  ["HTTP/01.1", 400],
  ["HTTP/1.01", 400],
  ["HTTP/1.10", 400],
  ["HTTP/11.1", 400],
  ["HTTP/1,1", 400],
  ["HTTP/1 .1", 400],
  ["HTTP /1.1", 400],
  ["HTTP/-1.1", 400],
  ["HTTP/1.1.1", 400],
  ["HTTP/a.b", 400],
  ["HTTP/0x1.1", 400],
  ["HTTP\\1.1", 400],
  ["HTTPS/1.1", 400],
  ["HTTP1.1", 400],
  ["HTTP//1.1", 400],
  ["ICY/1.1", 400],
  ["RTSP/1.0", 400],
  ["HTTP/1.1;", 400],
  ["HTTP/1.\xb9", 400],
  ["HTTP/1.1\0", 400],
];

/** Other protocols on the port, and heads over their bounds. */
const OTHERS: readonly StrictnessCase[] = [
  refused("HTTP/0.9", "GET /\r\n", 400),
  refused("HTTP/0.9 with LF", "GET /\n", 400),
  refused("the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
  refused("PRI in HTTP/1.1", "PRI * HTTP/1.1\r\nHost: a\r\n\r\n", 505),
  refused("PRI with a path", "PRI / HTTP/1.1\r\nHost: a\r\n\r\n", 505),
  refused("a PROXY header", "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
  refused(
    "a PROXY header of version 2",
    "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x7f\0\0\x01\x7f\0\0\x01\0\x01\0\x02",
    400,
  ),
  refused("TLS", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03", 400),
  refused("SSH", "SSH-2.0-OpenSSH_9.6\r\n", 400),
  refused("SMTP", "EHLO a\r\n", 400),
  refused("a Redis command", "*1\r\n$4\r\nPING\r\n", 400),
  refused("NUL bytes", "\0\0\0\0", 400),
  refused("a method without end", "A".repeat(40_000), 431),
  refused("a target of 33,000 bytes", `GET /${"a".repeat(33_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414),
  refused("a query of 33,000 bytes", `GET /?${"a".repeat(33_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414),
  refused("a value of 33,000 bytes", `${HEAD}X: ${"a".repeat(33_000)}\r\n\r\n`, 431),
  refused("a name of 33,000 bytes", `${HEAD}${"x".repeat(33_000)}: y\r\n\r\n`, 431),
  refused("white space of 33,000 bytes", `${HEAD}X:${" ".repeat(33_000)}y\r\n\r\n`, 431),
  refused("101 fields", `GET / HTTP/1.1\r\nHost: a\r\n${"X: y\r\n".repeat(100)}\r\n`, 431),
  refused("5,000 empty fields", `GET / HTTP/1.1\r\nHost: a\r\n${"X:\r\n".repeat(5000)}\r\n`, 431),
  refused("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405),
  refused("CONNECT with a path", "CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
  refused("CONNECT with a URL", "CONNECT http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 405),
  refused("CONNECT with a body", "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\nContent-Length: 5\r\n\r\nhello", 405),
  refused("TRACE with a length", "TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 400),
  refused(
    "TRACE with chunks",
    "TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ),
  refused("Connection that is no list", `${HEAD}Connection: close keep-alive\r\n\r\n`, 400),
  refused("Connection with a quoted string", `${HEAD}Connection: "close"\r\n\r\n`, 400),
];

export const REQUEST_HEADS: readonly StrictnessCase[] = [
  ...LINES,
  ...NAMES,
  ...VALUES,
  ...REQUEST_LINES,
  ...VERSIONS.map(([version, status]) =>
    refused(`the version ${JSON.stringify(version)}`, `GET / ${version}\r\nHost: a\r\n\r\n`, status)
  ),
  ...OTHERS,
];
