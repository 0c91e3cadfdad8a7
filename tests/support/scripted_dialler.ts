import { type Address, formatAddress } from "../../src/net/address.ts";
import type { Connection } from "../../src/net/connection.ts";
import { type MemoryConnection, memoryPair } from "./memory_connection.ts";

/** One call of a {@linkcode ScriptedDialler}, which waits until the test answers it. */
export class DialCall {
  /** The address, as text. */
  readonly to: string;
  readonly signal: AbortSignal;
  /** Resolves to the near end. */
  readonly result = Promise.withResolvers<MemoryConnection>();
  /** Whether it is over: accepted, refused or given up. */
  over = false;

  constructor(address: Address, signal: AbortSignal) {
    this.to = formatAddress(address);
    this.signal = signal;
    signal.addEventListener("abort", () => this.fail(signal.reason));
  }

  /** Succeeds; returns the far end, which the backend would hold. */
  accept(): MemoryConnection {
    const [near, far] = memoryPair();
    this.over = true;
    this.result.resolve(near);
    return far;
  }

  /** Fails as a backend does that does not listen. */
  refuse(): void {
    this.fail(new Deno.errors.ConnectionRefused("refused by the test"));
  }

  /** The dial ends with this. */
  fail(error: Error): void {
    this.over = true;
    this.result.reject(error);
  }
}

/** A dialler in memory. Each call waits for the test, or fails at once with its signal's reason, as a real one. */
export class ScriptedDialler {
  readonly calls: DialCall[] = [];
  /** The near ends that were handed out, in order. */
  readonly dialled: MemoryConnection[] = [];
  #arrived: (() => void)[] = [];

  /** The calls that have not been answered. */
  get open(): DialCall[] {
    return this.calls.filter((call) => !call.over);
  }

  /** How many connections were handed out and have not been closed. */
  get unclosed(): number {
    return this.dialled.filter((connection) => !connection.closed).length;
  }

  /** The dialler to hand in. */
  readonly dial = async (address: Address, signal: AbortSignal): Promise<Connection> => {
    const call = new DialCall(address, signal);
    this.calls.push(call);
    for (const wake of this.#arrived.splice(0)) wake();
    const connection = await call.result.promise;
    this.dialled.push(connection);
    return connection;
  };

  /** The `index`-th call since the start, as soon as it comes. */
  async call(index: number): Promise<DialCall> {
    while (this.calls.length <= index) await new Promise<void>((resolve) => this.#arrived.push(resolve));
    return this.calls[index]!;
  }
}
