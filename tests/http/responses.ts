/** The request that a response answers. */
export interface Asked {
  /** @default {"GET"} */
  readonly method?: string;
  /** The protocols that it would change to. */
  readonly upgrade?: string;
}

/** A response that is taken: what is special, its bytes, some of what is told of it, and what was asked. */
export type GoodResponse = readonly [
  what: string,
  text: string,
  told: Readonly<Record<string, unknown>>,
  asked?: Asked,
];

/** A response that is refused. */
export type BadResponse = readonly [what: string, text: string, asked?: Asked];

function answer(fields: string, line = "HTTP/1.1 200 OK"): string {
  return `${line}\r\n${fields}\r\n`;
}

const LENGTH = "Content-Length: 5\r\n";
const CHUNKED = "Transfer-Encoding: chunked\r\n";
const UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const WEBSOCKET = { upgrade: "websocket" };

/** Responses that are valid, RFC 9112 sections 4 and 6.3, RFC 9110 section 15. */
export const GOOD_RESPONSES: readonly GoodResponse[] = [
  ["a length", answer(LENGTH), {
    status: 200,
    reason: "OK",
    minor: 1,
    bodyKind: "length",
    contentLength: 5,
    reusable: true,
  }],
  ["chunks", answer(CHUNKED), { bodyKind: "chunked", reusable: true }],
  ["neither", answer(""), { bodyKind: "until-close", reusable: false }],
  ["a length of zero", answer("Content-Length: 0\r\n"), { bodyKind: "none", reusable: true }],
  ["zeros before a length", answer("Content-Length: 0005\r\n"), { bodyKind: "length", contentLength: 5 }],
  ["no reason", answer(LENGTH, "HTTP/1.1 200 "), { status: 200, reason: "" }],
  ["a reason of several words", answer(LENGTH, "HTTP/1.1 404 Not  Found\t!"), {
    status: 404,
    reason: "Not  Found\t!",
  }],
  ["obs-text in the reason", answer(LENGTH, "HTTP/1.1 200 \xe4"), { reason: "\xe4" }],
  ["an unknown status", answer(LENGTH, "HTTP/1.1 299 X"), { status: 299 }],
  ["the largest status", answer(LENGTH, "HTTP/1.1 599 X"), { status: 599 }],
  ["close", answer(`${LENGTH}Connection: close\r\n`), { reusable: false, copy: LENGTH }],
  ["HTTP/1.0", answer(LENGTH, "HTTP/1.0 200 OK"), { minor: 0, reusable: false }],
  ["HTTP/1.0 that stays", answer(`${LENGTH}Connection: keep-alive\r\n`, "HTTP/1.0 200 OK"), {
    reusable: true,
  }],
  ["HTTP/1.0 that stays, without a length", answer("Connection: keep-alive\r\n", "HTTP/1.0 200 OK"), {
    bodyKind: "until-close",
    reusable: false,
  }],
  ["a Connection that is no list", answer(`${LENGTH}Connection: keep-alive; timeout=5\r\n`), {
    reusable: false,
  }],
  ["to HEAD, with a length", answer(LENGTH), {
    bodyKind: "none",
    contentLength: 0,
    reusable: true,
    copy: LENGTH,
  }, { method: "HEAD" }],
  ["to HEAD, with chunks", answer(CHUNKED), { bodyKind: "none", reusable: true, copy: CHUNKED }, {
    method: "HEAD",
  }],
  ["to HEAD, with neither", answer(""), { bodyKind: "none", reusable: true }, { method: "HEAD" }],
  ["204", answer("", "HTTP/1.1 204 No Content"), { bodyKind: "none", reusable: true }],
  ["204 with a length of zero", answer("Content-Length: 0\r\n", "HTTP/1.1 204 No Content"), {
    bodyKind: "none",
    reusable: true,
    copy: "",
  }],
  ["204 with a length", answer(LENGTH, "HTTP/1.1 204 No Content"), {
    bodyKind: "none",
    reusable: false,
    copy: "",
  }],
  ["204 with chunks", answer(CHUNKED, "HTTP/1.1 204 No Content"), {
    bodyKind: "none",
    reusable: false,
    copy: "",
  }],
  ["304", answer("", "HTTP/1.1 304 Not Modified"), { bodyKind: "none", reusable: true }],
  ["304 with a length", answer(LENGTH, "HTTP/1.1 304 Not Modified"), {
    bodyKind: "none",
    reusable: true,
    copy: LENGTH,
  }],
  ["100", answer("", "HTTP/1.1 100 Continue"), { isInterim: true, bodyKind: "none" }],
  ["103", answer("Link: </a>\r\n", "HTTP/1.1 103 Early Hints"), { isInterim: true, copy: "Link: </a>\r\n" }],
  ["199", answer("", "HTTP/1.1 199 X"), { isInterim: true }],
  ["101", answer(UPGRADE, "HTTP/1.1 101 Switching Protocols"), {
    isUpgrade: true,
    isInterim: false,
    bodyKind: "none",
    reusable: false,
    copy: "Upgrade: websocket\r\n",
  }, WEBSOCKET],
  ["101 in capitals", answer("Connection: UPGRADE\r\nUpgrade: WebSocket\r\n", "HTTP/1.1 101 X"), {
    isUpgrade: true,
  }, WEBSOCKET],
  ["101 of one of two", answer(UPGRADE, "HTTP/1.1 101 X"), { isUpgrade: true }, { upgrade: "a,websocket" }],
  ["an upgrade that is offered", answer(UPGRADE + LENGTH, "HTTP/1.1 426 X"), {
    isUpgrade: false,
    copy: LENGTH,
  }],
  ["white space around values", answer("Content-Length:\t5 \r\nA:b\r\n"), {
    contentLength: 5,
    copy: "Content-Length: 5\r\nA: b\r\n",
  }],
  [
    "what is for one connection",
    answer(`Connection: x-a\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: a\r\n${LENGTH}`),
    { copy: LENGTH },
  ],
  ["several cookies", answer(`${LENGTH}Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n`), {
    copy: `${LENGTH}Set-Cookie: a=b\r\nSet-Cookie: c=d\r\n`,
  }],
  ["Host, which means nothing", answer(`${LENGTH}Host: a\r\nHost: b\r\n`), { status: 200 }],
];

/** Responses that are refused: outside the grammar, or open to more than one reading. */
export const BAD_RESPONSES: readonly BadResponse[] = [
  ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n"],
  ["TLS", "\x15\x03\x01\0\x02\x02\x46"],
  ["HTTP/0.9", "<html></html>"],
  ["an empty line in front", `\r\n${answer(LENGTH)}`],
  ["a space in front", ` ${answer(LENGTH)}`],
  ["small letters", answer(LENGTH, "http/1.1 200 OK")],
  ["HTTP/1.2", answer(LENGTH, "HTTP/1.2 200 OK")],
  ["HTTP/2.0", answer(LENGTH, "HTTP/2.0 200 OK")],
  ["HTTP/2", answer(LENGTH, "HTTP/2 200 OK")],
  ["HTTP/0.9 by name", answer(LENGTH, "HTTP/0.9 200 OK")],
  ["HTTP/1", answer(LENGTH, "HTTP/1 200 OK")],
  ["HTTP/01.1", answer(LENGTH, "HTTP/01.1 200 OK")],
  ["ICY", answer(LENGTH, "ICY 200 OK")],
  ["no status", answer(LENGTH, "HTTP/1.1 ")],
  ["no status but a reason", answer(LENGTH, "HTTP/1.1 OK")],
  ["two digits", answer(LENGTH, "HTTP/1.1 20 OK")],
  ["four digits", answer(LENGTH, "HTTP/1.1 2000 OK")],
  ["a letter in the status", answer(LENGTH, "HTTP/1.1 2x0 OK")],
  ["a sign", answer(LENGTH, "HTTP/1.1 +20 OK")],
  ["status 0", answer(LENGTH, "HTTP/1.1 000 OK")],
  ["status 99", answer(LENGTH, "HTTP/1.1 099 OK")],
  ["status 600", answer(LENGTH, "HTTP/1.1 600 OK")],
  ["status 999", answer(LENGTH, "HTTP/1.1 999 OK")],
  ["two spaces before the status", answer(LENGTH, "HTTP/1.1  200 OK")],
  ["a tab before the status", answer(LENGTH, "HTTP/1.1\t200 OK")],
  ["a tab behind the status", answer(LENGTH, "HTTP/1.1 200\tOK")],
  ["no space behind the status", answer(LENGTH, "HTTP/1.1 200")],
  ["NUL in the reason", answer(LENGTH, "HTTP/1.1 200 O\0K")],
  ["DEL in the reason", answer(LENGTH, "HTTP/1.1 200 O\x7fK")],
  ["a bare LF behind the reason", `HTTP/1.1 200 OK\n${LENGTH}\r\n`],
  ["a bare CR in the reason", answer(LENGTH, "HTTP/1.1 200 O\rK")],
  ["a bare LF behind a field", "HTTP/1.1 200 OK\r\nContent-Length: 5\n\r\n"],
  ["a bare LF as empty line", `HTTP/1.1 200 OK\r\n${LENGTH}\n`],
  ["a folded line", answer(`A: b\r\n c\r\n${LENGTH}`)],
  ["white space before the first field", answer(` ${LENGTH}`)],
  ["white space before a colon", answer("Content-Length : 5\r\n")],
  ["no colon", answer(`A\r\n${LENGTH}`)],
  ["no name", answer(`: a\r\n${LENGTH}`)],
  ["NUL in a value", answer(`A: \0\r\n${LENGTH}`)],
  ["a bare CR in a value", answer(`A: b\rc\r\n${LENGTH}`)],
  ["UTF-8 in a name", answer(`\xc3\xa9: b\r\n${LENGTH}`)],
  ["two lengths, equal", answer(LENGTH + LENGTH)],
  ["two lengths, different", answer(`${LENGTH}Content-Length: 6\r\n`)],
  ["two lengths to HEAD", answer(LENGTH + LENGTH), { method: "HEAD" }],
  ["a list of lengths", answer("Content-Length: 5, 5\r\n")],
  ["a length with a sign", answer("Content-Length: +5\r\n")],
  ["a negative length", answer("Content-Length: -1\r\n")],
  ["a hexadecimal length", answer("Content-Length: 0x5\r\n")],
  ["an empty length", answer("Content-Length:\r\n")],
  ["a length over 2^53", answer("Content-Length: 9007199254740993\r\n")],
  ["a length with chunks", answer(LENGTH + CHUNKED)],
  ["chunks with a length", answer(CHUNKED + LENGTH)],
  ["a length with chunks to HEAD", answer(LENGTH + CHUNKED), { method: "HEAD" }],
  ["a length with chunks, 304", answer(LENGTH + CHUNKED, "HTTP/1.1 304 X")],
  ["chunks in HTTP/1.0", answer(CHUNKED, "HTTP/1.0 200 OK")],
  ["chunks twice", answer(CHUNKED + CHUNKED)],
  ["chunks twice in one field", answer("Transfer-Encoding: chunked, chunked\r\n")],
  ["an unknown coding", answer("Transfer-Encoding: gzip\r\n")],
  ["an unknown coding and chunks", answer("Transfer-Encoding: gzip, chunked\r\n")],
  ["identity", answer("Transfer-Encoding: identity\r\n")],
  ["an empty coding", answer("Transfer-Encoding:\r\n")],
  ["chunks with a parameter", answer("Transfer-Encoding: chunked;a=b\r\n")],
  ["101 that was not asked for", answer(UPGRADE, "HTTP/1.1 101 X")],
  ["101 of another protocol", answer(UPGRADE, "HTTP/1.1 101 X"), { upgrade: "h3c" }],
  [
    "101 of two protocols",
    answer("Connection: Upgrade\r\nUpgrade: websocket, a\r\n", "HTTP/1.1 101 X"),
    WEBSOCKET,
  ],
  ["101 without Upgrade", answer("Connection: Upgrade\r\n", "HTTP/1.1 101 X"), WEBSOCKET],
  ["101 without Connection", answer("Upgrade: websocket\r\n", "HTTP/1.1 101 X"), WEBSOCKET],
  ["101 in HTTP/1.0", answer(UPGRADE, "HTTP/1.0 101 X"), WEBSOCKET],
  ["101 to h2c", answer("Connection: Upgrade\r\nUpgrade: h2c\r\n", "HTTP/1.1 101 X"), { upgrade: "h2c" }],
  ["too many fields", answer("A: b\r\n".repeat(101))],
  ["a head over its bound", answer(`A: ${"b".repeat(32 * 1024)}\r\n`)],
  ["a reason over the bound", answer(LENGTH, `HTTP/1.1 200 ${"b".repeat(32 * 1024)}`)],
];
