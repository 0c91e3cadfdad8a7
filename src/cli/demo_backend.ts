/** A small HTTP server that says its name, on a port that the system picks. The caller closes it. */
export interface DemoBackend {
  readonly name: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Starts a backend that answers every request with its name, and then closes the connection. */
export function startDemoBackend(name: string): DemoBackend {
  const body = `hello from backend ${name}\n`;
  const headers = { "connection": "close", "x-backend": name };
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    handler: () => new Response(body, { headers }),
  });
  return { name, port: server.addr.port, close: () => server.shutdown() };
}
