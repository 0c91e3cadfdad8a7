import { assert, assertEquals } from "@std/assert";
import { ResponseParser } from "../../src/mod.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { BAD_BODIES, GOOD_BODIES } from "../http/chunked_bodies.ts";
import { BAD_RESPONSES, GOOD_RESPONSES } from "../http/responses.ts";
import { mutate } from "../net/mutate.ts";
import type { AccessRecord } from "../../src/http_proxy/access_log.ts";
import { until, within } from "../support/wait.ts";
import { bytesOf, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";
import { readAnswers, type TextMessage } from "./strictness/messages.ts";

/** How many exchanges: `deno test -A tests/http_proxy/response_fuzz_test.ts -- 20000` for more. */
const EXCHANGES = Number(Deno.args[0] ?? 500);
const LANES = 8;
const CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const SEEDS = [
  ...[...GOOD_RESPONSES, ...BAD_RESPONSES].flatMap(([, text]) => [text, `${text}hello`]),
  ...[...GOOD_BODIES, ...BAD_BODIES].map(([, text]) => CHUNKED + text),
].filter((text) => text.length < 3000);

/** One exchange: what the client asks for, and what the origin answers before it closes the connection. */
interface Exchange {
  readonly method: "GET" | "HEAD";
  readonly version: "1.0" | "1.1";
  readonly answer: string;
  /** Where the answer is cut into pieces. */
  readonly cuts: readonly number[];
}

function exchangeOf(random: () => number): Exchange {
  const seed = SEEDS[Math.floor(random() * SEEDS.length)]!;
  const answer = random() < 0.5 ? seed : String.fromCharCode(...mutate(bytesOf(seed), random));
  const cuts = Array.from({ length: Math.floor(random() * 3) }, () => Math.floor(random() * answer.length));
  return {
    method: random() < 0.85 ? "GET" : "HEAD",
    version: random() < 0.8 ? "1.1" : "1.0",
    answer,
    cuts: cuts.sort((a, b) => a - b),
  };
}

/** What our parser reads of the answer: the final status and its body, and whether it is whole. */
function readByUs({ method, answer }: Exchange): { status: number; body: string; isWhole: boolean } {
  let [status, body, isWhole] = [0, "", false];
  const parser = new ResponseParser({
    onHead: (head) => status = head.status,
    onData: (data) => body += String.fromCharCode(...data),
    onEnd: () => isWhole = status >= 200,
  });
  parser.expect({ method });
  try {
    parser.push(bytesOf(answer));
    parser.end();
  } catch {
    // Refused, or bytes behind it.
  }
  return { status, body, isWhole };
}

/** Sends the answer to the first request, in its pieces. */
async function serve(connection: RawConnection, { answer, cuts }: Exchange): Promise<void> {
  try {
    await connection.receive("\r\n\r\n");
    for (let i = 0, at = 0; i <= cuts.length; i++) {
      await connection.send(answer.slice(at, at = cuts[i] ?? answer.length));
      await new Promise((resolve) => setTimeout(resolve));
    }
  } catch {
    // Refused before all was sent.
  }
  connection.close();
}

/** `isOurs`: the answer is the proxy's own. */
function check(exchange: Exchange, client: RawConnection, isOurs: boolean): void {
  const { method } = exchange;
  const answers = readAnswers(client.received, [method]).filter(({ status }) => status >= 200);
  if (answers.length === 0) return assertEquals(client.received, "", "interim answers alone");
  const [answer] = answers as [TextMessage & { status: number }];
  assertEquals(answers.length, 1);
  const names = answer.fields.map((line) => line.slice(0, line.indexOf(":")));
  for (const name of ["content-length", "transfer-encoding", "connection"]) {
    assert(names.filter((other) => other === name).length <= 1, `${name} twice`);
  }
  const ours = readByUs(exchange);
  if (isOurs) return assert(answer.status === 502 && answer.complete && !ours.isWhole);
  if (method === "HEAD") return assertEquals(answer.status, ours.status);
  assertEquals(answer.status, ours.status);
  assert(ours.body.startsWith(answer.body), "another body");
  // Only the end of the connection tells the end to HTTP/1.0: there, what is cut short may look whole.
  const tellsEnd = names.includes("content-length") || names.includes("transfer-encoding");
  if (ours.isWhole) assertEquals([answer.body, answer.complete], [ours.body, true]);
  else assert(!answer.complete || !tellsEnd, "what is cut short looks whole");
}

async function run(exchange: Exchange): Promise<void> {
  const { method, version } = exchange;
  let serving: Promise<void> | undefined;
  await using origin = new RawOrigin((connection) => serving = serve(connection, exchange));
  await using fixture = new ProxyFixture([origin], {
    routes: [{ match: {}, upstream: "app", retries: { attempts: 0, on: [] } }],
  });
  const client = await fixture.client(`${method} / HTTP/${version}\r\nHost: a\r\n\r\n`);
  await client.end();
  await within(client.done, { what: "the end of the exchange" });
  await until(() => fixture.records.length > 0, { what: "the line in the log" });
  const [{ status, reason }] = fixture.records as [AccessRecord];
  await serving;
  check(exchange, client, status === 502 && reason !== "ok");
}

Deno.test("whatever a backend answers, a client gets it whole, as cut short, or as 502", async () => {
  let next = 1;
  const lane = async () => {
    for (let seed; (seed = next++) <= EXCHANGES;) {
      const exchange = exchangeOf(seededRandom(seed));
      try {
        await run(exchange);
      } catch (error) {
        throw new Error(`seed ${seed}: ${JSON.stringify(exchange)}`, { cause: error });
      }
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
});
