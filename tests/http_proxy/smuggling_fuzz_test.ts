import { assert, assertEquals } from "@std/assert";
import { RequestParser } from "../../src/mod.ts";
import { seededRandom } from "../core/seeded_random.ts";
import { testWith } from "../support/installed.ts";
import {
  READER_PROGRAMS,
  type ReadRequest,
  type RequestReader,
  startReaders,
} from "../support/request_readers.ts";
import { bytesOf, OK, ProxyFixture, type RawConnection, RawOrigin } from "./proxy_fixture.ts";
import { requestStream } from "./request_streams.ts";
import { readMessage } from "./strictness/messages.ts";

/** How many streams: `deno test -A tests/http_proxy/smuggling_fuzz_test.ts -- 20000` for more. */
const STREAMS = Number(Deno.args[0] ?? 400);
/** Streams at once. */
const LANES = 8;
const SENTINEL = "GET /sentinel HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

/** What our parser reads of a stream, as far as a proxy serves it: its complete requests. */
function readByUs(bytes: Uint8Array): ReadRequest[] {
  const requests: ReadRequest[] = [];
  let [request, body, over] = [{ method: "", target: "" }, "", false];
  let closes = false;
  const parser = new RequestParser({
    onHead({ method, path, query, keepAlive }) {
      request = { method, target: path + query };
      body = "";
      closes = !keepAlive;
    },
    onData: (data) => body += String.fromCharCode(...data),
    onEnd() {
      if (!over) requests.push({ ...request, body });
      over ||= closes;
    },
  });
  try {
    for (let rest = bytes; rest.length > 0;) {
      rest = rest.subarray(parser.push(rest));
      if (parser.paused) parser.resume();
    }
  } catch {
    // Refused.
  }
  return requests;
}

/** Answers each request when its end is there. Faults are told to `onFault`. */
function recording(onFault: (error: unknown) => void): RawOrigin["serve"] {
  return async (connection) => {
    for (let at = 0;;) {
      let end = -1;
      await connection.until(() => {
        try {
          const message = readMessage(connection.received, { at, body: "none" });
          end = message?.complete === true ? message.end : -1;
        } catch (error) {
          onFault(error);
        }
        return end !== -1;
      });
      if (end === -1) return;
      const isHead = connection.received.startsWith("HEAD ", at);
      at = end;
      await connection.send(isHead ? OK.slice(0, -2) : OK);
    }
  };
}

/** Sends a stream in random pieces, and waits until the proxy has ended the connection. */
async function send(client: RawConnection, { bytes, random }: { bytes: Uint8Array; random: () => number }) {
  const text = String.fromCharCode(...bytes);
  try {
    for (let at = 0; at < text.length;) {
      const size = random() < 0.7 ? text.length : 1 + Math.floor(random() * 40);
      await client.send(text.slice(at, at += size));
    }
    await client.end();
  } catch {
    // The proxy has refused it, and closed.
  }
  await client.rest();
}

/** What an origin has received on one connection: the number of its whole requests, and whether it ends with one. */
function measure(received: string): { count: number; isWhole: boolean } {
  let count = 0;
  for (let at = 0; at < received.length; count++) {
    const message = readMessage(received, { at, body: "none" });
    if (message === undefined || !message.complete) return { count, isWhole: false };
    at = message.end;
  }
  return { count, isWhole: true };
}

/** Has one server read what an origin has received, and compares. Returns how many requests are the same. */
async function readAgain(
  reader: RequestReader,
  received: string,
  ours: readonly ReadRequest[],
): Promise<number> {
  const { isWhole } = measure(received);
  const reading = await reader.read(bytesOf(isWhole ? received + SENTINEL : received), { ends: !isWhole });
  const requests = [...reading.requests];
  const last = requests.at(-1);
  // Deno does not read a body that its handlers do not get: it answers before the end, and closes the connection.
  const isUnread = last !== undefined && last.body === undefined;
  if (isWhole && last?.target === "/sentinel") requests.pop();
  else if (isWhole) assert(reading.refused || isUnread, `${reader.name} ends at ${JSON.stringify(last)}`);
  else if (isUnread) requests.pop();
  const rest = [...ours];
  for (const request of requests) {
    const at = reading.refused ? rest.findIndex((other) => isSame(request, other)) : 0;
    assert(
      isSame(request, rest[at]),
      `${reader.name} reads ${JSON.stringify(request)}, not ${JSON.stringify(ours)}`,
    );
    rest.splice(0, at + 1);
  }
  return requests.length;
}

/** Whether both are the same, as far as both tell: of `*`, Deno tells another target. */
function isSame({ method, target, body }: ReadRequest, ours: ReadRequest | undefined): boolean {
  return method === ours?.method && (target === ours.target || target === `/${ours.target}`) &&
    (body ?? ours.body) === ours.body;
}

/** Sends the stream of a seed. Returns how many requests were served, and how many each server has read again. */
async function run(
  seed: number,
  readers: readonly RequestReader[],
): Promise<{ served: number; read: number[] }> {
  const random = seededRandom(seed);
  const bytes = requestStream(random);
  const ours = readByUs(bytes);
  let fault: unknown;
  await using origin = new RawOrigin(recording((error) => fault ??= error));
  {
    await using fixture = new ProxyFixture([origin]);
    await send(await fixture.client(), { bytes, random });
  }
  await Promise.all(origin.connections.map(({ done }) => done));
  if (fault !== undefined) throw fault;
  const read = readers.map(() => 0);
  let at = 0;
  for (const { received } of origin.connections) {
    const part = ours.slice(at, at += measure(received).count);
    const counts = await Promise.all(readers.map((reader) => readAgain(reader, received, part)));
    counts.forEach((count, index) => read[index]! += count);
  }
  assertEquals(at, ours.length, "requests that the origin has received");
  return { served: at, read };
}

testWith(
  READER_PROGRAMS,
  "nginx, Node and Deno read what the origin gets as the proxy has read it",
  async () => {
    await using stop = new AsyncDisposableStack();
    const readers = await startReaders(stop);
    const total = readers.map(() => 0);
    let next = 1;
    let served = 0;
    const lane = async () => {
      for (let seed; (seed = next++) <= STREAMS;) {
        try {
          const result = await run(seed, readers);
          served += result.served;
          result.read.forEach((count, index) => total[index]! += count);
        } catch (error) {
          const stream = String.fromCharCode(...requestStream(seededRandom(seed)));
          throw new Error(`seed ${seed}: ${JSON.stringify(stream)}`, { cause: error });
        }
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    assert(served > STREAMS / 2, `${served} requests`);
    // Each of them refuses some methods and hosts that others take.
    for (const count of total) assert(count > 0.9 * served, `${total} of ${served}`);
  },
);
