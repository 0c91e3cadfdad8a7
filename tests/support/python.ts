const PRELUDE = `
import socket, struct, sys
def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()
def say(text):
    print(text, flush=True)
def hear():
    return sys.stdin.readline().strip()
`;

/**
 * A Python program beside the test, for what Deno's sockets can't do (a reset, a queue that is full). It may use
 * `reset(socket)`, `say(text)` and `hear()`; its arguments are `sys.argv[1:]`. Disposing of it ends its input and
 * awaits its end.
 */
export class Python implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #lines: ReadableStreamDefaultReader<string>;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  #rest = "";

  constructor(program: string, ...args: (string | number)[]) {
    this.#child = new Deno.Command("python3", {
      args: ["-S", "-E", "-c", PRELUDE + program, ...args.map(String)],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    this.#lines = this.#child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    this.#input = this.#child.stdin.getWriter();
  }

  /** The next line that it says. */
  async hear(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end >= 0) {
        const line = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      const { done, value } = await this.#lines.read();
      if (done) throw new Error("The Python program has ended");
      this.#rest += value;
    }
  }

  /** Sends it a line. */
  async say(line: string): Promise<void> {
    await this.#input.write(new TextEncoder().encode(`${line}\n`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {});
    while (!(await this.#lines.read()).done);
    await this.#child.status;
  }
}
