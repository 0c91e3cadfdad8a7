/**
 * Sends bytes without end to a client that begins with a "d" (down), and reads to the end what any other sends:
 * `deno run --allow-net=127.0.0.1 bulk_sink.ts PORT`.
 */
import { serve } from "./serve.ts";

const BUFFER_BYTES = 256 * 1024;
const DOWN = "d".charCodeAt(0);

async function stream(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(BUFFER_BYTES);
  await connection.read(buffer);
  const down = buffer[0] === DOWN;
  // Ends when the client has gone, with an error where it was being written to.
  while (down) await connection.write(buffer);
  while (await connection.read(buffer) !== null);
}

if (import.meta.main) await serve(Number(Deno.args[0]), stream);
