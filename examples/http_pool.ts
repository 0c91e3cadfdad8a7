/**
 * A reverse proxy in a program of its own: `HttpPool.handle` as the handler of `Deno.serve`, in front of three servers
 * that this example starts itself.
 *
 *     deno run --allow-net examples/http_pool.ts
 *     curl -i http://127.0.0.1:8000/
 *     curl -i http://127.0.0.1:8000/api/users?id=7
 *     curl -i http://127.0.0.1:8000/api
 */
import { HttpPool, type Log } from "../src/mod.ts";

/** Answers with its name, and with what it was asked for. */
function startBackend(name: string): string {
  const { addr } = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request) => {
    const { pathname, search } = new URL(request.url);
    return Response.json({ name, path: pathname + search, client: request.headers.get("x-forwarded-for") });
  });
  return `http://127.0.0.1:${addr.port}`;
}

const log: Log = {
  debug() {},
  info: (message, fields) => console.log(message, fields),
  warn: (message, fields) => console.warn(message, fields),
  error: (message, fields) => console.error(message, fields),
};

const pool = new HttpPool({
  balance: "least-connections",
  maxConnections: 100,
  responseHeaders: true,
  log,
  // The client has left, and gets nothing: without a response here, the server would log an error.
  onError: ({ status }) => status === 0 ? new Response(null, { status: 499 }) : undefined,
  onAccess: ({ method, path, status, backend, tries }) => console.log(method, path, status, backend, tries),
});
pool.add(startBackend("app-1"), { weight: 2, health: { type: "http", http: { path: "/healthz" } } });
pool.add(startBackend("app-2"));
pool.add(startBackend("api"), { route: { path: "/api", rewrite: "/v2", redirect: "/api/docs" } });

const server = Deno.serve(
  { hostname: "127.0.0.1", port: Number(Deno.args[0] ?? 8000) },
  (request, { remoteAddr }) => pool.handle(request, { client: remoteAddr }),
);
Deno.addSignalListener("SIGINT", async () => {
  await server.shutdown();
  await pool.close();
  Deno.exit();
});
