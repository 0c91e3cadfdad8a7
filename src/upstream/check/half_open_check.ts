import type { Address } from "../../net/address.ts";
import type { Check, CheckReport } from "./check.ts";
import { HalfOpenChecker } from "./half_open/checker.ts";

/** Options of {@linkcode HalfOpenCheck}. */
export interface HalfOpenCheckOptions {
  /** Runs the checks; started and closed by its owner. @default one of its own, started at once */
  readonly checker?: HalfOpenChecker;
}

const ANSWERED: CheckReport = { detail: "answered SYN with SYN-ACK" };

/**
 * Succeeds if the backend's port is listening; the application does not see a connection. See
 * {@linkcode HalfOpenChecker} for what it takes, and never falls back to a connection where it lacks that.
 *
 * @example
 * ```ts
 * using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const check = new HalfOpenCheck();
 * const address = { kind: "tcp", host: "127.0.0.1", port: backend.addr.port } as const;
 * const { detail } = await check.run(address, AbortSignal.timeout(2_000));
 * check.close();
 * ```
 */
export class HalfOpenCheck implements Check {
  readonly #checker: HalfOpenChecker;
  readonly #own: boolean;

  /**
   * Ready at once.
   *
   * @throws what {@linkcode HalfOpenChecker.start} throws, if no checker is handed in.
   */
  constructor(options: HalfOpenCheckOptions = {}) {
    this.#own = options.checker === undefined;
    this.#checker = options.checker ?? new HalfOpenChecker();
    if (this.#own) this.#checker.start();
  }

  /**
   * Looks once.
   *
   * @param signal Gives up at once, with its reason. Without one that ends it, the kernel does after two minutes.
   * @throws {HalfOpenConnectError} whose `failure` is refused, unreachable, timed out or reset.
   * @throws whatever else {@linkcode HalfOpenChecker.checkAddress} throws.
   */
  async run(address: Address, signal: AbortSignal): Promise<CheckReport> {
    await this.#checker.checkAddress(address, 0, { signal });
    return ANSWERED;
  }

  /** Closes the checker, unless it was handed in. */
  close(): void {
    if (this.#own) void this.#checker.close();
  }
}
