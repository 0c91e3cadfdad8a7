import { refused, served, type StrictnessCase } from "./strictness_case.ts";

const ASKING = "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const LINE = "GET /ws HTTP/1.1";
const SWITCHING = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const POST = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/** A client that asks, and a backend that changes to what was not asked for. */
function badSwitch(name: string, origin: string, asking = ASKING): StrictnessCase {
  return { name, client: [asking], origin, answers: [502], requests: "any" };
}

/** An Upgrade that must not be offered to the backend. */
function notOffered(name: string, lines: string): StrictnessCase {
  return served(name, `GET /ws HTTP/1.1\r\nHost: a\r\n${lines}\r\n\r\n`, {
    line: LINE,
    lacks: ["upgrade", "http2-settings", "connection"],
  });
}

const EXPECTATIONS: readonly string[] = [
  "200-ok",
  "100-continue, x",
  "100-continue; a",
  "x=y",
  "",
  "100",
  "100-continued",
  '"100-continue"',
];

export const UPGRADES: readonly StrictnessCase[] = [
  {
    name: "a tunnel, with bytes that come early",
    client: [`${ASKING}early`, { until: "\r\n\r\n" }, "END"],
    origin: `${SWITCHING}hello`,
    then: "close",
    answers: [{ status: 101, has: ["connection: upgrade", "upgrade: websocket"] }],
    requests: [{ line: LINE, has: ["upgrade: websocket", "connection: upgrade"] }],
    connection: "any",
  },
  {
    name: "a request behind an upgrade that is not granted waits",
    client: [`${ASKING}GET /next HTTP/1.1\r\nHost: a\r\n\r\n`],
    origin: OK,
    answers: [{ status: 200, lacks: ["upgrade"] }, 200],
    requests: [LINE, "GET /next HTTP/1.1"],
    connection: "open",
  },
  {
    name: "426 is an ordinary answer",
    client: [ASKING],
    origin:
      "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 0\r\n\r\n",
    answers: [426],
    requests: [LINE],
    connection: "open",
  },
  badSwitch("101 of another protocol", SWITCHING.replace("websocket", "evil")),
  badSwitch("101 of another protocol beside", SWITCHING.replace("websocket", "websocket, evil")),
  badSwitch("101 to h2c", SWITCHING.replace("websocket", "h2c")),
  badSwitch("101 without Upgrade", "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n"),
  badSwitch("101 with an empty Upgrade", SWITCHING.replace("websocket", "")),
  badSwitch("101 without Connection", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"),
  badSwitch("101 of HTTP/1.0", SWITCHING.replace("HTTP/1.1", "HTTP/1.0")),
  badSwitch("101 to a GET", SWITCHING, "GET /ws HTTP/1.1\r\nHost: a\r\n\r\n"),
  badSwitch(
    "101 to an Upgrade that is none",
    SWITCHING,
    "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
  ),
  badSwitch("101 to HTTP/1.0", SWITCHING, ASKING.replace("HTTP/1.1", "HTTP/1.0")),
  badSwitch(
    "101 to an upgrade with a body",
    SWITCHING,
    "POST /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello",
  ),
  badSwitch(
    "101 to h2c",
    SWITCHING.replace("websocket", "h2c"),
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
  ),
  notOffered("h2c", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk"),
  notOffered("h2c in capitals", "Connection: Upgrade\r\nUpgrade: H2C"),
  notOffered("h2c in a list", "Connection: Upgrade\r\nUpgrade: websocket, h2c"),
  notOffered("h2c in a second field", "Connection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: h2c"),
  notOffered("h2c with a version", "Connection: Upgrade\r\nUpgrade: h2c/1"),
  notOffered("HTTP/2.0", "Connection: Upgrade\r\nUpgrade: HTTP/2.0"),
  notOffered("an Upgrade that Connection does not name", "Connection: keep-alive\r\nUpgrade: websocket"),
  notOffered("an Upgrade that is no name", "Connection: upgrade\r\nUpgrade: web socket"),
  notOffered("an empty Upgrade", "Connection: upgrade\r\nUpgrade:"),
  notOffered("Connection: upgrade without Upgrade", "Connection: upgrade"),
  ...EXPECTATIONS.map((value) =>
    refused(`Expect: ${JSON.stringify(value)}`, `${POST}Expect: ${value}\r\n\r\nhello`, 417)
  ),
  refused("Expect twice", `${POST}Expect: 100-continue\r\nExpect: x\r\n\r\nhello`, 417),
  {
    name: "Expect, asked of the backend",
    client: [`${POST}Expect: 100-continue\r\n\r\n`, { until: "100 Continue\r\n\r\n" }, "hello"],
    origin: `HTTP/1.1 100 Continue\r\n\r\n`,
    answersAt: "head",
    final: OK,
    answers: [100, { status: 200, body: "ok" }],
    requests: [{ line: "POST / HTTP/1.1", has: ["expect: 100-continue"], body: "hello" }],
    connection: "open",
  },
  served("Expect in capitals, and the body at once", `${POST}eXPECT: 100-CONTINUE\r\n\r\nhello`, {
    line: "POST / HTTP/1.1",
    has: ["expect: 100-CONTINUE"],
    body: "hello",
  }),
  served("Expect without a body is none", "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", {
    line: "GET / HTTP/1.1",
    lacks: ["expect"],
  }),
  {
    name: "a final answer in the place of 100",
    client: [`${POST}Expect: 100-continue\r\n\r\n`],
    origin: "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    answersAt: "head",
    answers: [{ status: 403, has: ["connection: close"], body: "no" }],
    requests: [],
  },
  {
    name: "a final answer in the place of 100, and a request that is no body",
    client: [`${POST}Expect: 100-continue\r\n\r\n`, { until: "no" }, "GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"],
    origin: "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
    answersAt: "head",
    answers: [{ status: 403, has: ["connection: close"] }],
    requests: "any",
  },
];
