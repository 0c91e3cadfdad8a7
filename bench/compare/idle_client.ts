/**
 * Opens tunnels, or connections of HTTP clients, and leaves them idle:
 * `deno run --allow-net=127.0.0.1 --allow-read=DIRECTORY idle_client.ts PORT COUNT MODE DIRECTORY`.
 *
 * Each tunnel carries a few bytes there and back once, each client gets one response; then `open COUNT` is written. Ends when its standard
 * input does, or with an error when a tunnel is closed by the other side, since then nothing is measured.
 */
import { connectorOf } from "./connect.ts";
import type { Mode } from "./types.ts";

const AT_A_TIME = 32;

/** What is sent on each connection, and the end of what comes back. */
interface Exchange {
  readonly sent: string;
  readonly end: string;
}

const ECHO: Exchange = { sent: "hello\n", end: "hello\n" };
const REQUEST: Exchange = { sent: "GET / HTTP/1.1\r\nHost: compare\r\n\r\n", end: "fixed\n" };

interface Opening {
  readonly connect: () => Promise<Deno.Conn>;
  readonly exchange: Exchange;
}

async function openAll(opening: Opening, count: number): Promise<Deno.Conn[]> {
  const tunnels: Deno.Conn[] = [];
  let started = 0;
  const opener = async () => {
    while (started++ < count) tunnels.push(await open(opening));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, opener));
  return tunnels;
}

async function open({ connect, exchange: { sent, end } }: Opening): Promise<Deno.Conn> {
  const tunnel = await connect();
  await tunnel.write(new TextEncoder().encode(sent));
  const buffer = new Uint8Array(1024);
  for (let received = ""; !received.endsWith(end);) {
    const count = await tunnel.read(buffer);
    if (count === null) throw new Error("a connection was closed before its bytes came back");
    received += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return tunnel;
}

async function failWhenClosed(tunnel: Deno.Conn): Promise<void> {
  await tunnel.read(new Uint8Array(1)).catch(() => null);
  throw new Error("an idle connection was closed");
}

if (import.meta.main) {
  const [port, count, mode, directory = ""] = Deno.args;
  const connect = connectorOf(mode as Mode, directory);
  const exchange = mode === "http" ? REQUEST : ECHO;
  const tunnels = await openAll({ connect: () => connect(Number(port)), exchange }, Number(count));
  for (const tunnel of tunnels) failWhenClosed(tunnel);
  console.log(`open ${tunnels.length}`);
  await Deno.stdin.readable.pipeTo(new WritableStream());
  Deno.exit(0);
}
