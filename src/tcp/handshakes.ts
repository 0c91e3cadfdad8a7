import type { Refusal } from "./reason.ts";

/** How long a place is its holder's own at least. An honest client's handshake is mostly over long before. */
const OWN_MS = 250;

/** That many times as long as good handshakes take now: neither a long way nor a slow machine is a client's fault. */
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
  readonly ip: string;
  before: HandshakePlace | undefined;
  after: HandshakePlace | undefined;
  taken = true;

  constructor(newcomer: Newcomer, ip: string) {
    this.newcomer = newcomer;
    this.ip = ip;
  }
}

/**
 * The clients of a service that have not yet said what they must, in the order in which they came. Where there is
 * room for no more, one of them may have to yield its place to the next, so that clients that come in number and say
 * nothing don't keep others out until `timeouts.handshake`.
 *
 * It is the oldest of the address that has the most places: at once, if that has more than the next one's address
 * would have, as in fair queueing, where the longest queue is cut (P. E. McKenney, "Stochastic Fairness Queueing",
 * 1990); or else if it has had its time.
 */
export class Handshakes {
  #oldest: HandshakePlace | undefined;
  #newest: HandshakePlace | undefined;
  #size = 0;
  /** How many places each address has. */
  readonly #counts = new Map<string, number>();
  /** What handshakes that come to a good end take: an exponentially weighted moving average. */
  #usualMs = 0;

  get size(): number {
    return this.#size;
  }

  /** Gives a newcomer from this address a place, until `end`, or until it yields. */
  begin(newcomer: Newcomer, ip: string): HandshakePlace {
    const place = new HandshakePlace(newcomer, ip);
    place.before = this.#newest;
    if (this.#newest === undefined) this.#oldest = place;
    else this.#newest.after = place;
    this.#newest = place;
    this.#size++;
    this.#counts.set(ip, (this.#counts.get(ip) ?? 0) + 1);
    return place;
  }

  /** Takes the place back, if it still is one. `tookMs` is how long it took; absent: it came to no good end. */
  end(place: HandshakePlace, tookMs?: number): void {
    if (tookMs !== undefined) this.#usualMs += WEIGHT * (tookMs - this.#usualMs);
    if (!place.taken) return;
    place.taken = false;
    const { before, after, ip } = place;
    if (before === undefined) this.#oldest = after;
    else before.after = after;
    if (after === undefined) this.#newest = before;
    else after.before = before;
    this.#size--;
    const left = this.#counts.get(ip)! - 1;
    if (left === 0) this.#counts.delete(ip);
    else this.#counts.set(ip, left);
  }

  /** Who has to yield to one more from this address, if anybody. */
  yielder(ip: string, nowMs: number): HandshakePlace | undefined {
    let most = 0;
    for (const count of this.#counts.values()) if (count > most) most = count;
    let place = this.#oldest;
    while (place !== undefined && this.#counts.get(place.ip) !== most) place = place.after;
    if (place === undefined || most > (this.#counts.get(ip) ?? 0) + 1) return place;
    const ageMs = nowMs - place.newcomer.startedAtMs;
    return ageMs >= Math.max(OWN_MS, OWN_TIMES * this.#usualMs) ? place : undefined;
  }

  /** Ends the newcomer that has this place, for this reason. */
  yield(place: HandshakePlace, reason: Refusal): void {
    this.end(place);
    place.newcomer.destroy(reason);
  }
}
