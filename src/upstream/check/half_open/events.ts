import { HalfOpenSystemError } from "./errors.ts";
import { type Libc, LITTLE_ENDIAN } from "./libc.ts";

const EPOLL_CLOEXEC = 0o2000000;
const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;
const EPOLL_CTL_ADD = 1;
const EPOLLOUT = 4;
const EPOLLIN = 1;
const EPOLLET = 0x8000_0000;
/** `struct epoll_event` is packed on x86_64 alone. */
const EVENT_BYTES = Deno.build.arch === "x86_64" ? 12 : 16;
const DATA_OFFSET = EVENT_BYTES - 8;
/** More would hold up the event loop, which has other things to do between two batches. */
const BATCH = 64;
/** The mark of what only wakes. */
const WAKE = 0xffff_ffff;
/** A signal may interrupt a wait, but not so many in a row. */
const MAX_FAILURES = 100;

/**
 * Waits for news of many sockets at once, on one thread of the runtime's pool, and on none while nobody waits. A
 * socket that is closed is forgotten by itself. Holds two descriptors until it is disposed of, which must not be
 * during a wait.
 */
export class HalfOpenEvents implements Disposable {
  readonly #libc: Libc;
  readonly #epoll: number;
  readonly #wakeup: number;
  readonly #one = new DataView(new ArrayBuffer(EVENT_BYTES));
  readonly #oneBytes = new Uint8Array(this.#one.buffer);
  readonly #events = new DataView(new ArrayBuffer(EVENT_BYTES * BATCH));
  readonly #eventBytes = new Uint8Array(this.#events.buffer);
  #failures = 0;

  /**
   * `libc` stays the caller's to close.
   *
   * @throws {HalfOpenSystemError} if there are no descriptors to be had; nothing is left open then.
   */
  constructor(libc: Libc) {
    const { call } = this.#libc = libc;
    this.#epoll = call.epoll_create1(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw new HalfOpenSystemError("epoll_create1", libc.errno);
    this.#wakeup = call.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    // Edge-triggered, so that it wakes anew at each write and never has to be read.
    if (this.#wakeup >= 0 && this.#add(this.#wakeup, EPOLLIN | EPOLLET, WAKE)) return;
    const { errno } = libc;
    if (this.#wakeup >= 0) call.close(this.#wakeup);
    call.close(this.#epoll);
    throw new HalfOpenSystemError("eventfd", errno);
  }

  /**
   * Wants to hear of a socket, under the number `mark`, until it is closed; during a wait too.
   *
   * @throws {HalfOpenSystemError} if the system has no room.
   */
  add(fd: number, mark: number): void {
    if (!this.#add(fd, EPOLLOUT, mark)) throw new HalfOpenSystemError("epoll_ctl", this.#libc.errno);
  }

  /**
   * Waits until there is news, or `wake` is called, but at most `timeoutMs`; -1: for ever. One wait at a
   * time.
   *
   * @returns How many there are for `mark`; 0 says nothing.
   * @throws {HalfOpenSystemError} if waiting has become impossible.
   */
  async wait(timeoutMs: number): Promise<number> {
    const count = await this.#libc.call.epoll_wait(this.#epoll, this.#eventBytes, BATCH, timeoutMs);
    if (count >= 0) {
      this.#failures = 0;
      return count;
    }
    if (++this.#failures > MAX_FAILURES) throw new HalfOpenSystemError("epoll_wait", 0);
    return 0;
  }

  /** Of whom there is news, which may be old: that mark may have gone to another since. -1: of nobody. */
  mark(index: number): number {
    const mark = this.#events.getUint32(index * EVENT_BYTES + DATA_OFFSET, LITTLE_ENDIAN);
    return mark === WAKE ? -1 : mark;
  }

  /** Ends the wait that is under way, or the next one. */
  wake(): void {
    this.#libc.call.eventfd_write(this.#wakeup, 1n);
  }

  [Symbol.dispose](): void {
    this.#libc.call.close(this.#wakeup);
    this.#libc.call.close(this.#epoll);
  }

  #add(fd: number, events: number, mark: number): boolean {
    this.#one.setUint32(0, events, LITTLE_ENDIAN);
    this.#one.setUint32(DATA_OFFSET, mark, LITTLE_ENDIAN);
    return this.#libc.call.epoll_ctl(this.#epoll, EPOLL_CTL_ADD, fd, this.#oneBytes) === 0;
  }
}
