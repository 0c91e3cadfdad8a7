import { type Clock, systemClock } from "./clock.ts";

/** Options of {@linkcode TimerWheel}. */
export interface TimerWheelOptions {
  /** @default {systemClock} */
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
  readonly onDue: (nowMs: number) => number;
  /** When it is due, on the wheel's clock; meaningful while it runs. Set by the wheel alone. */
  dueMs = 0;
  /** The wheel's slot that holds it, or -1 while it does not run. Set by the wheel alone. */
  slot = -1;

  constructor(onDue: (nowMs: number) => number) {
    this.onDue = onDue;
  }
}

const SLOTS = 512;

/**
 * One coarse clock for the deadlines of every connection: starting, moving and stopping a timer is O(1) and
 * touches no timer of the runtime. A single runtime timer ticks while there is anything to wait for.
 *
 * A hashed timing wheel: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels", 1987, scheme 6.
 */
export class TimerWheel {
  /** The time at the last tick: at most one tick old while any timer runs. Reading it costs nothing. */
  nowMs: number;
  readonly tickMs: number;
  readonly #clock: Clock;
  readonly #slots: Set<WheelTimer>[] = Array.from({ length: SLOTS }, () => new Set<WheelTimer>());
  #size = 0;
  #lastTick = 0;
  #cancelTick: (() => void) | undefined;

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
    if (timer.slot >= 0) this.#remove(timer);
    if (this.#size === 0) this.#wake();
    this.#insert(timer, this.now() + delayMs);
  }

  /** Stops `timer`. Does nothing if it does not run. */
  stop(timer: WheelTimer): void {
    if (timer.slot < 0) return;
    this.#remove(timer);
    if (this.#size === 0) this.#rest();
  }

  #remove(timer: WheelTimer): void {
    this.#slots[timer.slot]!.delete(timer);
    timer.slot = -1;
    this.#size--;
  }

  #insert(timer: WheelTimer, dueMs: number): void {
    const tick = Math.max(Math.ceil(dueMs / this.tickMs), this.#lastTick + 1);
    timer.dueMs = dueMs;
    timer.slot = tick % SLOTS;
    this.#slots[timer.slot]!.add(timer);
    this.#size++;
  }

  /** After a rest without timers: the ticks missed meanwhile hold nothing. */
  #wake(): void {
    this.nowMs = this.#clock.now();
    this.#lastTick = Math.floor(this.nowMs / this.tickMs);
    this.#cancelTick ??= this.#clock.after(this.tickMs, () => this.#tick());
  }

  /** Nothing to wait for: no timer of the runtime is left behind. */
  #rest(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  #tick(): void {
    this.#cancelTick = undefined;
    this.nowMs = this.#clock.now();
    const tick = Math.floor(this.nowMs / this.tickMs);
    // After a long pause (a suspended machine) one round covers every slot.
    const from = Math.max(this.#lastTick + 1, tick - SLOTS + 1);
    this.#lastTick = tick;
    for (let t = from; t <= tick; t++) this.#turn(this.#slots[t % SLOTS]!);
    if (this.#size > 0) this.#cancelTick ??= this.#clock.after(this.tickMs, () => this.#tick());
  }

  #turn(slot: Set<WheelTimer>): void {
    for (const timer of slot) {
      // Due in a later round, or put here by another timer of this slot just now.
      if (timer.dueMs > this.nowMs) continue;
      this.#remove(timer);
      const nextMs = timer.onDue(this.nowMs);
      if (nextMs > 0 && timer.slot < 0) this.#insert(timer, nextMs);
    }
  }
}
