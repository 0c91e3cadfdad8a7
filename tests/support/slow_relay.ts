import { writeAll } from "./bytes.ts";
import { connect, startBackend, type TestBackend } from "./peers.ts";

/**
 * Relays TCP connections to a port of 127.0.0.1, and holds the first bytes of the server back for a while. A TLS handshake
 * then takes that long at least, and a client of TLS 1.3 waits twice as long, at most a second, for a rejection of its
 * certificate.
 */
export function startSlowRelay(port: number, delayMs = 500): TestBackend {
  return startBackend(async (client) => {
    using server = await connect(port);
    await Promise.race([pump(client, server), pump(server, client, delayMs)]);
  });
}

async function pump(from: Deno.Conn, to: Deno.Conn, delayMs = 0): Promise<void> {
  const buffer = new Uint8Array(16 * 1024);
  for (let first = true;; first = false) {
    const count = await from.read(buffer);
    if (count === null) return;
    if (first && delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    await writeAll(to, buffer.subarray(0, count));
  }
}
