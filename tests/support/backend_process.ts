import { Child } from "./child.ts";
import { freePort } from "./folder.ts";
import { until } from "./wait.ts";

const PROGRAM = new URL("./backend_program.ts", import.meta.url).pathname;

/**
 * A backend in a process of its own, which can be killed, stopped as if it hung, and started again at its address.
 * It says its name as a line and then sends everything back. Disposing of it ends it.
 */
export class BackendProcess implements AsyncDisposable {
  readonly name: string;
  readonly port = freePort();
  #child: Child | undefined;

  private constructor(name: string) {
    this.name = name;
  }

  /** Resolves to one that listens. */
  static async start(name: string): Promise<BackendProcess> {
    const backend = new BackendProcess(name);
    try {
      await backend.start();
    } catch (error) {
      await backend[Symbol.asyncDispose]();
      throw error;
    }
    return backend;
  }

  /** As a configuration names it. A loopback address on which no client has a port. */
  get address(): string {
    return `127.77.${this.port >> 8}.1:${this.port}`;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const [hostname, port] = this.address.split(":");
    const args = ["run", "--allow-net", PROGRAM, hostname!, port!, this.name];
    const child = this.#child = new Child({ program: Deno.execPath(), args });
    await until(() => child.stdout.includes("listening"), {
      what: `${this.name} to listen`,
      context: () => child.stderr,
    });
  }

  signal(signal: Deno.Signal): void {
    this.#child?.signal(signal);
  }

  /** Ends it as a crash would. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.#child?.exit;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
