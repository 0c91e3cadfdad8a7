/**
 * Loads a TLS listener:
 * `deno run --allow-net=127.0.0.1 --allow-read=DIRECTORY load_client.ts LOAD MODE PORT SECONDS DIRECTORY`.
 *
 * Warms up for a second, writes `warm`, counts for SECONDS, and writes what it has counted as a line of JSON.
 * Ends when its standard input does, or with an error as soon as anything goes wrong.
 */
import { type Connect, connectorOf } from "./connect.ts";
import type { LoadKind } from "./load.ts";
import type { Mode } from "./types.ts";

/** What a load works with. */
interface Work {
  connect: () => ReturnType<Connect>;
  /** Counts bytes, round trips or handshakes. */
  add(count: number): void;
  stopped(): boolean;
}

const WARM_UP_MS = 1_000;
const BUFFER_BYTES = 256 * 1024;
const MESSAGE_BYTES = 64;
const ROUND_TRIP_CONNECTIONS = 64;
/**
 * The runtime's TLS writes its handshake in two pieces with Nagle's algorithm on, so each of these waits some 40 ms
 * for the acknowledgement of the first, whatever the proxy: it takes many at a time to keep one busy.
 */
const HANDSHAKES_AT_A_TIME = 256;
/** The origin's body is that long, and a header comes before it. */
const LEAST_ANSWER_BYTES = 32;

const encoder = new TextEncoder();

const LOADS: Record<LoadKind, (work: Work) => Promise<unknown>> = {
  up: async (work) => {
    using connection = await work.connect();
    await connection.write(encoder.encode("u"));
    const buffer = new Uint8Array(BUFFER_BYTES);
    while (!work.stopped()) work.add(await connection.write(buffer));
  },
  down: async (work) => {
    using connection = await work.connect();
    await connection.write(encoder.encode("d"));
    const buffer = new Uint8Array(BUFFER_BYTES);
    while (!work.stopped()) work.add(await readSome(connection, buffer));
  },
  "round-trips": (work) => times(ROUND_TRIP_CONNECTIONS, () => roundTrips(work)),
  handshakes: (work) => times(HANDSHAKES_AT_A_TIME, () => handshakes(work)),
};

function times(count: number, work: () => Promise<void>): Promise<unknown> {
  return Promise.all(Array.from({ length: count }, work));
}

async function roundTrips({ connect, add, stopped }: Work): Promise<void> {
  using connection = await connect();
  const message = new Uint8Array(MESSAGE_BYTES);
  const buffer = new Uint8Array(MESSAGE_BYTES);
  while (!stopped()) {
    await connection.write(message);
    for (let received = 0; received < MESSAGE_BYTES;) received += await readSome(connection, buffer);
    add(1);
  }
}

/** Each takes a handshake and a small exchange, so that a connection that the proxy has rejected is not counted. */
async function handshakes({ connect, add, stopped }: Work): Promise<void> {
  const request = encoder.encode("GET / HTTP/1.0\r\n\r\n");
  const buffer = new Uint8Array(1024);
  while (!stopped()) {
    using connection = await connect();
    await connection.write(request);
    const received = await readToEnd(connection, buffer);
    if (received < LEAST_ANSWER_BYTES) throw new Error(`an answer had ${received} bytes`);
    add(1);
  }
}

async function readSome(connection: Deno.Conn, buffer: Uint8Array): Promise<number> {
  const count = await connection.read(buffer);
  if (count === null) throw new Error("a connection was closed");
  return count;
}

async function readToEnd(connection: Deno.Conn, buffer: Uint8Array): Promise<number> {
  let received = 0;
  try {
    for (let count; (count = await connection.read(buffer)) !== null;) received += count;
  } catch (error) {
    // The connection has ended without TLS's own sign of it.
    if (!(error instanceof Deno.errors.UnexpectedEof)) throw error;
  }
  return received;
}

const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function main([kind, mode, port, seconds, directory = ""]: string[]): Promise<never> {
  const connect = connectorOf(mode as Mode, directory);
  let count = 0;
  let stopped = false;
  const work: Work = {
    connect: () => connect(Number(port)),
    add: (more) => count += more,
    stopped: () => stopped,
  };
  const loading = LOADS[kind as LoadKind](work);
  await Promise.race([loading, wait(WARM_UP_MS)]);
  const countBefore = count;
  const begin = performance.now();
  console.log("warm");
  await Promise.race([loading, wait(1_000 * Number(seconds))]);
  const result = { count: count - countBefore, seconds: (performance.now() - begin) / 1_000 };
  stopped = true;
  console.log(JSON.stringify(result));
  await Deno.stdin.readable.pipeTo(new WritableStream());
  Deno.exit(0);
}

if (import.meta.main) await main(Deno.args);
