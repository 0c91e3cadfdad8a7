import { Child } from "./child.ts";
import { writeAll } from "./bytes.ts";
import { findProgram } from "./installed.ts";
import { startNginx } from "./servers.ts";
import { until } from "./wait.ts";

/** A request as a server has read it. Each character of the body stands for a byte. */
export interface ReadRequest {
  readonly method: string;
  readonly target: string;
  /** Absent where the server does not tell. */
  readonly body?: string;
}

/** What a server has read of the bytes of one connection. */
export interface Reading {
  readonly requests: readonly ReadRequest[];
  /** It has refused what came behind them. */
  readonly refused: boolean;
}

/** A server that tells with each answer, in the field X-Read, what it has read. */
export interface RequestReader {
  readonly name: string;
  /** Sends `bytes` on a connection of its own, and ends this side if `ends`; until the server has ended its side. */
  read(bytes: Uint8Array, options: { ends: boolean }): Promise<Reading>;
}

/** Programs that {@linkcode startReaders} needs. */
export const READER_PROGRAMS = ["nginx", "node"];

/** Prints its port. */
const NODE = `const server = require("node:http").createServer((request, response) => {
  const pieces = [];
  request.on("data", (piece) => pieces.push(piece));
  request.on("end", () => {
    const body = Buffer.concat(pieces).toString("latin1");
    const read = JSON.stringify({ method: request.method, target: request.url, body });
    response.setHeader("X-Read", Buffer.from(read, "latin1").toString("base64"));
    response.end();
  });
}).listen(0, "127.0.0.1", () => console.log(server.address().port));`;

/** nginx reads the request, and has it told by Node, to which it passes it on. */
const NGINX = (port: number) =>
  `server {
    listen 127.0.0.1:PORT;
    location / {
      proxy_pass http://127.0.0.1:${port};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }`;

/** Starts nginx, Node and a server of Deno. Disposing of the stack ends them. */
export async function startReaders(stop: AsyncDisposableStack): Promise<readonly RequestReader[]> {
  const node = stop.use(new Child({ program: findProgram("node")!, args: ["-e", NODE] }));
  await until(() => node.stdout.includes("\n"), { what: "Node to listen", context: () => node.stderr });
  const nodePort = Number(node.stdout);
  const nginx = stop.use(await startNginx(NGINX(nodePort)));
  const deno = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {}, onError: refuse }, tell);
  stop.defer(() => deno.shutdown());
  return [
    { name: "Node", read: (bytes, options) => ask(nodePort, { bytes, ...options }) },
    { name: "nginx", read: (bytes, options) => ask(nginx.port, { bytes, ...options }) },
    { name: "Deno", read: (bytes, options) => ask(deno.addr.port, { bytes, ...options }) },
  ];
}

/** Deno gives its handlers no body of GET and HEAD. */
async function tell(request: Request): Promise<Response> {
  const { method, url } = request;
  const target = url.slice(url.indexOf("/", "http://".length));
  const hidden = method === "GET" || method === "HEAD";
  const body = hidden ? undefined : latin1(new Uint8Array(await request.arrayBuffer()));
  return new Response(null, { headers: { "X-Read": btoa(JSON.stringify({ method, target, body })) } });
}

/** The body has been cut short. */
function refuse(): Response {
  return new Response(null, { status: 400 });
}

async function ask(port: number, { bytes, ends }: { bytes: Uint8Array; ends: boolean }): Promise<Reading> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  let text = "";
  try {
    await writeAll(connection, bytes);
    if (ends) await connection.closeWrite();
    const buffer = new Uint8Array(64 * 1024);
    for (let count; (count = await connection.read(buffer)) !== null;) {
      text += latin1(buffer.subarray(0, count));
    }
  } catch {
    // The server has refused it before all was sent.
  }
  const requests = [...text.matchAll(/^x-read: (\S+)/gim)].map((match) => JSON.parse(atob(match[1]!)));
  return { requests, refused: /^HTTP\/1\.1 [45]/m.test(text) };
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
