import { createHash } from "node:crypto";
import { Child } from "../support/child.ts";
import { findProgram } from "../support/installed.ts";
import { type Culvert, HEAD, startCulvert } from "../support/program.ts";
import { type Server, startNginx } from "../support/servers.ts";
import { type OwnPaths, TlsFiles } from "../support/tls_files.ts";
import { until } from "../support/wait.ts";
import { makePki } from "../tls/tls_fixture.ts";

/** Files, and uploads to its folder. */
const NGINX = `server {
    listen 127.0.0.1:PORT;
    root FOLDER;
    dav_methods PUT;
    location = /name { return 200 "nginx"; }
  }`;

/** Answers with hints, in chunks and with a trailer; sends back what it gets; changes to a protocol that echoes once. */
const NODE = `const server = require("node:http").createServer((request, response) => {
  if (request.url === "/name") return response.end("node");
  response.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
  response.writeHead(200, { Trailer: "X-Count" });
  let count = 0;
  request.on("data", (piece) => { count += piece.length; response.write(piece); });
  request.on("end", () => { response.addTrailers({ "X-Count": String(count) }); response.end(); });
}).on("upgrade", (_, socket, head) => {
  socket.write("HTTP/1.1 101 Switching Protocols\\r\\nConnection: upgrade\\r\\nUpgrade: echo\\r\\n\\r\\n");
  if (head.length > 0) socket.end(head);
  else socket.once("data", (data) => socket.end(data));
}).listen(0, "127.0.0.1", () => console.log(server.address().port));`;

const IMAGE =
  `<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>`;
const IMAGES = 12;
/** What a browser downloads. */
export const DOWNLOAD: Uint8Array<ArrayBuffer> = new Uint8Array(300_000).map((_, index) => index * index);

const PAGE = `<!doctype html><title>Culvert</title>
${Array.from({ length: IMAGES }, (_, index) => `<img src="/deno/image${index}.svg">`).join("\n")}
<form method="post" action="/deno/form"><input name="text" value="a &amp; b"><button>Send</button></form>
<a href="/deno/download" download="download.bin">Download</a>`;

/** A web application: a page with images, a form, a download, a WebSocket and events. */
async function serveApp(request: Request): Promise<Response> {
  const { pathname } = new URL(request.url);
  const html = { headers: { "Content-Type": "text/html" } };
  if (pathname === "/name") return new Response("deno");
  if (pathname === "/page") return new Response(PAGE, html);
  if (pathname.startsWith("/image")) {
    return new Response(IMAGE, { headers: { "Content-Type": "image/svg+xml" } });
  }
  if (pathname === "/form") {
    return new Response(
      `<title>${(await request.formData()).get("text") === "a & b" ? "sent" : "?"}</title>`,
      html,
    );
  }
  if (pathname === "/download") return new Response(DOWNLOAD);
  if (pathname === "/hash") return new Response(await hashOf(request.body!));
  if (pathname === "/events") {
    return new Response(events(), { headers: { "Content-Type": "text/event-stream" } });
  }
  if (pathname !== "/socket") return new Response(null, { status: 404 });
  const { socket, response } = Deno.upgradeWebSocket(request);
  socket.onmessage = ({ data }) => socket.send(data);
  return response;
}

async function hashOf(body: ReadableStream<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const piece of body) hash.update(piece);
  return hash.digest("hex");
}

/** Three events; the stream stays open until the client leaves. */
function events(): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const data of ["one", "two", "three"]) {
        controller.enqueue(new TextEncoder().encode(`data: ${data}\n\n`));
      }
    },
  });
}

/** A listener, as curl reaches it. */
export interface Entry {
  readonly name: "plain" | "tls" | "mutual";
  readonly url: string;
  /** What curl has to be told. */
  readonly args: readonly string[];
}

/** The program with three listeners, in front of three servers: /nginx, /node and /deno. */
export interface HttpPeers extends AsyncDisposable {
  readonly culvert: Culvert;
  readonly nginx: Server;
  readonly files: TlsFiles;
  /** Paths: the CA, the certificate of a client and its key. */
  readonly trust: { readonly ca: string; readonly client: OwnPaths };
  readonly entries: readonly Entry[];
}

/** Programs that {@linkcode startHttpPeers} needs. */
export const PEER_PROGRAMS = ["nginx", "node"];

/** Starts all of them. Disposing of the result ends them. */
export async function startHttpPeers(): Promise<HttpPeers> {
  await using stop = new AsyncDisposableStack();
  const node = stop.use(new Child({ program: findProgram("node")!, args: ["-e", NODE] }));
  const nginx = stop.use(await startNginx(NGINX));
  const deno = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, serveApp);
  stop.defer(() => deno.shutdown());
  await until(() => node.stdout.includes("\n"), { what: "Node to listen", context: () => node.stderr });
  const { ca, server, client } = await makePki();
  const files = stop.use(new TlsFiles());
  const own = files.putOwn("server", server);
  const trust = { ca: files.put("ca.pem", ca.certPem), client: files.putOwn("client", client) };
  const upstreams = {
    nginx: nginx.address,
    node: `127.0.0.1:${Number(node.stdout)}`,
    deno: `127.0.0.1:${deno.addr.port}`,
  };
  const culvert = stop.use(await startCulvert(config(upstreams, { own, ca: trust.ca })));
  const owned = stop.move();
  return {
    ...{ culvert, nginx, files, trust, entries: entriesOf(culvert, trust) },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function config(upstreams: Record<string, string>, { own, ca }: { own: OwnPaths; ca: string }): string {
  const routes = Object.keys(upstreams).map((name) =>
    `{match: {path: /${name}}, upstream: ${name}, rewrite: /}`
  );
  const service = (name: string, tls: string) =>
    `  - {name: ${name}, protocol: http, listen: ["127.0.0.1:0"], ${tls}routes: [${routes.join(", ")}]}`;
  const tls = `cert: ${own.cert}, key: ${own.key}`;
  return `${HEAD}
upstreams:
${Object.entries(upstreams).map(([name, address]) => `  ${name}: {backends: ["${address}"]}`).join("\n")}
services:
${service("plain", "")}
${service("tls", `tls: {${tls}}, `)}
${service("mutual", `tls: {${tls}, clientAuth: {ca: ${ca}, allow: [{any: true}]}}, `)}
`;
}

function entriesOf(culvert: Culvert, { ca, client }: HttpPeers["trust"]): Entry[] {
  const trust = ["--cacert", ca];
  const own = ["--cert", client.cert, "--key", client.key];
  return [
    { name: "plain", url: `http://localhost:${culvert.port("plain")}`, args: [] },
    { name: "tls", url: `https://localhost:${culvert.port("tls")}`, args: trust },
    { name: "mutual", url: `https://localhost:${culvert.port("mutual")}`, args: [...trust, ...own] },
  ];
}
