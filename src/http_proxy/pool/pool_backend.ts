import type { Backend, BackendState } from "../../upstream/backend.ts";
import type { Candidate } from "../../upstream/balance/balancer.ts";

/**
 * A backend of an `HttpPool`, with what it is doing.
 *
 * @example
 * ```ts
 * import { HttpPool } from "@culvert/culvert";
 *
 * const pool = new HttpPool();
 * const backend = pool.add("http://10.0.0.1:8080", { maxConnections: 1 });
 * console.log(backend.tryAcquire(), backend.tryAcquire(), backend.active); // true false 1
 * backend.succeeded++; // a program that carries requests itself counts them
 * backend.release();
 * console.log(backend.url, backend.weight, backend.state, backend.active); // http://10.0.0.1:8080 1 up 0
 * ```
 */
export class PoolBackend implements Candidate {
  /** Scheme, host, port and path. */
  readonly url: string;
  /** Where the smooth weighted round-robin stands with it. */
  currentWeight = 0;
  /** Requests that it has answered, whatever the status. A program that carries requests itself counts here, too. */
  succeeded = 0;
  /** Requests, and attempts, that it has not answered: counted in the same way. */
  failed = 0;
  readonly #backend: Backend;
  /** Of those that are under way, how many `tryAcquire` has counted. */
  #acquired = 0;

  /**
   * Pools make these.
   *
   * @internal
   */
  constructor(url: string, backend: Backend) {
    this.url = url;
    this.#backend = backend;
  }

  /** The same as its URL. */
  get key(): string {
    return this.url;
  }

  /** Its share of requests. */
  get weight(): number {
    return this.#backend.weight;
  }

  /** Requests under way. */
  get active(): number {
    return this.#backend.active;
  }

  /** The most requests at once; 0: no bound. */
  get maxConnections(): number {
    return this.#backend.spec.maxConnections;
  }

  /** Whether it takes requests, as far as marks, checks and traffic have shown. */
  get state(): BackendState {
    return this.#backend.state;
  }

  /** Whether it would take one more request now. */
  get available(): boolean {
    return !this.#backend.removed && this.#backend.available;
  }

  /** Counts one more request, if there is room for it; whether there was. */
  tryAcquire(): boolean {
    if (!this.available) return false;
    this.#acquired++;
    this.#backend.acquire();
    return true;
  }

  /** Counts one request less, of those that `tryAcquire` has counted. Does nothing where there is none. */
  release(): void {
    if (this.#acquired === 0) return;
    this.#acquired--;
    this.#backend.release();
  }
}
