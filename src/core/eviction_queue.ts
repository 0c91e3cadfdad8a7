import { Counter } from "./counter.ts";

/** The owner of a place, which can be evicted. */
export interface Holder<R> {
  /** When it got its place, in milliseconds on the clock of {@linkcode EvictionQueue.candidate}. */
  readonly sinceMs: number;
  /** Ends the owner. */
  evict(reason: R): void;
}

/** A place in an {@linkcode EvictionQueue}, from `add` until `remove`. */
export class EvictionPlace<R> {
  readonly holder: Holder<R>;
  /** The source of the owner. Set by the queue only, like the fields below. */
  source: string;
  /** Its index in the list of all, or -1. */
  index = -1;
  /** The next older place. */
  older: EvictionPlace<R> | undefined;
  /** The next newer place. */
  newer: EvictionPlace<R> | undefined;

  constructor(holder: Holder<R>, source: string) {
    this.holder = holder;
    this.source = source;
  }
}

/** Options of {@linkcode EvictionQueue}. */
export interface EvictionQueueOptions {
  /** A number from 0 to below 1. @default {Math.random} */
  readonly random?: () => number;
}

/**
 * Pending handshakes in order of arrival. When there is no room for another one, one of them is evicted, so that silent
 * clients do not keep others out.
 *
 * The choice does not depend on the behaviour of clients, which an attacker controls. The candidates are the places of the
 * source that has the most:
 *
 * - If it has more than the source of the new client would have, its oldest place. This is fair queueing, where the longest
 *   queue is cut (P. E. McKenney, "Stochastic Fairness Queueing", 1990).
 * - Else its oldest place, if that is older than the grace period.
 * - Else none, if the source of the new client has as many: the new client is refused, which costs less.
 * - Else a random one. In a flood from as many sources as there are places, a handshake that takes a few milliseconds is
 *   rarely hit; and in a rush of legitimate clients some finish, where evicting the oldest would end each just before it
 *   finishes.
 */
export class EvictionQueue<R> {
  /** The places, and those that are reserved: over all threads, if it is shared. */
  readonly count = new Counter();
  readonly #random: () => number;
  readonly #places: EvictionPlace<R>[] = [];
  #reserved = 0;
  /** The number of places of each source. */
  readonly #counts = new Map<string, number>();
  /** The number of sources, by their number of places. */
  readonly #sourcesWith: number[] = [0];
  /** The number of places of the source that has the most. */
  #most = 0;
  #oldest: EvictionPlace<R> | undefined;
  #newest: EvictionPlace<R> | undefined;

  constructor({ random = Math.random }: EvictionQueueOptions = {}) {
    this.#random = random;
  }

  get size(): number {
    return this.#places.length;
  }

  /** Reserves a place for the next `add` unless there are `limit` already. 0: no limit. */
  reserve(limit: number): boolean {
    if (!this.count.tryAdd(limit)) return false;
    this.#reserved++;
    return true;
  }

  /** Adds a place for `holder`, until `remove` or `evict`. */
  add(holder: Holder<R>, source: string): EvictionPlace<R> {
    if (this.#reserved > 0) this.#reserved--;
    else this.count.add();
    const place = new EvictionPlace(holder, source);
    place.index = this.#places.push(place) - 1;
    place.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
    this.#count(source, 1);
    return place;
  }

  /** Removes a place. Does nothing the second time. */
  remove(place: EvictionPlace<R>): void {
    const { older, newer, index } = place;
    if (index < 0) return;
    place.index = -1;
    this.count.remove();
    const last = this.#places.pop()!;
    if (last !== place) {
      last.index = index;
      this.#places[index] = last;
    }
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    this.#count(place.source, -1);
  }

  /** Changes the source of a place, such as to the client in a PROXY header. */
  move(place: EvictionPlace<R>, source: string): void {
    if (place.index < 0 || place.source === source) return;
    this.#count(place.source, -1);
    place.source = source;
    this.#count(source, 1);
  }

  /** The place to evict for a new client of this source; `undefined`: none, so that the new client is refused. */
  candidate(
    source: string,
    { nowMs, graceMs }: { nowMs: number; graceMs: number },
  ): EvictionPlace<R> | undefined {
    let oldest = this.#oldest;
    while (oldest !== undefined && this.#counts.get(oldest.source) !== this.#most) oldest = oldest.newer;
    const own = this.#counts.get(source) ?? 0;
    if (oldest === undefined || this.#most > own + 1) return oldest;
    if (nowMs - oldest.holder.sinceMs >= graceMs) return oldest;
    return own < this.#most ? this.#anyOfTheMost() : undefined;
  }

  /** Evicts a place, which ends its holder. */
  evict(place: EvictionPlace<R>, reason: R): void {
    this.remove(place);
    place.holder.evict(reason);
  }

  /** A place of a source that has the most, searched from a random one on. */
  #anyOfTheMost(): EvictionPlace<R> {
    let index = Math.trunc(this.#random() * this.#places.length);
    while (this.#counts.get(this.#places[index]!.source) !== this.#most) {
      index = (index + 1) % this.#places.length;
    }
    return this.#places[index]!;
  }

  #count(source: string, change: 1 | -1): void {
    const before = this.#counts.get(source) ?? 0;
    const after = before + change;
    if (after === 0) this.#counts.delete(source);
    else this.#counts.set(source, after);
    if (before > 0) this.#sourcesWith[before]!--;
    if (after > 0) this.#sourcesWith[after] = (this.#sourcesWith[after] ?? 0) + 1;
    if (after > this.#most) this.#most = after;
    else if (before === this.#most && this.#sourcesWith[before] === 0) this.#most = after;
  }
}
