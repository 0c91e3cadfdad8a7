/** A program to start, and the core it is pinned to. */
export interface ProgramSpec {
  program: string;
  args: readonly string[];
  core: number;
  /** @default the caller's working directory */
  cwd?: string;
  /** Ends the program when it fires. */
  signal: AbortSignal;
}

/** How long a program may take to end after SIGTERM before it is killed. */
const GRACE_MS = 3_000;
const OUTPUT_CHARACTERS = 1 << 20;

/**
 * A running program, pinned to one core. Its output is read all the time, so that it never blocks on a full
 * pipe; its standard input stays open until it is stopped. The caller disposes of it.
 */
export class Process implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #name: string;
  readonly #reading: Promise<void>;
  #output = "";
  #status: Deno.CommandStatus | undefined;

  constructor(spec: ProgramSpec) {
    this.#name = spec.program.split("/").at(-1) ?? spec.program;
    // taskset replaces itself with the program, so the pid is the program's own.
    this.#child = new Deno.Command("taskset", {
      args: ["--cpu-list", String(spec.core), spec.program, ...spec.args],
      env: { NO_COLOR: "1", DENO_NO_UPDATE_CHECK: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      signal: spec.signal,
      ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    }).spawn();
    this.#child.status.then((status) => this.#status = status);
    this.#reading = Promise.all([this.#read(this.#child.stdout), this.#read(this.#child.stderr)]).then(
      () => {},
    );
  }

  get pid(): number {
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#status === undefined;
  }

  /** What the program has written so far, both streams together. */
  get output(): string {
    return this.#output;
  }

  /** An error that carries the end of what the program wrote. */
  failure(what: string): Error {
    return new Error(`${this.#name} ${what}: ${this.#output.trim().slice(-500) || "(no output)"}`);
  }

  /** Resolves once `ready` holds. Throws when the program ends first or the time runs out. */
  async until(ready: () => boolean | Promise<boolean>, timeoutMs: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!await ready()) {
      if (!this.running) throw this.failure("ended before it was ready");
      if (performance.now() > deadline) throw this.failure(`was not ready after ${timeoutMs} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Resolves with the exit code once the program has ended and its output has been read. */
  async ended(): Promise<number> {
    const { code } = await this.#child.status;
    await this.#reading;
    return code;
  }

  /** Ends the program: SIGTERM, which lets nginx end its workers, then SIGKILL. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stdin.close().catch(() => {});
    this.#kill("SIGTERM");
    const timer = setTimeout(() => this.#kill("SIGKILL"), GRACE_MS);
    await this.ended();
    clearTimeout(timer);
  }

  #kill(signal: Deno.Signal): void {
    try {
      if (this.running) this.#child.kill(signal);
    } catch {
      // It has ended in between.
    }
  }

  async #read(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      this.#output = (this.#output + text).slice(-OUTPUT_CHARACTERS);
    }
  }
}
