import { refused, served, type StrictnessCase } from "./strictness_case.ts";

const POST = "POST / HTTP/1.1\r\nHost: a\r\n";
const EVIL = "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n";

/** Two lengths of one body: fields, and what others may take for the whole body. */
const LENGTHS: readonly (readonly [name: string, fields: string])[] = [
  ["two equal lengths", "Content-Length: 5\r\nContent-Length: 5"],
  ["two lengths", "Content-Length: 5\r\nContent-Length: 6"],
  ["two lengths, the second zero", "Content-Length: 5\r\nContent-Length: 0"],
  ["two lengths, the first zero", "Content-Length: 0\r\nContent-Length: 5"],
  ["two lengths, one in small letters", "Content-Length: 5\r\ncontent-length: 5"],
  ["two lengths, one with zeros", "Content-Length: 5\r\nContent-Length: 05"],
  ["three lengths", "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 5"],
  ["two lengths with fields between", "Content-Length: 5\r\nX: y\r\nY: z\r\nContent-Length: 0"],
  ["two lengths named in Connection", "Connection: content-length\r\nContent-Length: 5\r\nContent-Length: 0"],
];

const CODINGS = [
  "chunked",
  "CHUNKED",
  "\tchunked",
  "chunked ",
  "gzip",
  "identity",
  "xchunked",
  "gzip, chunked",
  "chunked, identity",
  "",
  '"chunked"',
  "chunked;a",
];

/** Content-Length with Transfer-Encoding, in both orders and both versions. */
const BOTH: readonly StrictnessCase[] = CODINGS.flatMap((coding) => {
  const shown = JSON.stringify(coding);
  const field = `Transfer-Encoding: ${coding}\r\n`;
  const length = "Content-Length: 4\r\n";
  const body = "\r\n0\r\n\r\n";
  return [
    refused(`a length, then the coding ${shown}`, `${POST}${length}${field}${body}${EVIL}`, 400),
    refused(`the coding ${shown}, then a length`, `${POST}${field}${length}${body}${EVIL}`, 400),
    refused(`the coding ${shown} in HTTP/1.0`, `POST / HTTP/1.0\r\nHost: a\r\n${field}${body}${EVIL}`, 400),
    refused(
      `the coding ${shown} and a length in HTTP/1.0`,
      `POST / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n${length}${field}${body}${EVIL}`,
      400,
    ),
    refused(`the coding ${shown} twice`, `${POST}${field}${field}${body}${EVIL}`, 400),
    refused(
      `chunked, then the coding ${shown}`,
      `${POST}Transfer-Encoding: chunked\r\n${field}${body}${EVIL}`,
      400,
    ),
    refused(
      `the coding ${shown}, then chunked`,
      `${POST}${field}X: y\r\nTRANSFER-ENCODING: chunked\r\n${body}${EVIL}`,
      400,
    ),
  ];
});

/** Spellings of Transfer-Encoding that others take for it: with a length beside them. */
const SPELLINGS: readonly string[] = [
  "Transfer-Encoding : chunked",
  "Transfer-Encoding\t: chunked",
  " Transfer-Encoding: chunked",
  "X: y\nTransfer-Encoding: chunked",
  "X: y\rTransfer-Encoding: chunked",
  "X: y\r\n Transfer-Encoding: chunked",
  "Transfer-Encoding:\vchunked",
  "Transfer-Encoding:\fchunked",
  "Transfer-Encoding: chunked\v",
  "Transfer-Encoding: \0chunked",
  "Transfer-Encoding\0: chunked",
  "Transfer-Encoding:\r\n chunked",
  "Transfer-Encoding:\n chunked",
  "Transfer\xadEncoding: chunked\0",
  "Transfer-Encoding;: chunked",
  "(Transfer-Encoding: chunked",
  '"Transfer-Encoding": chunked',
  "Transfer-Encoding chunked",
];

/** Names that are others, which a sloppy reader takes for framing: they may pass, or not, but frame nothing. */
const LOOKALIKES: readonly string[] = [
  "Transfer_Encoding: chunked",
  "Transfer-Encodin: chunked",
  "Transfer-Encodings: chunked",
  "TransferEncoding: chunked",
  "X-Transfer-Encoding: chunked",
  "Transfer.Encoding: chunked",
  "Content_Length: 0",
  "Content_length: 100",
  "ContentLength: 0",
  "Content-Lengths: 0",
  "X-Content-Length: 0",
  "Content~Length: 0",
  "HTTP_CONTENT_LENGTH: 0",
];

/** A length of a GET whose body is a request: it never becomes one. */
const HIDDEN: readonly StrictnessCase[] = ["GET", "HEAD", "DELETE", "OPTIONS", "POST", "PUT", "PATCH", "FOO"]
  .map(
    (method) =>
      served(
        `a request as the body of ${method}`,
        `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: ${EVIL.length}\r\n\r\n${EVIL}`,
        { line: `${method} / HTTP/1.1`, body: EVIL, has: [`content-length: ${EVIL.length}`] },
        method === "HEAD" ? { origin: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n" } : {},
      ),
  );

export const SMUGGLING: readonly StrictnessCase[] = [
  ...LENGTHS.map(([name, fields]) => refused(name, `${POST}${fields}\r\n\r\nhello${EVIL}`, 400)),
  ...BOTH,
  ...SPELLINGS.map((line) =>
    refused(JSON.stringify(line), `${POST}Content-Length: 4\r\n${line}\r\n\r\n0\r\n\r\n${EVIL}`, 400)
  ),
  ...SPELLINGS.map((line) =>
    refused(
      `${JSON.stringify(line)} first`,
      `${POST}${line}\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${EVIL}`,
      400,
    )
  ),
  ...LOOKALIKES.map((line) =>
    served(line, `${POST}Content-Length: 5\r\n${line}\r\n\r\nhello`, {
      line: "POST / HTTP/1.1",
      has: ["content-length: 5"],
      lacks: line.includes("_")
        ? [line.slice(0, line.indexOf(":")).toLowerCase()].filter((n) => !n.startsWith("http"))
        : [],
      body: "hello",
    })
  ),
  ...HIDDEN,
  served(
    "framing named in Connection",
    `${POST}Connection: Content-Length, Transfer-Encoding\r\nContent-Length: 5\r\n\r\nhello`,
    {
      line: "POST / HTTP/1.1",
      has: ["content-length: 5"],
      body: "hello",
    },
  ),
  served(
    "chunked named in Connection",
    `${POST}Connection: Transfer-Encoding, close-not\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    { line: "POST / HTTP/1.1", has: ["transfer-encoding: chunked"], body: "hello" },
  ),
  served(
    "a request in chunks",
    `${POST}Transfer-Encoding: chunked\r\n\r\n${EVIL.length.toString(16)}\r\n${EVIL}\r\n0\r\n\r\n`,
    {
      line: "POST / HTTP/1.1",
      body: EVIL,
    },
  ),
  served(
    "Content-Length as a trailer",
    `${POST}Transfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 500\r\n\r\n`,
    {
      line: "POST / HTTP/1.1",
      lacks: ["content-length"],
      body: "",
      trailers: [],
    },
  ),
  {
    name: "a request behind a last chunk is the next one",
    client: [
      `${POST}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n`,
    ],
    answers: [200, 200],
    requests: [{ line: "POST / HTTP/1.1", body: "hello" }, "GET /next HTTP/1.1"],
    connection: "open",
  },
  {
    name: "a bad request behind a good one is refused alone",
    client: [
      "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost : a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
    answers: [200, 400],
    requests: ["GET /1 HTTP/1.1"],
  },
  {
    name: "a body longer than its length begins the next request",
    client: [`${POST}Content-Length: 3\r\n\r\nhello\r\n\r\n`],
    answers: [200, 400],
    requests: [{ line: "POST / HTTP/1.1", body: "hel" }],
  },
  {
    name: "no body, but bytes",
    client: [`${POST}\r\nhello world\r\n\r\n`],
    answers: [200, 400],
    requests: [{ line: "POST / HTTP/1.1", body: "" }],
  },
  {
    name: "nothing behind a refused request is served",
    client: [`${POST}Content-Length: 1, 1\r\n\r\nx${EVIL}`],
    answers: [400],
  },
  {
    name: "nothing behind a refused chunk is served",
    client: [`${POST}Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n0\r\n\r\n${EVIL}`],
    answers: [400],
  },
];
