import type { TimerWheel } from "../../../core/timer_wheel.ts";
import { eventLoopTurn } from "../../../core/event_loop.ts";
import { HalfOpenClosedError, HalfOpenConnectError } from "./errors.ts";
import { HalfOpenEvents } from "./events.ts";
import type { HalfOpenProbe } from "./probe.ts";
import { HalfOpenResolver } from "./resolver.ts";
import { ANSWERED, HalfOpenSockets, WAITING } from "./sockets.ts";
import type { Libc } from "./libc.ts";

/** Options of {@linkcode HalfOpenEngine}. */
export interface HalfOpenEngineOptions {
  /** The most probes with a socket at once. */
  readonly maxUnderWay: number;
  /** Runs the timers of the probes. */
  readonly wheel: TimerWheel;
}

/** The most consumed entries at the front of the queue, before it is compacted. */
const MAX_SPENT = 1024;

/**
 * Runs the probes of a checker: each gets a slot and a socket, waits for an event, and is settled. Owns the C library
 * until `close` has resolved.
 *
 * A probe that fails immediately is settled in the next turn of the event loop, so that a thousand of them do not block
 * it.
 */
export class HalfOpenEngine {
  /** The C library. */
  readonly libc: Libc;
  /** Resolves host names. */
  readonly resolver: HalfOpenResolver;
  readonly #wheel: TimerWheel;
  readonly #sockets: HalfOpenSockets;
  readonly #events: HalfOpenEvents;
  /** The probes under way, by their slots. An outdated event of a slot does no harm: its probe only looks at its socket. */
  readonly #slots: (HalfOpenProbe | undefined)[];
  readonly #free: number[];
  /** The waiting probes, from `#head` on; some may be settled already. */
  readonly #queue: HalfOpenProbe[] = [];
  #head = 0;
  #waiting = 0;
  /** Probes with a slot that have failed and wait for no event. */
  readonly #failed: HalfOpenProbe[] = [];
  #running: Promise<void> | undefined;
  /** Whether the loop waits for events without a timeout. */
  #asleep = false;
  #closed = false;

  /**
   * Runs nothing until the first probe.
   *
   * @throws {HalfOpenSystemError} if there are no free file descriptors; `libc` stays the caller's then.
   */
  constructor(libc: Libc, options: HalfOpenEngineOptions) {
    const { maxUnderWay, wheel } = options;
    this.libc = libc;
    this.#wheel = wheel;
    this.#sockets = new HalfOpenSockets(libc);
    this.resolver = new HalfOpenResolver(libc);
    this.#slots = new Array(maxUnderWay).fill(undefined);
    this.#free = Array.from(this.#slots, (_, i) => maxUnderWay - 1 - i);
    this.#events = new HalfOpenEvents(libc);
  }

  /** The number of probes with a slot. */
  get underWay(): number {
    return this.#slots.length - this.#free.length;
  }

  /** The number of probes that wait for one. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Runs a probe, now or when there is a free slot. Settles it in any case. */
  enter(probe: HalfOpenProbe): void {
    if (this.#free.length > 0) {
      this.#begin(probe);
      return;
    }
    this.#queue.push(probe);
    this.#waiting++;
  }

  /** Ends a probe; `undefined`: without an error. Does nothing the second time. */
  settle(probe: HalfOpenProbe, error: unknown): void {
    if (probe.settled) return;
    this.#wheel.stop(probe.timer);
    if (probe.fd >= 0) this.#sockets.close(probe.fd);
    probe.fd = -1;
    const { slot } = probe;
    probe.slot = -1;
    probe.settle(error);
    if (slot === -1) {
      this.#waiting--;
      return;
    }
    this.#slots[slot] = undefined;
    this.#free.push(slot);
    if (!this.#closed) this.#beginNext();
    if (this.underWay === 0) this.#wake();
  }

  /**
   * A probe has reached its timeout. An answer that has arrived, but was not processed yet, counts.
   */
  expire(probe: HalfOpenProbe, error: Error): void {
    if (probe.slot !== -1) this.#check(probe);
    this.settle(probe, error);
  }

  /** Ends every probe with {@linkcode HalfOpenClosedError}, at once. Resolves when all resources have been released. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new HalfOpenClosedError();
    for (const probe of [...this.#queue.slice(this.#head), ...this.#slots]) {
      if (probe !== undefined) this.settle(probe, error);
    }
    // A thread or lookup under way uses the library.
    await Promise.all([this.#running, this.resolver.close()]);
    this.#events[Symbol.dispose]();
    this.libc[Symbol.dispose]();
  }

  #begin(probe: HalfOpenProbe): void {
    const { target, zeroLinger } = probe;
    probe.slot = this.#free.pop()!;
    this.#slots[probe.slot] = probe;
    try {
      probe.fd = this.#sockets.open(target.family, zeroLinger);
      const errno = this.#sockets.connect(probe.fd, target);
      if (errno === WAITING) this.#events.add(probe.fd, probe.slot);
      else this.#fail(probe, new HalfOpenConnectError(target.address, errno));
    } catch (error) {
      this.#fail(probe, error as Error);
    }
    this.#running ??= this.#run();
  }

  #fail(probe: HalfOpenProbe, error: Error): void {
    probe.error = error;
    this.#failed.push(probe);
    this.#wake();
  }

  #beginNext(): void {
    while (this.#head < this.#queue.length) {
      const probe = this.#queue[this.#head]!;
      this.#head++;
      if (this.#head === this.#queue.length || this.#head === MAX_SPENT) {
        this.#queue.splice(0, this.#head);
        this.#head = 0;
      }
      if (probe.settled) continue;
      this.#waiting--;
      this.#begin(probe);
      return;
    }
  }

  /** Settles probes, a batch in each turn of the event loop, while there are any under way. Never rejects. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        // If calls return at once, the runtime runs its timers only after some 128 of them (measured with Deno 2.9.6): with
        // a constant flow of events, everything else would be delayed by a tenth of a second.
        await eventLoopTurn();
        if (this.underWay === 0) break;
        this.#asleep = this.#failed.length === 0;
        const count = await this.#events.wait(this.#asleep ? -1 : 0);
        this.#asleep = false;
        for (let i = 0; i < count; i++) this.#check(this.#slots[this.#events.mark(i)]);
        for (const probe of this.#failed.splice(0)) this.settle(probe, probe.error);
      }
    } catch (error) {
      // Events can't be waited for any more. Each end begins the next probe.
      while (this.underWay > 0) {
        for (const probe of this.#slots) if (probe !== undefined) this.settle(probe, error);
      }
    }
    this.#running = undefined;
  }

  #check(probe: HalfOpenProbe | undefined): void {
    if (probe === undefined || probe.error !== undefined) return;
    const seen = this.#sockets.look(probe.fd, probe.target);
    if (seen === WAITING) return;
    const { address } = probe.target;
    this.settle(probe, seen === ANSWERED ? undefined : new HalfOpenConnectError(address, seen));
  }

  #wake(): void {
    if (!this.#asleep) return;
    this.#asleep = false;
    this.#events.wake();
  }
}
