import { type Clock, systemClock } from "./clock.ts";

/** Options of {@linkcode TimerWheel}. */
export interface TimerWheelOptions {
  /** Tells and keeps the time. @default {systemClock} */
  readonly clock?: Clock;
  /** How coarse the wheel is, in milliseconds: a timer fires at most this much late. @default {100} */
  readonly tickMs?: number;
}

/**
 * A timer that a {@linkcode TimerWheel} runs. When it is due, `onDue` says what comes next: the time of the next
 * call on the wheel's clock, or 0 for none. So a deadline that moves with every byte costs nothing until the old
 * deadline comes round.
 */
export class WheelTimer {
  /** Called when it is due, with the time; returns the time of the next call, or 0. Must not throw. */
  readonly onDue: (nowMs: number) => number;
  /** When it is due, on the wheel's clock; meaningful while it runs. Set by the wheel alone. */
  dueMs = 0;
  /** Its neighbours in the ring of the slot that holds it; none while it does not run. Set by the wheel alone. */
  next: WheelTimer | undefined;
  /** The neighbour on the other side. */
  previous: WheelTimer | undefined;

  /** It runs once a wheel has started it. */
  constructor(onDue: (nowMs: number) => number) {
    this.onDue = onDue;
  }

  /** Whether it is waiting to become due. */
  get running(): boolean {
    return this.next !== undefined;
  }
}

const SLOTS = 512;

/**
 * One coarse clock for the deadlines of every connection: starting, moving and stopping a timer is O(1) and
 * touches no timer of the runtime. A single runtime timer ticks while there is anything to wait for.
 *
 * A hashed timing wheel: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6. The slots are
 * rings of linked timers rather than sets: a `Set` that many things pass through leaves dead tables behind, and
 * these keep what has passed through alive until the next full collection.
 */
export class TimerWheel {
  /** The time at the last tick: at most one tick old while any timer runs. Reading it costs nothing. */
  nowMs: number;
  /** How coarse it is, in milliseconds. */
  readonly tickMs: number;
  readonly #clock: Clock;
  readonly #slots: readonly WheelTimer[] = Array.from({ length: SLOTS }, emptyRing);
  /** Those that are due in the tick that is being worked off. */
  readonly #due = emptyRing();
  #size = 0;
  #lastTick = 0;
  #cancelTick: (() => void) | undefined;

  /** Nothing runs until the first timer is started. */
  constructor(options: TimerWheelOptions = {}) {
    this.#clock = options.clock ?? systemClock;
    this.tickMs = options.tickMs ?? 100;
    this.nowMs = this.#clock.now();
  }

  /** The exact time on the same clock. */
  now(): number {
    return this.#clock.now();
  }

  /** How many timers run. */
  get size(): number {
    return this.#size;
  }

  /** Starts `timer`, or moves it, to be due in `delayMs`. */
  start(timer: WheelTimer, delayMs: number): void {
    if (timer.running) this.#remove(timer);
    if (this.#size === 0) {
      // After a rest without timers: the ticks missed meanwhile hold nothing.
      this.nowMs = this.#clock.now();
      this.#lastTick = Math.floor(this.nowMs / this.tickMs);
      this.#cancelTick ??= this.#clock.after(this.tickMs, () => this.#tick());
    }
    this.#insert(timer, this.now() + delayMs);
  }

  /** Stops `timer`. Does nothing if it does not run. */
  stop(timer: WheelTimer): void {
    if (!timer.running) return;
    this.#remove(timer);
    if (this.#size > 0) return;
    this.#cancelTick?.(); // No timer of the runtime is left behind.
    this.#cancelTick = undefined;
  }

  #remove(timer: WheelTimer): void {
    unlink(timer);
    this.#size--;
  }

  #insert(timer: WheelTimer, dueMs: number): void {
    const tick = Math.max(Math.ceil(dueMs / this.tickMs), this.#lastTick + 1);
    timer.dueMs = dueMs;
    append(this.#slots[tick % SLOTS]!, timer);
    this.#size++;
  }

  #tick(): void {
    this.#cancelTick = undefined;
    this.nowMs = this.#clock.now();
    const tick = Math.floor(this.nowMs / this.tickMs);
    // After a long pause (a suspended machine) one round covers every slot.
    const from = Math.max(this.#lastTick + 1, tick - SLOTS + 1);
    this.#lastTick = tick;
    try {
      for (let t = from; t <= tick; t++) this.#turn(this.#slots[t % SLOTS]!);
    } finally { // A bug of one that is called must not stop the deadlines of all others.
      if (this.#size > 0) this.#cancelTick ??= this.#clock.after(this.tickMs, () => this.#tick());
    }
  }

  #turn(ring: WheelTimer): void {
    for (let timer = ring.next!; timer !== ring;) {
      const next = timer.next!;
      if (timer.dueMs <= this.nowMs) { // Not in a later round.
        unlink(timer);
        append(this.#due, timer);
      }
      timer = next;
    }
    // Only now, as what is called may start and stop any timer, those of this moment too.
    for (let timer = this.#due.next!; timer !== this.#due; timer = this.#due.next!) {
      this.#remove(timer);
      const nextMs = timer.onDue(this.nowMs);
      if (nextMs > 0 && !timer.running) this.#insert(timer, nextMs);
    }
  }
}

/** A ring's head, which is no timer itself. */
function emptyRing(): WheelTimer {
  const head = new WheelTimer(() => 0);
  head.next = head.previous = head;
  return head;
}

function append(ring: WheelTimer, timer: WheelTimer): void {
  timer.next = ring;
  timer.previous = ring.previous;
  ring.previous!.next = timer;
  ring.previous = timer;
}

/** Its links are cleared, lest an old timer that is dead already keep younger ones alive. */
function unlink(timer: WheelTimer): void {
  timer.previous!.next = timer.next;
  timer.next!.previous = timer.previous;
  timer.next = timer.previous = undefined;
}
