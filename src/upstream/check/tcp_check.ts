import type { Address } from "../../net/address.ts";
import type { Touch } from "../../net/connect_and_reset.ts";
import type { Check, CheckReport } from "./check.ts";

/** Options of {@linkcode TcpCheck}. */
export interface TcpCheckOptions {
  /** Connects and leaves nothing behind, such as `touch` of `net/`. */
  readonly touch: Touch;
}

/**
 * A backend is fit that takes a connection. Nothing is said; the connection is broken off with a reset.
 *
 * @example
 * ```ts
 * import { TcpCheck, touch } from "@culvert/culvert";
 *
 * using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const address = { kind: "tcp", host: "127.0.0.1", port: backend.addr.port } as const;
 * const { detail } = await new TcpCheck({ touch }).run(address, AbortSignal.timeout(2_000));
 * console.log(detail); // connected
 * ```
 */
export class TcpCheck implements Check {
  readonly #touch: Touch;

  /** Opens nothing yet. */
  constructor(options: TcpCheckOptions) {
    this.#touch = options.touch;
  }

  async run(address: Address, signal: AbortSignal): Promise<CheckReport> {
    await this.#touch(address, signal);
    return { detail: "connected" };
  }
}
