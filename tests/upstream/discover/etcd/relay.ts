import { writeAll } from "../../../support/bytes.ts";

interface Pair {
  readonly client: Deno.Conn;
  readonly server: Deno.Conn;
  /** Whether a watch was asked for over it, and whether that has been answered. */
  watch: "none" | "asked" | "stands";
}

/** A TCP relay in front of a server, that can stop carrying bytes without closing anything. */
export class Relay implements AsyncDisposable {
  readonly url: string;
  readonly #port: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #pairs = new Set<Pair>();
  readonly #pumps = new Set<Promise<void>>();
  /** Pairs that carry nothing. */
  readonly #held = new Set<Pair>();
  #thaw = Promise.withResolvers<void>();
  /** Whether new connections are held as well. */
  #holdNew = false;

  constructor(port: number) {
    this.#port = port;
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    this.#track(this.#accept());
  }

  /** Whether a watch stands. */
  get watching(): boolean {
    return [...this.#pairs].some(({ watch }) => watch === "stands");
  }

  /** From now on nothing passes, in either direction; on connections with a watch, or on all, new ones too. */
  hold(which: "watches" | "all"): void {
    for (const pair of this.#pairs) if (which === "all" || pair.watch !== "none") this.#held.add(pair);
    this.#holdNew = which === "all";
  }

  /** Lets everything pass again, what was held back first. */
  release(): void {
    this.#holdNew = false;
    this.#held.clear();
    this.#thaw.resolve();
    this.#thaw = Promise.withResolvers();
  }

  /** Closes all connections. */
  cut(): void {
    for (const pair of [...this.#pairs]) this.#close(pair);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    this.cut();
    this.release();
    await Promise.all(this.#pumps);
  }

  async #accept(): Promise<void> {
    for await (const client of this.#listener) {
      try {
        const server = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
        const pair: Pair = { client, server, watch: "none" };
        this.#pairs.add(pair);
        if (this.#holdNew) this.#held.add(pair);
        this.#track(this.#pump(pair, client, pair.server));
        this.#track(this.#pump(pair, pair.server, client));
      } catch {
        client.close();
      }
    }
  }

  async #pump(pair: Pair, from: Deno.Conn, to: Deno.Conn): Promise<void> {
    const buffer = new Uint8Array(16 * 1024);
    const decoder = new TextDecoder("latin1");
    try {
      for (;;) {
        const count = await from.read(buffer);
        if (/^POST \S*\/v3\/watch /.test(decoder.decode(buffer.subarray(0, count ?? 0)))) {
          pair.watch = "asked";
        } else if (from === pair.server && pair.watch === "asked") pair.watch = "stands";
        while (this.#held.has(pair) && this.#pairs.has(pair)) await this.#thaw.promise;
        if (count === null) break;
        await writeAll(to, buffer.subarray(0, count));
      }
    } catch {
      // Cut, or ended by one of both.
    }
    this.#close(pair);
  }

  #close(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    pair.client.close();
    pair.server.close();
  }

  #track(pump: Promise<void>): void {
    this.#pumps.add(pump);
    void pump.finally(() => this.#pumps.delete(pump));
  }
}
