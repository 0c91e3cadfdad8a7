/** Sends back what it receives: `deno run --allow-net=127.0.0.1 echo_sink.ts PORT`. */
import { serve } from "./serve.ts";

async function echo(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(64);
  for (let count = 0; (count = await connection.read(buffer) ?? 0) > 0;) {
    await connection.write(buffer.subarray(0, count));
  }
}

if (import.meta.main) await serve(Number(Deno.args[0]), echo);
