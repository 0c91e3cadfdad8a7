/**
 * Opens tunnels and leaves them idle:
 * `deno run --allow-net=127.0.0.1 --allow-read=DIRECTORY idle_client.ts PORT COUNT MODE DIRECTORY`.
 *
 * Each tunnel carries a few bytes there and back once; then `open COUNT` is written. Ends when its standard
 * input does, or with an error when a tunnel is closed by the other side, since then nothing is measured.
 */
import { connectorOf } from "./connect.ts";
import type { Mode } from "./types.ts";

const AT_A_TIME = 32;

async function openAll(connect: () => Promise<Deno.Conn>, count: number): Promise<Deno.Conn[]> {
  const tunnels: Deno.Conn[] = [];
  let started = 0;
  const opener = async () => {
    while (started++ < count) tunnels.push(await open(connect));
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, opener));
  return tunnels;
}

async function open(connect: () => Promise<Deno.Conn>): Promise<Deno.Conn> {
  const tunnel = await connect();
  await tunnel.write(new TextEncoder().encode("hello\n"));
  const buffer = new Uint8Array(64);
  for (let received = 0; received < 6;) {
    const count = await tunnel.read(buffer);
    if (count === null) throw new Error("a tunnel was closed before its bytes came back");
    received += count;
  }
  return tunnel;
}

async function failWhenClosed(tunnel: Deno.Conn): Promise<void> {
  await tunnel.read(new Uint8Array(1)).catch(() => null);
  throw new Error("an idle tunnel was closed");
}

if (import.meta.main) {
  const [port, count, mode, directory = ""] = Deno.args;
  const connect = connectorOf(mode as Mode, directory);
  const tunnels = await openAll(() => connect(Number(port)), Number(count));
  for (const tunnel of tunnels) failWhenClosed(tunnel);
  console.log(`open ${tunnels.length}`);
  await Deno.stdin.readable.pipeTo(new WritableStream());
  Deno.exit(0);
}
