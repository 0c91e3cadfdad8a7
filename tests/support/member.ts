import { until } from "./wait.ts";
import { writeAll } from "./bytes.ts";

/** Options of {@linkcode Member}. */
export interface MemberOptions {
  /** @default one that the system picks */
  readonly port?: number;
}

/**
 * A backend in the test's own process that keeps its address while it goes down, comes back, hangs. It says its name
 * as a line and then sends everything back, as `greet` does. On a loopback address of its own, so that no other program takes
 * its port while it is down: clients' ports are on 127.0.0.1.
 */
export class Member implements Disposable {
  readonly name: string;
  readonly hostname = ownHostname();
  readonly port: number;
  /** Connections that live now. */
  readonly live = new Set<Deno.Conn>();
  /** Connections accepted so far. */
  accepted = 0;
  /** Accepts and says nothing, from now on. */
  hung = false;
  #listener: Deno.TcpListener | undefined;

  /** It is up. */
  constructor(name: string, { port = 0 }: MemberOptions = {}) {
    this.name = name;
    this.#listener = this.#listen(port);
    this.port = this.#listener.addr.port;
  }

  /** As a configuration names it. */
  get address(): string {
    return `${this.hostname}:${this.port}`;
  }

  get up(): boolean {
    return this.#listener !== undefined;
  }

  /** Goes down: its port is closed, and every connection is closed. */
  stop(): void {
    this.#listener?.close();
    this.#listener = undefined;
    for (const connection of this.live) connection.close();
    this.live.clear();
  }

  /** Comes back. The runtime lets go of a listener a turn after it was closed. */
  async start(): Promise<void> {
    if (this.up) return;
    await until(() => {
      try {
        this.#listener = this.#listen(this.port);
        return true;
      } catch (error) {
        if (error instanceof Deno.errors.AddrInUse) return false;
        throw error;
      }
    }, { what: `${this.address} to be free again` });
  }

  [Symbol.dispose](): void {
    this.stop();
  }

  #listen(port: number): Deno.TcpListener {
    const listener = Deno.listen({ hostname: this.hostname, port, tcpBacklog: 1024 });
    void this.#accept(listener);
    return listener;
  }

  async #accept(listener: Deno.TcpListener): Promise<void> {
    for (;;) {
      let connection: Deno.Conn;
      try {
        connection = await listener.accept();
      } catch (error) {
        if (!(error instanceof Deno.errors.NotConnected)) return; // Stopped.
        this.accepted++; // A check that had left already.
        continue;
      }
      this.accepted++;
      this.live.add(connection);
      void this.#serve(connection).catch(() => {}).finally(() => {
        if (this.live.delete(connection)) connection.close();
      });
    }
  }

  async #serve(connection: Deno.Conn): Promise<void> {
    if (!this.hung) await writeAll(connection, new TextEncoder().encode(`${this.name}\n`));
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) return;
      if (!this.hung) await writeAll(connection, buffer.subarray(0, count));
    }
  }
}

/** `count` members, named by their number, that end together. */
export class Members implements Disposable {
  readonly all: readonly Member[];

  constructor(count: number) {
    this.all = Array.from({ length: count }, (_, index) => new Member(String(index)));
  }

  get addresses(): string[] {
    return this.all.map(({ address }) => address);
  }

  [Symbol.dispose](): void {
    for (const member of this.all) member.stop();
  }
}

/** A loopback address of its own: one of 16 million. */
export function ownHostname(): string {
  const [a = 0, b = 0, c = 0] = crypto.getRandomValues(new Uint8Array(3));
  return `127.${a % 254 + 1}.${b}.${c % 254 + 1}`;
}
