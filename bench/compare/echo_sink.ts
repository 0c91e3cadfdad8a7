/**
 * Sends back what it receives: `deno run --allow-net=127.0.0.1 echo_sink.ts PORT`.
 *
 * Ends when its standard input does, so that it never outlives the program that started it.
 */
async function serve(listener: Deno.TcpListener): Promise<never> {
  while (true) {
    try {
      echo(await listener.accept()).catch(() => {});
    } catch {
      // A connection that was reset before it was accepted makes accept() throw NotConnected; the next is fine.
    }
  }
}

async function echo(connection: Deno.TcpConn): Promise<void> {
  using _close = connection;
  const buffer = new Uint8Array(64);
  for (let count = 0; (count = await connection.read(buffer) ?? 0) > 0;) {
    await connection.write(buffer.subarray(0, count));
  }
}

if (import.meta.main) {
  serve(Deno.listen({ hostname: "127.0.0.1", port: Number(Deno.args[0]), tcpBacklog: 4096 }));
  await Deno.stdin.readable.pipeTo(new WritableStream());
  Deno.exit(0);
}
