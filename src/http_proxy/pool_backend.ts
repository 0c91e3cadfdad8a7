import { CulvertError } from "../core/errors.ts";
import type { Candidate } from "../upstream/balance/balancer.ts";

/** What is told of a backend of an {@linkcode HttpPool} when it is added. */
export interface PoolBackendOptions {
  /** Its share of requests. A whole number from 0 to 65,535; 0: it gets none. @default {1} */
  readonly weight?: number;
  /** The most requests at once; 0: no bound. @default the bound of the pool */
  readonly maxConnections?: number;
}

/** The URL of a backend in its one spelling: scheme, host and port. Throws `bad_backend` for what is none. */
export function backendUrl(url: string | URL): string {
  const parsed = URL.parse(url);
  const isOrigin = parsed !== null && parsed.protocol === "http:" && parsed.username === "" &&
    parsed.password === "" &&
    parsed.pathname === "/" && parsed.search === "" && parsed.hash === "";
  if (!isOrigin) {
    throw new CulvertError(
      "bad_backend",
      `Cannot use the backend "${url}": expected a URL such as http://127.0.0.1:8080`,
    );
  }
  return parsed.origin;
}

/** A backend of an {@linkcode HttpPool}, with what it is doing. */
export class PoolBackend implements Candidate {
  /** Scheme, host and port. */
  readonly url: string;
  /** Its share of requests. */
  readonly weight: number;
  /** Where the smooth weighted round-robin stands with it. */
  currentWeight = 0;
  /** Requests that were answered. For the program to count: the pool does not see answers. */
  succeeded = 0;
  /** Requests that were not answered, counted in the same way. */
  failed = 0;
  /** Whether it has been marked as down. */
  isDown = false;
  readonly #own: number | undefined;
  readonly #bound: () => number;
  #active = 0;

  /** `bound` is that of the pool. Throws `bad_backend` for a bad URL or weight. */
  constructor(url: string | URL, { weight = 1, maxConnections }: PoolBackendOptions, bound: () => number) {
    this.url = backendUrl(url);
    checkCount("weight", weight, 65_535);
    if (maxConnections !== undefined) checkCount("maxConnections", maxConnections);
    this.weight = weight;
    this.#own = maxConnections;
    this.#bound = bound;
  }

  /** The same as its URL. */
  get key(): string {
    return this.url;
  }

  /** Requests under way. */
  get active(): number {
    return this.#active;
  }

  /** The most requests at once; 0: no bound. */
  get maxConnections(): number {
    return this.#own ?? this.#bound();
  }

  /** Whether it would take one more request now. */
  get available(): boolean {
    const { maxConnections } = this;
    return !this.isDown && this.weight > 0 && (maxConnections === 0 || this.#active < maxConnections);
  }

  /** Counts one more request, if there is room for it; whether there was. */
  tryAcquire(): boolean {
    if (!this.available) return false;
    this.#active++;
    return true;
  }

  /** Counts one request less. Does nothing where there is none. */
  release(): void {
    if (this.#active > 0) this.#active--;
  }
}

/** Throws `bad_backend` unless `value` is a whole number from 0 to `max`. */
export function checkCount(name: string, value: number, max: number = Number.MAX_SAFE_INTEGER): void {
  if (Number.isSafeInteger(value) && value >= 0 && value <= max) return;
  throw new CulvertError(
    "bad_backend",
    `Cannot use ${name} ${value}: expected a whole number from 0 to ${max}`,
  );
}
