import type { Address } from "../../net/address.ts";
import type { ConnectAndReset } from "../../net/connect_and_reset.ts";
import type { Check, CheckReport } from "./check.ts";

/** Options of {@linkcode TcpCheck}. */
export interface TcpCheckOptions {
  /** Connects and resets the connection, such as `connectAndReset` of `net/`. */
  readonly connectAndReset: ConnectAndReset;
}

/**
 * Succeeds if the backend accepts a connection, which is reset at once.
 *
 * @example
 * ```ts
 * import { connectAndReset, TcpCheck } from "@culvert/culvert";
 *
 * using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const address = { kind: "tcp", host: "127.0.0.1", port: backend.addr.port } as const;
 * const { detail } = await new TcpCheck({ connectAndReset }).run(address, AbortSignal.timeout(2_000));
 * console.log(detail); // connected
 * ```
 */
export class TcpCheck implements Check {
  readonly #connectAndReset: ConnectAndReset;

  /** Opens nothing yet. */
  constructor(options: TcpCheckOptions) {
    this.#connectAndReset = options.connectAndReset;
  }

  async run(address: Address, signal: AbortSignal): Promise<CheckReport> {
    await this.#connectAndReset(address, signal);
    return { detail: "connected" };
  }
}
