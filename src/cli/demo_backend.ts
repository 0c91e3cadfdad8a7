/** A small HTTP server that says its name, on a port that the system picks. The caller closes it. */
export interface DemoBackend {
  readonly name: string;
  readonly port: number;
  close(): Promise<void>;
}

/**
 * Starts a backend. It answers every request with its name, and with the path unless that is `/`; WebSockets get their
 * messages back.
 */
export function startDemoBackend(name: string): DemoBackend {
  const headers = { "connection": "close", "x-backend": name };
  const server = Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen() {},
    handler: (request) => {
      if (request.headers.get("upgrade") === "websocket") return echo(request, name);
      const { pathname } = new URL(request.url);
      const path = pathname === "/" ? "" : `, path ${pathname}`;
      return new Response(`hello from backend ${name}${path}\n`, { headers });
    },
  });
  return { name, port: server.addr.port, close: () => server.shutdown() };
}

function echo(request: Request, name: string): Response {
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => socket.send(`backend ${name} got: ${data}`);
  return response;
}
