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
/** The most events of one wait; more would block the event loop. */
const BATCH = 64;
/** The mark of the event that only wakes. */
const WAKE = 0xffff_ffff;
/** A signal may interrupt a wait, but not this often in a row. */
const MAX_FAILURES = 100;

/**
 * Waits for events of many sockets at once (epoll), on one thread of the runtime's pool during a wait. A socket that is
 * closed is removed automatically. Holds two file descriptors until it is disposed of; not during a wait.
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
   * `libc` stays the caller's.
   *
   * @throws {HalfOpenSystemError} if there are no free file descriptors; nothing is left open then.
   */
  constructor(libc: Libc) {
    const { call } = this.#libc = libc;
    this.#epoll = call.epoll_create1(EPOLL_CLOEXEC);
    if (this.#epoll < 0) throw new HalfOpenSystemError("epoll_create1", libc.errno);
    this.#wakeup = call.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    // Edge-triggered, so that each write wakes and nothing has to be read.
    if (this.#wakeup >= 0 && this.#add(this.#wakeup, EPOLLIN | EPOLLET, WAKE)) return;
    const { errno } = libc;
    if (this.#wakeup >= 0) call.close(this.#wakeup);
    call.close(this.#epoll);
    throw new HalfOpenSystemError("eventfd", errno);
  }

  /**
   * Adds a socket, with the number `mark`, until it is closed; also during a wait.
   *
   * @throws {HalfOpenSystemError} if the system refuses.
   */
  add(fd: number, mark: number): void {
    if (!this.#add(fd, EPOLLOUT, mark)) throw new HalfOpenSystemError("epoll_ctl", this.#libc.errno);
  }

  /**
   * Waits until there is an event, or `wake` is called, but at most `timeoutMs`; -1: no limit. One wait at a time.
   *
   * @returns The number of events for `mark`; may be 0 early.
   * @throws {HalfOpenSystemError} if waiting fails repeatedly.
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

  /** The mark of an event, which may have been given to another socket since. -1: of none. */
  mark(index: number): number {
    const mark = this.#events.getUint32(index * EVENT_BYTES + DATA_OFFSET, LITTLE_ENDIAN);
    return mark === WAKE ? -1 : mark;
  }

  /** Ends the wait under way, or the next one. */
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
