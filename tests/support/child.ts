import { createHash } from "node:crypto";
import { within } from "./wait.ts";

/** What to start. */
export interface ChildSpec {
  readonly program: string;
  readonly args: readonly string[];
  readonly uid?: number;
  /** Variables of its environment, besides the usual ones. */
  readonly env?: Readonly<Record<string, string>>;
  /** @default where the tests run */
  readonly cwd?: string;
  /** Called for each line of standard error as it comes. */
  readonly onErrorLine?: (line: string) => void;
  /** Written to standard input, which is then closed. */
  readonly input?: string;
}

/** How a program ended, and what it said. */
export interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const GRACE_MS = 5_000;
/** The longest that a program which is to end by itself may take. */
const RUN_MS = 120_000;

/** A program that runs in the background. Its owner disposes of it, which ends it. */
export class Child implements AsyncDisposable {
  readonly pid: number;
  /** Resolves to the exit code when it has ended and all that it wrote has been read. */
  readonly exit: Promise<number>;
  stdout = "";
  stderr = "";
  running = true;
  readonly #child: Deno.ChildProcess;

  constructor(spec: ChildSpec) {
    this.#child = new Deno.Command(spec.program, {
      args: [...spec.args],
      stdin: spec.input === undefined ? "null" : "piped",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1", LC_ALL: "C", ...spec.env },
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
      // Another user may not be allowed into the folder that the tests run in.
      ...(spec.uid === undefined ? {} : { uid: spec.uid, cwd: "/" }),
    }).spawn();
    this.pid = this.#child.pid;
    const { stdout, stderr, status } = this.#child;
    const ended = status.then((status) => {
      this.running = false;
      return status.code;
    });
    this.exit = Promise.all([
      ended,
      eachPiece(stdout, (text) => this.stdout += text),
      this.#readErrors(stderr, spec.onErrorLine),
      spec.input === undefined ? undefined : feed(this.#child.stdin, spec.input),
    ]).then(([code]) => code);
  }

  /** Sends a signal, unless the program has ended. */
  signal(signal: Deno.Signal): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Ends the program: by SIGTERM, and by SIGKILL when that does not help. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGTERM");
    const timer = setTimeout(() => this.signal("SIGKILL"), GRACE_MS);
    await this.exit;
    clearTimeout(timer);
  }

  async #readErrors(stream: ReadableStream<Uint8Array>, onLine?: (line: string) => void): Promise<void> {
    let rest = "";
    await eachPiece(stream, (text) => {
      this.stderr += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop()!;
      for (const line of lines) onLine?.(line);
    });
  }
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  options: Pick<ChildSpec, "uid" | "cwd" | "input" | "env"> = {},
): Promise<Result> {
  await using child = new Child({ program, args, ...options });
  const code = await within(child.exit, { what: `${program} to end`, timeoutMs: RUN_MS });
  return { code, stdout: child.stdout, stderr: child.stderr };
}

/** Runs a program that must succeed; resolves to what it wrote to standard output. */
export async function output(
  program: string,
  args: readonly string[],
  options: { uid?: number; input?: string } = {},
): Promise<string> {
  const { code, stdout, stderr } = await run(program, args, options);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}\n${stderr}${stdout}`);
  return stdout;
}

/** Runs a program that must succeed; resolves to the length and the SHA-256 of what it wrote. */
export async function hashOutput(
  program: string,
  args: readonly string[],
): Promise<{ length: number; sha256: string }> {
  const child = new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  await using _ended = endAtLast(child);
  const hash = createHash("sha256");
  let length = 0;
  const reading = (async () => {
    for await (const chunk of child.stdout) {
      hash.update(chunk);
      length += chunk.length;
    }
    return await child.status;
  })();
  const { code } = await within(reading, { what: `${program} to end`, timeoutMs: RUN_MS });
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}`);
  return { length, sha256: hash.digest("hex") };
}

/** Ends a child, should it still run, when the test is over. */
export function endAtLast(child: Deno.ChildProcess): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}

async function eachPiece(stream: ReadableStream<Uint8Array>, take: (text: string) => void): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}

async function feed(stream: WritableStream<Uint8Array>, text: string): Promise<void> {
  const writer = stream.getWriter();
  try {
    await writer.write(new TextEncoder().encode(text));
    await writer.close();
  } catch {
    // It has ended without reading all of it.
  }
}
