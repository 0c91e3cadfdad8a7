import { type Bench, LOAD_CORE } from "./types.ts";
import { run } from "./run.ts";

/** What curl tells of one transfer. */
export interface Transfer {
  /** Bytes of the body that the receiver has counted. */
  bytes: number;
  /** Without the start of curl itself. */
  seconds: number;
}

/** Longer than a transfer of 1 GiB takes on a machine that is busy with other things. */
const TIMEOUT_MS = 180_000;

/** Fetches a response and counts its bytes. Throws unless it is complete and has the status 200. */
export async function download(url: string, bench: Bench): Promise<Transfer> {
  const { status, received, seconds } = await curl([url, "--output", "/dev/null"], bench);
  if (status !== 200) throw new Error(`curl got the status ${status}`);
  return { bytes: received, seconds };
}

/**
 * Sends a file to an origin that answers with the number of bytes it has received. Throws unless it answers, with
 * the status 200.
 */
export async function upload(
  url: string,
  { file, chunked, bench }: { file: string; chunked: boolean; bench: Bench },
): Promise<Transfer> {
  const framing = chunked ? ["--header", "Transfer-Encoding: chunked"] : [];
  // Without Expect no transfer begins with a wait for 100 (Continue).
  const args = [url, "--upload-file", file, "--header", "Expect:", ...framing];
  const { status, seconds, body } = await curl(args, bench);
  if (status !== 200 || !/^\d+\n$/.test(body)) throw new Error(`curl got the status ${status}: ${body}`);
  return { bytes: Number(body), seconds };
}

async function curl(args: readonly string[], { signal }: Bench) {
  const told = "told %{http_code} %{size_download} %{time_total}\\n";
  const always = ["--silent", "--show-error", "--http1.1", "--noproxy", "*", "--write-out", told];
  const spec = { program: "curl", args: ["--disable", ...always, ...args], core: LOAD_CORE, signal };
  const { code, output } = await run(spec, TIMEOUT_MS);
  const [line, status, received, seconds] = /told (\d+) (\d+) ([\d.]+)\n/.exec(output) ?? [];
  if (code !== 0 || line === undefined) throw new Error(`curl failed with ${code}: ${output.slice(-500)}`);
  return {
    status: Number(status),
    received: Number(received),
    seconds: Number(seconds),
    body: output.replace(line, ""),
  };
}
