/**
 * The least that can stand between two connections on this runtime, and so what it allows at best: accept, dial,
 * copy both ways, close both when one has ended. No policy, no timers, no half-close, no log.
 * `deno run --allow-net=127.0.0.1 bare_loop.ts PORT BACKEND_PORT`.
 */
import { serve } from "./serve.ts";

const SMALL_BYTES = 1024;
const LARGE_BYTES = 256 * 1024;

const free: Uint8Array[] = [];

async function copy(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
  let buffer = free.pop() ?? new Uint8Array(SMALL_BYTES);
  try {
    for (let count; (count = await from.read(buffer)) !== null;) {
      for (let sent = 0; sent < count;) sent += await to.write(buffer.subarray(sent, count));
      if (count === buffer.length && count < LARGE_BYTES) buffer = new Uint8Array(LARGE_BYTES);
    }
  } catch {
    // One side has gone, or the other direction has ended and closed both.
  }
  if (buffer.length === SMALL_BYTES) free.push(buffer);
}

if (import.meta.main) {
  const [port, backendPort] = Deno.args.map(Number);
  await serve(port!, async (client) => {
    using backend = await Deno.connect({ hostname: "127.0.0.1", port: backendPort! });
    await Promise.race([copy(client, backend), copy(backend, client)]);
  });
}
