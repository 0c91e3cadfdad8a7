import { connect, exchange, readLine } from "./peers.ts";
import type { Culvert } from "./program.ts";
import { until } from "./wait.ts";

/** So many are served before the usual deadline, however busy the machine is. */
const SERVED_IN_TIME = 20;

/**
 * Clients that connect, hear the name of their backend, exchange a few bytes and leave, again and again, until they
 * are stopped. As `Load`, for what breaks connections on purpose: they go on after an error.
 */
export class Callers implements AsyncDisposable {
  /** How many have been served, by the name of the backend. */
  readonly served = new Map<string, number>();
  /** Connections that broke. */
  readonly errors: string[] = [];
  readonly #port: number;
  readonly #open = new Set<Deno.Conn>();
  readonly #workers: Promise<void>[];
  /** How many calls each client has begun. */
  readonly #begun: number[];
  #stopping = false;
  #total = 0;

  constructor(port: number, { clients = 6 }: { clients?: number } = {}) {
    this.#port = port;
    this.#begun = Array(clients).fill(0);
    this.#workers = this.#begun.map((_, client) => this.#work(client));
  }

  /** Resolves when as many more have been served. Rejects when none is served for long. */
  async more(count: number): Promise<void> {
    const goal = this.#total + count;
    while (this.#total < goal) {
      const next = Math.min(goal, this.#total + SERVED_IN_TIME);
      await until(() => this.#total >= next, {
        what: `${count} more callers served, of which ${goal - this.#total} are missing`,
        context: () => `errors: ${this.errors.slice(-10).join("; ")}`,
      });
    }
  }

  /** Resolves when every call that is under way now has ended. */
  async eachOnce(): Promise<void> {
    const before = [...this.#begun];
    await until(() => this.#begun.every((count, client) => count > before[client]!), {
      what: "the calls that were under way to end",
    });
  }

  /** How many calls have ended, served or broken. */
  get ended(): number {
    return this.#total + this.errors.length;
  }

  /** Resolves when the end of every call that has ended has been read from the log, where there are no other clients. */
  async logged(culvert: Culvert): Promise<void> {
    await culvert.waitFor({ message: "connection closed" }, this.ended);
  }

  /** Resolves when no call is being served any more. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#workers);
  }

  /** Breaks off what is still under way when a test has failed. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    for (const connection of this.#open) connection.close();
    this.#open.clear();
    await this.stop();
  }

  async #work(client: number): Promise<void> {
    while (!this.#stopping) {
      this.#begun[client]!++;
      try {
        await this.#call();
      } catch (error) {
        this.errors.push(String(error));
      }
    }
  }

  async #call(): Promise<void> {
    const connection = await connect(this.#port);
    this.#open.add(connection);
    try {
      const name = await readLine(connection);
      const text = `${name} ${this.#total}`;
      if (await exchange(connection, text) !== text) throw new Error("the echo differs");
      this.served.set(name, (this.served.get(name) ?? 0) + 1);
      this.#total++;
    } finally {
      if (this.#open.delete(connection)) connection.close();
    }
  }
}
