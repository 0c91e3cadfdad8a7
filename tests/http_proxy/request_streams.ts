import { mutate } from "../net/mutate.ts";
import { bytesOf } from "./proxy_fixture.ts";

type Random = () => number;

/** Often the first, which is good; the others are what smugglers try. */
function choose(random: Random, good: string, others: readonly string[]): string {
  return random() < 0.9 ? good : pick(random, others);
}

function pick<T>(random: Random, list: readonly T[]): T {
  return list[Math.floor(random() * list.length)]!;
}

const METHODS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "HEAD"];
const TARGETS = [
  "/a//b",
  "/%7ea/./b",
  "/a/../b?c=/../d",
  "/a?b=%2f#c",
  "http://b/c?d",
  "HTTP://b",
  "/..;/a",
  "/a%2fb",
  "/a b",
  "/?a=HTTP/1.1",
  "*",
];
const VERSIONS = ["HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "http/1.1"];
const LINE_ENDS = ["\n", "\r", "\r\r\n", " \r\n", "\r\n\r\n"];
const FIELDS = [
  "X: y",
  "Cookie: a=b; c=d",
  "X:",
  "X: \t y \t",
  "X: \xe9\xff",
  "Connection: keep-alive",
  "Connection: close",
  "Connection: X, Content-Length",
  "Connection: transfer-encoding",
  "Expect: 100-continue",
  "TE: trailers",
  "Content_Length: 3",
  "Transfer_Encoding: chunked",
  "X-Content-Length: 3",
  "X: y\r\n z",
  "X : y",
  " X: y",
  ": y",
  "X",
  "X: a\0b",
  "X: y\nContent-Length: 3",
  "X: y\rTransfer-Encoding: chunked",
  "Host: b",
];
const LENGTHS = [
  "+N",
  "-N",
  "N N",
  "N, N",
  "0N",
  "0xN",
  "N;",
  "N\r\nContent-Length: N",
  "N\r\ncontent-length: 0",
  "\vN",
];
const CODINGS = [
  "Chunked",
  "chunked ",
  "\tchunked",
  "xchunked",
  "chunked, identity",
  "gzip, chunked",
  "chunked\r\nTransfer-Encoding: chunked",
  "chunked\r\nTransfer-Encoding: identity",
  "chunked\r\nContent-Length: 3",
  "\vchunked",
  "chunked;a",
  "identity",
];
const CONTENTS = [
  "",
  "hello",
  "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n",
  "0\r\n\r\nGET /evil HTTP/1.1\r\nHost: a\r\n\r\n",
  "5\r\nhello\r\n0\r\n\r\n",
  "\r\n\r\n",
  "a".repeat(300),
];
const SIZES = [
  "0xS",
  " S",
  "S ",
  "+S",
  "S;a",
  'S;a="b;c"',
  "S; a = b",
  "00S",
  "S;a=\n",
  "S;a=b\r",
  "S\t",
  "S;",
  "-S",
];
const LAST_CHUNKS = [
  "0;a\r\n\r\n",
  "000\r\n\r\n",
  "0\r\nX: y\r\n\r\n",
  "0\r\nContent-Length: 3\r\nX: y\r\n\r\n",
  "0\r\nX : y\r\n\r\n",
  "0\n\n",
  "0\r\n",
  "0\r\n\n",
  "0\r\n\r\r\n",
];

function chunks(random: Random, content: string): string {
  let text = "";
  for (let at = 0; at < content.length;) {
    const size = 1 + Math.floor(random() * (content.length - at));
    const line = choose(random, "S", SIZES).replace("S", size.toString(16));
    text += `${line}${choose(random, "\r\n", LINE_ENDS)}${content.slice(at, at += size)}`;
    text += random() < 0.97 ? "\r\n" : pick(random, LINE_ENDS);
  }
  return text + choose(random, "0\r\n\r\n", LAST_CHUNKS);
}

function request(random: Random, index: number): string {
  const content = pick(random, CONTENTS);
  const framing = random();
  let body = "";
  const fields = [choose(random, "Host: a", ["Host: b:80", "hOsT:\ta"])];
  while (random() < 0.5) fields.push(choose(random, "X: y", FIELDS));
  if (framing < 0.4) {
    fields.push(`Transfer-Encoding: ${choose(random, "chunked", CODINGS)}`);
    body = chunks(random, content);
  } else if (framing < 0.7) {
    fields.push(`Content-Length: ${choose(random, "N", LENGTHS)}`.replaceAll("N", String(content.length)));
    body = content;
  }
  const target = choose(random, `/${index}?q`, TARGETS);
  const version = random() < 0.95 ? "HTTP/1.1" : pick(random, VERSIONS);
  const end = () => random() < 0.98 ? "\r\n" : pick(random, LINE_ENDS);
  const lines = fields.map((field) => field + end()).join("");
  return `${pick(random, METHODS)} ${target} ${version}${end()}${lines}${end()}${body}`;
}

/**
 * What a client sends on one connection: some requests one after the other, with what smugglers try here and there;
 * sometimes with random changes.
 */
export function requestStream(random: Random): Uint8Array {
  const count = 1 + Math.floor(random() * 4);
  const text = Array.from({ length: count }, (_, index) => request(random, index)).join("");
  const bytes = bytesOf(text);
  return random() < 0.2 ? mutate(bytes, random) : bytes;
}
