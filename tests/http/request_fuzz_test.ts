import { assert, assertEquals } from "@std/assert";
import {
  findHeadEnd,
  HttpRequestError,
  MAX_REQUEST_HEAD_BYTES,
  MAX_REQUEST_HEADERS,
  parseRequestHead,
  type RequestHead,
} from "../../src/http/request_head.ts";
import { HttpRequestReader } from "../../src/http/request_reader.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { memoryPair } from "../support/memory_connection.ts";
import { mutate } from "../net/mutate.ts";

const encode = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));

const GOOD = [
  "GET / HTTP/1.1\r\nHost: localhost:9901\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n",
  "GET /healthz HTTP/1.0\r\n\r\n",
  "HEAD /api/status?x=1 HTTP/1.1\r\nHost: [::1]:9901\r\nConnection: close\r\n\r\n",
  "PUT /api/upstreams/db/backends HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n",
  "POST /api/upstreams/db/backends/unix:%2Frun%2Fa/drain HTTP/1.1\r\nHost: a\r\nOrigin: http://a\r\n\r\n",
  "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
].map(encode);

/** What is said of the bytes: a head and its length, that they are too few, or a refusal. */
function read(bytes: Uint8Array, context: string): { head: RequestHead; length: number } | "few" | "refused" {
  try {
    const length = findHeadEnd(bytes);
    return length === -1 ? "few" : { head: parseRequestHead(bytes.subarray(0, length)), length };
  } catch (error) {
    if (error instanceof HttpRequestError && error.status >= 400 && error.status < 600) return "refused";
    throw new Error(context, { cause: error });
  }
}

/** What is let through can be written in one way, and then means the same to everybody. */
function check(bytes: Uint8Array, context: string): void {
  const found = read(bytes, context);
  if (typeof found === "string") return;
  const { head, length } = found;
  assert(length <= MAX_REQUEST_HEAD_BYTES && head.headers.size <= MAX_REQUEST_HEADERS, context);
  assert(head.path.startsWith("/") && /^[!-~]+$/.test(head.path + head.query), context);
  assert(head.version === "1.0" || head.headers.has("host"), context);
  assert(!head.headers.has("transfer-encoding"), context);
  for (const [name, value] of head.headers) {
    // deno-lint-ignore no-control-regex
    assert(/^[^A-Z\s:]+$/.test(name) && !/[\x00-\x08\n-\x1f\x7f]/.test(value), context);
  }
  const target = head.query === "" ? head.path : `${head.path}?${head.query}`;
  const lines = [...head.headers].map(([name, value]) => `${name}: ${value}`);
  const again = read(
    encode([`${head.method} ${target} HTTP/${head.version}`, ...lines, "", ""].join("\r\n")),
    context,
  );
  assert(typeof again !== "string", context);
  assertEquals(again.head, head, context);
}

Deno.test("mutated heads are read or refused, and never anything else", () => {
  for (let seed = 1; seed <= 30_000; seed++) {
    const random = seededRandom(seed);
    check(mutate(GOOD[Math.floor(random() * GOOD.length)]!, random), `seed ${seed}`);
  }
});

Deno.test("random bytes behind a good beginning are read or refused, and never anything else", () => {
  for (let seed = 1; seed <= 10_000; seed++) {
    const random = seededRandom(seed);
    const good = GOOD[Math.floor(random() * GOOD.length)]!;
    const kept = Math.floor(random() * good.length);
    const bytes = Uint8Array.from({ length: kept + Math.floor(random() * 100) }, () => random() * 256);
    bytes.set(good.subarray(0, kept));
    check(bytes, `seed ${seed}`);
  }
});

Deno.test("however a stream is cut into pieces, the same is read from it", async () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(seed);
    const bytes = mutate(GOOD[Math.floor(random() * GOOD.length)]!, random);
    const whole = read(bytes, `seed ${seed}`);
    const [peer, connection] = memoryPair();
    const reader = new HttpRequestReader(connection);
    const reading = reader.readHead().then(
      (head) => ({ head, buffered: reader.buffered }),
      (error: unknown) => error instanceof HttpRequestError ? "refused" : error,
    );
    for (let at = 0; at < bytes.length;) {
      const next = at + 1 + Math.floor(random() * 30);
      await peer.send(bytes.subarray(at, next));
      at = next;
    }
    await peer.closeWrite();
    const pieces = await reading;
    // Too few bytes are a refusal once the stream has ended.
    if (typeof whole === "string") assertEquals(pieces, "refused", `seed ${seed}`);
    else if (!/^[a-z]/i.test(whole.head.method)) assertEquals(pieces, "refused", `seed ${seed}`);
    else assertEquals((pieces as { head: RequestHead }).head, whole.head, `seed ${seed}`);
  }
});
