import { connect, exchange, readLine } from "./peers.ts";
import { until } from "./wait.ts";

/**
 * Clients that connect, hear the name of their backend, exchange a few bytes and leave, again and again, until
 * they are stopped. The backends must be such that {@linkcode greet} makes.
 */
export class Load {
  /** How many have been served, by the name of the backend. */
  readonly served = new Map<string, number>();
  /** What went wrong. */
  readonly errors: string[] = [];
  readonly #connect: () => Promise<Deno.Conn>;
  readonly #workers: Promise<void>[];
  #stopping = false;
  #total = 0;

  constructor(port: number, options: { clients?: number; connect?: () => Promise<Deno.Conn> } = {}) {
    this.#connect = options.connect ?? (() => connect(port));
    this.#workers = Array.from({ length: options.clients ?? 6 }, () => this.#work());
  }

  /** Resolves when as many more have been served, or a client has not been. */
  async more(count: number): Promise<void> {
    const goal = this.#total + count;
    await until(() => this.#total >= goal || this.errors.length > 0, {
      what: `${count} more clients served`,
    });
  }

  /** Resolves when no client is being served any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#stopping && this.errors.length < 10) {
      try {
        using connection = await this.#connect();
        const name = await readLine(connection);
        const text = `${name} ${this.#total}`;
        if (await exchange(connection, text) !== text) throw new Error("the echo differs");
        this.served.set(name, (this.served.get(name) ?? 0) + 1);
        this.#total++;
      } catch (error) {
        this.errors.push(String(error));
      }
    }
  }
}
