import type { Address } from "../../net/address.ts";
import type { Touch } from "../../net/touch.ts";
import type { Check, CheckReport } from "./check.ts";

/** Options of {@linkcode TcpCheck}. */
export interface TcpCheckOptions {
  /** Connects and leaves nothing behind, such as `touch` of `net/`. */
  readonly touch: Touch;
}

/** A backend is fit that takes a connection. Nothing is said; the connection is broken off with a reset. */
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
