import { type Bench, LOAD_CORE } from "./types.ts";
import { denoProgram } from "./deno_program.ts";
import { freePort, type Server, startServer } from "./server.ts";

/** The bytes of a large body. */
export const LARGE_BYTES = 2 ** 30;

/** Starts an iperf3 server. It serves one test at a time. */
export function startIperf(bench: Bench): Promise<Server> {
  const port = freePort();
  const args = ["--server", "--bind", "127.0.0.1", "--port", String(port)];
  return startServer({ program: "iperf3", args, core: LOAD_CORE, signal: bench.signal }, port);
}

/** Starts a web server that answers every request with a few bytes, and keeps connections alive for good. */
export async function startWeb(bench: Bench): Promise<Server> {
  const port = freePort();
  const file = `${bench.directory}/web-${port}.conf`;
  await Deno.writeTextFile(file, webConfig(port, bench.directory));
  await Deno.writeFile(`${bench.directory}/100k`, new Uint8Array(100 * 1024));
  await Deno.writeFile(`${bench.directory}/1m`, new Uint8Array(1024 * 1024));
  await writeLarge(bench);
  const args = ["-e", "stderr", "-p", bench.directory, "-c", file];
  return await startServer({ program: "nginx", args, core: LOAD_CORE, signal: bench.signal }, port);
}

/** Starts a program that sends back what it receives and otherwise holds connections open. */
export function startEcho(bench: Bench): Promise<Server> {
  const port = freePort();
  return startServer(denoProgram("./echo_sink.ts", { args: [port], bench }), port);
}

/** Starts a program that answers with the number of bytes of a request's body; `DIRECTORY/1g` is there to be sent. */
export async function startUploads(bench: Bench): Promise<Server> {
  const port = freePort();
  await writeLarge(bench);
  return await startServer(denoProgram("./upload_origin.ts", { args: [port], bench }), port);
}

/** A file of zeros that takes no room on the disk. */
async function writeLarge({ directory }: Bench): Promise<void> {
  await Deno.writeFile(`${directory}/1g`, new Uint8Array());
  await Deno.truncate(`${directory}/1g`, LARGE_BYTES);
}

/** Starts a program that sends without end to a client that asks for it, and reads all that others send. */
export function startBulk(bench: Bench): Promise<Server> {
  const port = freePort();
  return startServer(denoProgram("./bulk_sink.ts", { args: [port], bench }), port);
}

function webConfig(port: number, directory: string): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
    .map((name) => `  ${name}_temp_path ${directory}/${name};`).join("\n");
  // The workers of a server that root starts have a user of their own, without access to the directory.
  return `daemon off;
${Deno.uid() === 0 ? "user root;" : ""}
worker_processes 1;
error_log stderr warn;
pid web-${port}.pid;
events { worker_connections 4096; }
http {
  access_log off;
  keepalive_requests 1000000000;
${temporary}
  server {
    listen 127.0.0.1:${port} backlog=4096;
    location = /100k { root ${directory}; }
    location = /1m { root ${directory}; }
    location = /1g { root ${directory}; sendfile on; }
    location / { return 200 "a small body of 32 bytes, fixed\\n"; }
  }
}
`;
}
