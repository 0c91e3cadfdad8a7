import { setImmediate } from "node:timers";

/** A read that waits for its turn. */
export interface WaitingRead {
  /** Begins the read now. Must not throw. */
  begin(): void;
}

/** With fewer connections than this the runtime serves all that are ready in one turn, and nothing is counted. */
const MANY_CONNECTIONS = 100;
/** A turn with so many reads may have used up the runtime's budget: 128 completed operations. */
const FULL_TURN = 120;
/** A read and the write of what it brought take two operations of the same budget. */
const BEGUN_AT_ONCE = 64;
/** The runtime's scheduler polls the sockets at least once in so many of its steps (Tokio's `event_interval`). */
const STEPS_BETWEEN_POLLS = 61;

/**
 * Lets reads of many busy connections take turns, so that each is served once before any is served again.
 *
 * The runtime completes at most 128 socket operations at a time (Tokio's cooperative budget of a task); the others
 * that are ready are queued behind those that become ready next. Peers that answer at once are therefore served
 * again and again while others wait for hundreds of milliseconds. Nothing tells which reads are ready, but a read
 * that has not begun can not overtake. So once a turn of the event loop is that full, reads are served in rounds:
 * one that is asked for waits until all that were ready have completed, which is known when the runtime has polled
 * the sockets and a turn's budget was not used up; then all that wait begin. Rounds end when they are small.
 *
 * A round costs a few turns of the event loop in which nothing happens, about a microsecond each. Without rounds a
 * read costs an addition. docs/architecture.md has the details of the runtime.
 */
export class ReadTurns {
  #connections = 0;
  /** Reads that were asked for in this turn of the event loop. */
  #asked = 0;
  #scheduled = false;
  #inRounds = false;
  #waiting: WaitingRead[] = [];
  /** The round's reads; those from `#next` on have not begun. */
  #round: WaitingRead[] = [];
  #next = 0;
  /** Since all of the round's reads have begun, or since the last full turn. */
  #steps = 0;
  #askedSince = 0;
  readonly #onTurn = () => this.#turn();

  /** Whether reads are served in rounds now. */
  get inRounds(): boolean {
    return this.#inRounds;
  }

  /** Counts a connection. */
  join(): void {
    this.#connections++;
  }

  /** Counts a connection no more. */
  leave(): void {
    this.#connections--;
  }

  /** Whether `read` may begin at once; if not, its `begin` is called when its turn has come. */
  admit(read: WaitingRead): boolean {
    if (this.#connections < MANY_CONNECTIONS && !this.#inRounds) return true;
    this.#asked++;
    if (!this.#scheduled) this.#schedule();
    if (!this.#inRounds) return true;
    this.#waiting.push(read);
    return false;
  }

  #schedule(): void {
    this.#scheduled = true;
    setImmediate(this.#onTurn);
  }

  /** The end of a turn of the event loop. */
  #turn(): void {
    this.#scheduled = false;
    const asked = this.#asked;
    this.#asked = 0;
    if (!this.#inRounds && asked < FULL_TURN) return;
    if (this.#next < this.#round.length) this.#beginSome();
    else if (asked >= FULL_TURN) this.#startOver();
    else if (this.#steps++ < STEPS_BETWEEN_POLLS) this.#askedSince += asked;
    else this.#endRound();
    if (this.#inRounds) this.#schedule();
  }

  /** Waits for a poll of the sockets, and for a turn after it that is not full. */
  #startOver(): void {
    this.#inRounds = true;
    this.#steps = 0;
    this.#askedSince = 0;
  }

  #endRound(): void {
    const full = this.#askedSince >= FULL_TURN;
    this.#startOver();
    if (full) return;
    this.#round = this.#waiting;
    this.#waiting = [];
    this.#next = 0;
    if (this.#round.length >= FULL_TURN) return this.#beginSome();
    this.#inRounds = false;
    while (this.#next < this.#round.length) this.#beginSome();
  }

  #beginSome(): void {
    const end = Math.min(this.#round.length, this.#next + BEGUN_AT_ONCE);
    while (this.#next < end) this.#round[this.#next++]!.begin();
    if (this.#next < this.#round.length) return;
    this.#round = [];
    this.#next = 0;
  }
}
