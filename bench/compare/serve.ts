/** What an origin does with a connection; it need not close it. */
export type Handler = (connection: Deno.TcpConn) => Promise<void>;

/**
 * Serves connections to a port of loopback. Ends the program when its standard input ends, so that it never
 * outlives the program that started it.
 */
export async function serve(port: number, handler: Handler): Promise<never> {
  acceptAll(Deno.listen({ hostname: "127.0.0.1", port, tcpBacklog: 4096 }), handler);
  await Deno.stdin.readable.pipeTo(new WritableStream());
  Deno.exit(0);
}

async function acceptAll(listener: Deno.TcpListener, handler: Handler): Promise<never> {
  while (true) {
    try {
      handle(await listener.accept(), handler).catch(() => {});
    } catch {
      // A connection that was reset before it was accepted makes accept() throw NotConnected; the next is fine.
    }
  }
}

async function handle(connection: Deno.TcpConn, handler: Handler): Promise<void> {
  using _close = connection;
  await handler(connection);
}
