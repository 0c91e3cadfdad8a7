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
  /** Probes that have a socket at once. */
  readonly maxUnderWay: number;
  /** Runs the probes' timers. */
  readonly wheel: TimerWheel;
}

/** How many that have had their turn may be left at the front of the line, before it is moved up. */
const MAX_SPENT = 1024;

/**
 * What runs the probes of a checker: each gets a place and a socket, waits for news, and is settled. Owns the C
 * library that it is given, from when it is made to the end of `close`.
 *
 * Whatever a probe fails with at once is told in the next turn, so that a thousand of them that can't even start hold
 * nobody up.
 */
export class HalfOpenEngine {
  /** The C library. */
  readonly libc: Libc;
  /** Finds the addresses of names. */
  readonly resolver: HalfOpenResolver;
  readonly #wheel: TimerWheel;
  readonly #sockets: HalfOpenSockets;
  readonly #events: HalfOpenEvents;
  /** Those under way, by their marks. What an old event says of a place makes its probe look, no more. */
  readonly #places: (HalfOpenProbe | undefined)[];
  readonly #free: number[];
  /** Those without a place, from `#head` on; some may be settled already. */
  readonly #line: HalfOpenProbe[] = [];
  #head = 0;
  #waiting = 0;
  /** Those that have a place and nothing to wait for. */
  readonly #failed: HalfOpenProbe[] = [];
  #running: Promise<void> | undefined;
  /** Whether the loop is waiting for events, with nothing to end that but news. */
  #asleep = false;
  #closed = false;

  /**
   * At rest until the first probe.
   *
   * @throws {HalfOpenSystemError} if there are no descriptors to be had; `libc` is the caller's then.
   */
  constructor(libc: Libc, options: HalfOpenEngineOptions) {
    const { maxUnderWay, wheel } = options;
    this.libc = libc;
    this.#wheel = wheel;
    this.#sockets = new HalfOpenSockets(libc);
    this.resolver = new HalfOpenResolver(libc);
    this.#places = new Array(maxUnderWay).fill(undefined);
    this.#free = Array.from(this.#places, (_, i) => maxUnderWay - 1 - i);
    this.#events = new HalfOpenEvents(libc);
  }

  /** Probes that have a place. */
  get underWay(): number {
    return this.#places.length - this.#free.length;
  }

  /** Probes that wait for one. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Takes a probe, now or when there is a place. Settles it in any case, sooner or later. */
  enter(probe: HalfOpenProbe): void {
    if (this.#free.length > 0) {
      this.#begin(probe);
      return;
    }
    this.#line.push(probe);
    this.#waiting++;
  }

  /** Ends a probe, with an error if there is one. Does nothing the second time. */
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
    this.#places[slot] = undefined;
    this.#free.push(slot);
    if (!this.#closed) this.#beginNext();
    if (this.underWay === 0) this.#wake();
  }

  /**
   * A probe's time is up. Should the answer have come and the event loop not have got round to it, that counts: it is
   * the backend that is checked.
   */
  expire(probe: HalfOpenProbe, error: Error): void {
    if (probe.slot !== -1) this.#look(probe);
    this.settle(probe, error);
  }

  /** Ends every probe with {@linkcode HalfOpenClosedError}, at once. Resolves when everything has been given back. */
  async close(): Promise<void> {
    this.#closed = true;
    const error = new HalfOpenClosedError();
    for (const probe of [...this.#line.slice(this.#head), ...this.#places]) {
      if (probe !== undefined) this.settle(probe, error);
    }
    // Neither a thread nor a lookup may be left that still uses what is given back.
    await Promise.all([this.#running, this.resolver.close()]);
    this.#events[Symbol.dispose]();
    this.libc[Symbol.dispose]();
  }

  #begin(probe: HalfOpenProbe): void {
    const { target, zeroLinger } = probe;
    probe.slot = this.#free.pop()!;
    this.#places[probe.slot] = probe;
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
    while (this.#head < this.#line.length) {
      const probe = this.#line[this.#head]!;
      this.#head++;
      if (this.#head === this.#line.length || this.#head === MAX_SPENT) {
        this.#line.splice(0, this.#head);
        this.#head = 0;
      }
      if (probe.settled) continue;
      this.#waiting--;
      this.#begin(probe);
      return;
    }
  }

  /** Runs while there are probes under way, and settles them, a batch in each turn of the event loop. Never rejects. */
  async #run(): Promise<void> {
    try {
      for (;;) {
        // While calls come back at once, the runtime goes on to its timers only after some 128 of them (measured with
        // Deno 2.9.6): where there is always news, nobody else would have a turn for a tenth of a second.
        await eventLoopTurn();
        if (this.underWay === 0) break;
        this.#asleep = this.#failed.length === 0;
        const count = await this.#events.wait(this.#asleep ? -1 : 0);
        this.#asleep = false;
        for (let i = 0; i < count; i++) this.#look(this.#places[this.#events.mark(i)]);
        for (const probe of this.#failed.splice(0)) this.settle(probe, probe.error);
      }
    } catch (error) {
      this.#endAll(error);
    }
    this.#running = undefined;
  }

  #look(probe: HalfOpenProbe | undefined): void {
    if (probe === undefined || probe.error !== undefined) return;
    const seen = this.#sockets.look(probe.fd, probe.target);
    if (seen === WAITING) return;
    const { address } = probe.target;
    this.settle(probe, seen === ANSWERED ? undefined : new HalfOpenConnectError(address, seen));
  }

  /** Nobody can be waited for any more; each end lets the next one begin. */
  #endAll(error: unknown): void {
    while (this.underWay > 0) {
      for (const probe of this.#places) if (probe !== undefined) this.settle(probe, error);
    }
  }

  #wake(): void {
    if (!this.#asleep) return;
    this.#asleep = false;
    this.#events.wake();
  }
}
