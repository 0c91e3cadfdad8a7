import { type Bench, LOAD_CORE, TLS_CIPHER } from "./types.ts";
import { certificatePaths } from "./certificate_paths.ts";
import type { Target, Work } from "./load.ts";
import { Process } from "./process.ts";
import { usageOf } from "./proc.ts";

/** A running `openssl s_time`, and the file that it writes to. */
interface Client {
  process: Process;
  file: string;
}

const CLIENTS = 16;
const STARTING_MS = 15_000;
const WARM_UP_MS = 1_000;
/** The clients are given that much more than is measured, for the warm-up and since they do not start at once. */
const SPARE_SECONDS = 3;
/** The origin's body is that long, and a header comes before it. */
const LEAST_ANSWER_BYTES = 32;

/**
 * Loads a proxy from several `openssl s_time -reuse` at once, each with one connection after the other. Throws
 * when a session was not resumed, or an exchange brought no answer.
 */
export async function resumeSessions(target: Target, bench: Bench): Promise<Work> {
  await using stack = new AsyncDisposableStack();
  const clients = Array.from({ length: CLIENTS }, (_, index) => {
    const file = `${bench.directory}/s_time-${target.server.port}-${index}`;
    return { process: stack.use(startClient(target, { file, bench })), file };
  });
  for (const { process, file } of clients) {
    await process.until(() => written(file) > 0 && read(file).includes("starting"), STARTING_MS);
  }
  await wait(WARM_UP_MS);
  const before = progress(clients, target);
  await wait(1_000 * bench.seconds);
  const after = progress(clients, target);
  for (const { process } of clients) {
    if (!process.running) throw process.failure("ended too early");
  }
  for (const client of clients) check(client, await client.process.ended());
  return {
    count: after.letters - before.letters,
    seconds: (after.atMs - before.atMs) / 1_000,
    cpuSeconds: after.cpuSeconds - before.cpuSeconds,
  };
}

/** It writes to a file, since to read a letter for each connection would take much of the load's core. */
function startClient({ server, mode }: Target, { file, bench }: { file: string; bench: Bench }): Process {
  const { clientCert, clientKey } = certificatePaths(bench.directory);
  const own = mode === "mtls" ? ["-cert", clientCert, "-key", clientKey] : [];
  const tls = ["-tls1_3", "-ciphersuites", TLS_CIPHER, "-no-CAfile", "-no-CApath", "-no-CAstore", ...own];
  const what = ["-reuse", "-www", "/", "-time", String(bench.seconds + SPARE_SECONDS)];
  const args = ["s_time", "-connect", `127.0.0.1:${server.port}`, ...tls, ...what];
  return new Process({
    program: "sh",
    args: ["-c", 'exec openssl "$@" > "$0"', file, ...args],
    core: LOAD_CORE,
    signal: bench.signal,
  });
}

/** How far it is: while it runs, a client writes one letter for each connection and nothing else. */
function progress(clients: readonly Client[], { server }: Target) {
  return {
    atMs: performance.now(),
    letters: clients.reduce((sum, { file }) => sum + written(file), 0),
    cpuSeconds: usageOf(server.process.pid).cpuSeconds,
  };
}

/** A client counts also what was closed on it, so that the bytes must tell. */
function check({ process, file }: Client, code: number): void {
  const text = read(file);
  const fail = (what: string) => new Error(`openssl s_time ${what}: ${(text + process.output).slice(-300)}`);
  const [, connections, bytes] = /(\d+) connections in .*bytes read (\d+)/.exec(text) ?? [];
  if (code !== 0 || connections === undefined) throw fail("failed");
  if (Number(bytes) < LEAST_ANSWER_BYTES * Number(connections)) throw fail("got no answers");
  // An "r" stands for a session that was resumed, a "*" for one that was not.
  if (text.includes("*")) throw fail("made full handshakes");
}

/** In bytes; none before the file is there. */
function written(file: string): number {
  try {
    return Deno.statSync(file).size;
  } catch {
    return 0;
  }
}

function read(file: string): string {
  return Deno.readTextFileSync(file);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
