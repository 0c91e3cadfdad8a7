/** Something that holds a place and can be made to give it up. */
export interface Holder<R> {
  /** When it began to wait, in milliseconds on the clock that {@linkcode EvictionQueue.candidate} is asked with. */
  readonly sinceMs: number;
  /** Ends it. */
  evict(reason: R): void;
}

/** A place in an {@linkcode EvictionQueue}. Given out by `add`, handed back to `remove`. */
export class EvictionPlace<R> {
  readonly holder: Holder<R>;
  /** Whose place it is. Set by the queue alone, as are the others. */
  source: string;
  /** Its place in the list of all, or -1. */
  index = -1;
  /** The place that was taken before this one. */
  older: EvictionPlace<R> | undefined;
  /** The place that was taken after this one. */
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
 * Connections that wait for their client, in the order in which they began to. When there is no room for one more,
 * one of them is evicted, so that clients that say nothing, or too little, keep no others out.
 *
 * Nothing here is learnt from what clients do. The candidates are the places of the source that has the most:
 *
 * - If it has more than the newcomer's source would have, its oldest place. This is fair queueing, where the longest
 *   queue is cut (P. E. McKenney, "Stochastic Fairness Queueing", 1990).
 * - Else its oldest place, if that is older than the grace period.
 * - Else none, where the newcomer's source has as many: it is the newcomer that is refused, which costs less.
 * - Else a random one. Clients that come again at once, from as many sources as there are places, then keep out few
 *   of those that are done in a few milliseconds; and in a rush of honest clients some finish, where evicting the
 *   oldest would end each just before it is done.
 */
export class EvictionQueue<R> {
  readonly #random: () => number;
  readonly #places: EvictionPlace<R>[] = [];
  /** How many places each source has. */
  readonly #counts = new Map<string, number>();
  /** How many sources have so many places, by that number. */
  readonly #sourcesWith: number[] = [0];
  /** How many places the source with the most has. */
  #most = 0;
  #oldest: EvictionPlace<R> | undefined;
  #newest: EvictionPlace<R> | undefined;

  constructor({ random = Math.random }: EvictionQueueOptions = {}) {
    this.#random = random;
  }

  get size(): number {
    return this.#places.length;
  }

  /** Gives a place to `holder`, until `remove` or `evict`. */
  add(holder: Holder<R>, source: string): EvictionPlace<R> {
    const place = new EvictionPlace(holder, source);
    place.index = this.#places.push(place) - 1;
    place.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
    this.#count(source, 1);
    return place;
  }

  /** Takes the place back. Does nothing the second time. */
  remove(place: EvictionPlace<R>): void {
    const { older, newer, index } = place;
    if (index < 0) return;
    place.index = -1;
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

  /** The holder of this place turns out to be another source, such as the client that a PROXY header names. */
  move(place: EvictionPlace<R>, source: string): void {
    if (place.index < 0 || place.source === source) return;
    this.#count(place.source, -1);
    place.source = source;
    this.#count(source, 1);
  }

  /** Whom to evict for one more from this source; `undefined`: nobody, so the newcomer is refused. */
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

  /** Ends the holder of this place. */
  evict(place: EvictionPlace<R>, reason: R): void {
    this.remove(place);
    place.holder.evict(reason);
  }

  /** A place of a source that has the most, from a random one on. */
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
