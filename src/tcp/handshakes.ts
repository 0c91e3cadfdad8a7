import type { Refusal } from "./reason.ts";

/** How long a place is its holder's own at least. An honest client's handshake is over long before. */
const OWN_MS = 1000;

/** That many times as long as honest handshakes take now: when we are slow, that is nobody's fault. */
const OWN_TIMES = 4;

/** By how much the last handshake counts in what they usually take. */
const WEIGHT = 1 / 8;

/** A client that has not yet said what it must. */
export interface Newcomer {
  /** When it came, as the clock goes that the others were given. */
  readonly startedAtMs: number;
  /** Ends it. */
  destroy(reason: Refusal): void;
}

/** A newcomer's place among the others. Given out by `begin`, handed back to `end`. */
export class HandshakePlace {
  readonly newcomer: Newcomer;
  before: HandshakePlace | undefined;
  after: HandshakePlace | undefined;
  taken = true;

  constructor(newcomer: Newcomer, before: HandshakePlace | undefined) {
    this.newcomer = newcomer;
    this.before = before;
  }
}

/**
 * The clients of a service that have not yet said what they must, in the order in which they came. Where there is
 * room for no more, the oldest yields its place if it has had its time: so clients that come in number and say
 * nothing don't keep others out until `timeouts.handshake`.
 */
export class Handshakes {
  #oldest: HandshakePlace | undefined;
  #newest: HandshakePlace | undefined;
  #size = 0;
  /** What handshakes that come to a good end take: an exponentially weighted moving average. */
  #usualMs = 0;

  get size(): number {
    return this.#size;
  }

  /** Gives the newcomer a place, until `end`, or until it yields. */
  begin(newcomer: Newcomer): HandshakePlace {
    const place = new HandshakePlace(newcomer, this.#newest);
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.after = place;
    this.#newest = place;
    this.#size++;
    return place;
  }

  /** Takes the place back, if it still is one. `tookMs` is how long it took; absent: it came to no good end. */
  end(place: HandshakePlace, tookMs?: number): void {
    if (tookMs !== undefined) this.#usualMs += WEIGHT * (tookMs - this.#usualMs);
    if (!place.taken) return;
    place.taken = false;
    const { before, after } = place;
    if (before === undefined) this.#oldest = after;
    else before.after = after;
    if (after === undefined) this.#newest = before;
    else after.before = before;
    this.#size--;
  }

  /** Whether the oldest has had its time. */
  canYield(nowMs: number): boolean {
    if (this.#oldest === undefined) return false;
    const ageMs = nowMs - this.#oldest.newcomer.startedAtMs;
    return ageMs >= Math.max(OWN_MS, OWN_TIMES * this.#usualMs);
  }

  /** Ends the oldest, for this reason. There must be one. */
  yieldOldest(reason: Refusal): void {
    const { newcomer } = this.#oldest!;
    this.end(this.#oldest!);
    newcomer.destroy(reason);
  }
}
