import { type Address, formatAddress } from "../../src/net/address.ts";
import type { Connection } from "../../src/net/connection.ts";
import { type MemoryConnection, memoryPair } from "./memory_connection.ts";

/** One call of a {@linkcode ScriptedDialler}, which waits until the test answers it. */
export interface DialCall {
  /** Whom, as text. */
  readonly to: string;
  readonly signal: AbortSignal;
  /** Succeeds; returns the far end, which the backend would hold. */
  accept(): MemoryConnection;
  /** Fails as a backend does that does not listen. */
  refuse(): void;
}

/** A dialler in memory. Each call waits for the test, or fails at once with its signal's reason, as a real one. */
export class ScriptedDialler {
  readonly calls: DialCall[] = [];
  /** The near ends that were handed out, in order. */
  readonly dialled: MemoryConnection[] = [];
  #arrived: (() => void)[] = [];

  /** The calls that nobody has answered. */
  #open = new Set<DialCall>();

  /** How many calls wait for an answer. */
  get pending(): number {
    return this.#open.size;
  }

  /** How many connections were handed out and have not been closed. */
  get unclosed(): number {
    return this.dialled.filter((connection) => !connection.closed).length;
  }

  /** The dialler to hand in. */
  readonly dial = (address: Address, signal: AbortSignal): Promise<Connection> => {
    const { promise, resolve, reject } = Promise.withResolvers<Connection>();
    const call: DialCall = {
      to: formatAddress(address),
      signal,
      accept: () => {
        const [near, far] = memoryPair();
        this.dialled.push(near);
        this.#open.delete(call);
        resolve(near);
        return far;
      },
      refuse: () => {
        this.#open.delete(call);
        reject(new Deno.errors.ConnectionRefused("refused by the test"));
      },
    };
    signal.addEventListener("abort", () => {
      this.#open.delete(call);
      reject(signal.reason);
    });
    this.calls.push(call);
    this.#open.add(call);
    for (const wake of this.#arrived.splice(0)) wake();
    return promise;
  };

  /** The `index`-th call since the start, as soon as it comes. */
  async call(index: number): Promise<DialCall> {
    while (this.calls.length <= index) await new Promise<void>((resolve) => this.#arrived.push(resolve));
    return this.calls[index]!;
  }
}
