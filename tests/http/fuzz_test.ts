import { assert, assertEquals } from "@std/assert";
import {
  HttpError,
  type HttpFields,
  type ParsedRequestHead,
  type ParsedResponseHead,
  RequestParser,
  ResponseParser,
} from "../../src/mod.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { mutate } from "../net/mutate.ts";
import { ACCEPTED_REQUESTS } from "./accepted_requests.ts";
import { BAD_BODIES, GOOD_BODIES } from "./chunked_bodies.ts";
import { decode, encode } from "./read_head.ts";
import { REFUSED_REQUESTS } from "./refused_requests.ts";
import { BAD_RESPONSES, GOOD_RESPONSES } from "./responses.ts";

const CHUNKED_REQUEST = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
const CHUNKED_RESPONSE = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const MAX_SEED_BYTES = 3000;

const BODIES = [...GOOD_BODIES, ...BAD_BODIES].map(([, text]) => text);
const REQUESTS = [
  ...ACCEPTED_REQUESTS.map(([, text]) => text),
  ...REFUSED_REQUESTS.map(([, , text]) => text),
  ...BODIES.map((text) => CHUNKED_REQUEST + text),
].filter((text) => text.length < MAX_SEED_BYTES).map(encode);
const RESPONSES = [
  ...[...GOOD_RESPONSES, ...BAD_RESPONSES].map(([, text]) => text),
  ...BODIES.map((text) => CHUNKED_RESPONSE + text),
].filter((text) => text.length < MAX_SEED_BYTES).map(encode);

/** What each of 256 octets may be: the grammar once more, as expressions. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
// deno-lint-ignore no-control-regex
const VALUE = /^(?:[^\x00-\x20\x7f](?:[^\x00-\x08\x0a-\x1f\x7f]*[^\x00-\x20\x7f])?)?$/;
const PATH = /^(?:\*|\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/[\]]|%[0-9A-F]{2})*)$/;
const QUERY = /^(?:|\?(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?[\]]|%[0-9A-Fa-f]{2})*)$/;

function checkFields(fields: HttpFields): void {
  for (const [name, value] of fields) assert(TOKEN.test(name) && VALUE.test(value), `${name}: ${value}`);
}

function checkRequest(head: ParsedRequestHead): void {
  checkFields(head.fields);
  assert(TOKEN.test(head.method) && PATH.test(head.path) && QUERY.test(head.query), JSON.stringify(head));
  assert(!/%(?:2F|5C|00|0A|0D|7F)|\/\.\.?(?:;|\/|$)/.test(head.path), head.path);
  const count = (name: string) => head.fields.filter(([other]) => other === name).length;
  assert(count("host") <= 1 && count("content-length") + count("transfer-encoding") <= 1);
  assert(count("host") === 1 || head.version === "1.0");
  assert(head.body !== "chunked" || head.version === "1.1");
}

function checkResponse(head: ParsedResponseHead): void {
  checkFields(head.fields);
  assert(head.status >= 100 && head.status <= 599);
  assert(!head.reusable || head.body !== "until-close");
}

interface Parsing {
  push(bytes: Uint8Array): number;
  end(): void;
}

/** All events, data as one; what is not taken; and the error. */
function listen(make: (events: Events) => Parsing, pieces: readonly Uint8Array[]): unknown[] {
  const told: unknown[] = [];
  let data = "";
  let left = "";
  const parser = make({
    onHead: (head) => told.push(head),
    onData: (bytes) => data += decode(bytes),
    onEnd: (trailers) => told.push(data, trailers) && (data = ""),
  });
  try {
    for (const piece of pieces) {
      const taken = parser.push(piece);
      assert(taken >= 0 && taken <= piece.length);
      left += decode(piece.subarray(taken));
    }
    parser.end();
  } catch (error) {
    if (!(error instanceof HttpError)) throw error;
    told.push([error.status, error.code, error.message]);
  }
  told.push(data, left);
  return told;
}

interface Events {
  onHead(head: unknown): void;
  onData(data: Uint8Array): void;
  onEnd(trailers: HttpFields): void;
}

function readRequests(pieces: readonly Uint8Array[]): unknown[] {
  return listen(({ onHead, ...events }) =>
    new RequestParser({
      onHead(head) {
        checkRequest(head);
        onHead(head);
      },
      ...events,
    }), pieces);
}

function readResponses(pieces: readonly Uint8Array[], method: string): unknown[] {
  return listen(({ onHead, ...events }) => {
    const parser = new ResponseParser({
      onHead(head) {
        checkResponse(head);
        onHead(head);
      },
      ...events,
    });
    for (let i = 0; i < 3; i++) parser.expect({ method, upgrade: ["websocket"] });
    return parser;
  }, pieces);
}

function cut(bytes: Uint8Array, random: () => number): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const next = at + 1 + Math.floor(random() ** 3 * bytes.length);
    pieces.push(bytes.subarray(at, next));
    at = next;
  }
  return pieces;
}

function pick<T>(list: readonly T[], random: () => number): T {
  return list[Math.floor(random() * list.length)]!;
}

function fuzz(
  rounds: number,
  run: (bytes: Uint8Array, random: () => number) => void,
  seeds: readonly Uint8Array[],
) {
  for (let seed = 1; seed <= rounds; seed++) {
    const random = seededRandom(seed);
    // A message behind a good one, too: what begins in the middle of the bytes is read in the same way.
    const start = random() < 0.3 ? seeds[0]! : new Uint8Array();
    const bytes = mutate(pick(seeds, random), random);
    try {
      run(Uint8Array.from([...start, ...bytes]), random);
    } catch (error) {
      throw new Error(`seed ${seed}: ${JSON.stringify(decode(bytes))}`, { cause: error });
    }
  }
}

Deno.test("mutated requests are read within the grammar or refused, the same in any pieces", () => {
  fuzz(2000, (bytes, random) => {
    const told = readRequests([bytes]);
    assertEquals(readRequests(cut(bytes, random)), told);
    const error = told.find((event) => Array.isArray(event) && typeof event[0] === "number") as
      | number[]
      | undefined;
    if (error !== undefined) assert([400, 405, 413, 414, 417, 431, 501, 505].includes(error[0]!));
  }, REQUESTS);
});

Deno.test("mutated responses are read within the grammar or refused, the same in any pieces", () => {
  fuzz(1500, (bytes, random) => {
    const method = random() < 0.2 ? "HEAD" : "GET";
    const told = readResponses([bytes], method);
    assertEquals(readResponses(cut(bytes, random), method), told);
  }, RESPONSES);
});

Deno.test("random bytes behind a good beginning are read or refused, the same in any pieces", () => {
  fuzz(1000, (bytes, random) => {
    const noise = Uint8Array.from({ length: Math.floor(random() * 60) }, () => random() * 256);
    const all = Uint8Array.from([...bytes.subarray(0, Math.floor(random() * bytes.length)), ...noise]);
    assertEquals(readRequests(cut(all, random)), readRequests([all]));
  }, REQUESTS);
});

Deno.test("a head or a trailer section that never ends is refused at its bound, whatever it is made of", () => {
  const beginnings = [
    "",
    "GET ",
    "GET /",
    "GET /?",
    "GET / HTTP/1.1\r\n",
    "GET / HTTP/1.1\r\nA",
    "GET / HTTP/1.1\r\nA:",
    `${CHUNKED_REQUEST}0\r\nA: b`,
    `${CHUNKED_REQUEST}0\r\n`,
    `${CHUNKED_REQUEST}5;`,
    `${CHUNKED_REQUEST}5;a="`,
    CHUNKED_REQUEST,
  ];
  for (const beginning of beginnings) {
    for (const filling of ["a", "0", " ", "a:\r\n", "a\t", "%41", "/."]) {
      const told = readRequests([
        encode(beginning),
        ...Array.from({ length: 100 }, () => encode(filling.repeat(1024))),
      ]);
      const error = told.find((event) => Array.isArray(event) && typeof event[0] === "number");
      assert(error !== undefined, `${beginning}${filling}`);
    }
  }
});
