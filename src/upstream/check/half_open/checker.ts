import { abortable } from "@std/async/abortable";
import { TimerWheel, WheelTimer } from "../../../core/timer_wheel.ts";
import { onAbort } from "../../../core/wait.ts";
import type { Address } from "../../../net/address.ts";
import {
  HalfOpenAlreadyStartedError,
  HalfOpenClosedError,
  HalfOpenNotStartedError,
  HalfOpenTimeoutError,
  HalfOpenUnsupportedError,
} from "./errors.ts";
import { HalfOpenEngine } from "./engine.ts";
import { HalfOpenProbe } from "./probe.ts";
import { type HalfOpenTarget, parseTarget, type TcpAddress } from "./target.ts";
import { borrowLibc, type HeldLibc } from "./held_libc.ts";
import { openLibc } from "./libc.ts";

/** Options of {@linkcode HalfOpenChecker}. */
export interface HalfOpenCheckerOptions {
  /** The most checks under way at once, each with a file descriptor; others wait. @default {256} */
  readonly maxUnderWay?: number;
  /** The full path of the C library. @default the first of `libcPaths` that exists and is permitted */
  readonly libraryPath?: string;
  /** A library that is open already; `libraryPath` and permissions are not used then. @default none */
  readonly library?: HeldLibc | undefined;
  /** Runs the timeouts. @default one of its own, with ticks of 10 ms */
  readonly wheel?: TimerWheel;
}

const MAX_UNDER_WAY = 256;

/** Options of {@linkcode HalfOpenChecker.checkAddress}. */
export interface CheckAddressOptions {
  /**
   * Ends the check with a reset, so that the application never sees a connection. Otherwise the handshake is completed,
   * and the application sees a connection that is closed at once.
   *
   * @default {true}
   */
  readonly zeroLinger?: boolean;
  /** Aborts at once, with its reason. */
  readonly signal?: AbortSignal;
}

/**
 * Checks whether a port is listening without the application noticing: SYN, SYN-ACK, RST. As the handshake is never
 * completed, there is no connection to accept.
 *
 * Uses the C library, on Linux, and needs `--allow-ffi` for its full path (see {@linkcode libcPaths}). `--allow-net` is
 * not needed, whatever address is checked.
 *
 * While no check is under way it has no thread and no timer, and does not keep the program alive. Between `start` and
 * `close` it holds two file descriptors. Close it before the worker that uses it is terminated.
 *
 * The kernel delays the ACK by 200 ms. If the event loop is blocked for longer, between the SYN-ACK and the reset, the
 * application sees a connection, which is reset at once. If other work may block the event loop, run the checker in a
 * worker of its own.
 *
 * After `checker` of https://github.com/tevino/tcp-shaker.
 *
 * @example
 * ```ts
 * using backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * await using checker = new HalfOpenChecker();
 * checker.start();
 * await checker.checkAddress({ kind: "tcp", host: "127.0.0.1", port: backend.addr.port }, 2_000);
 * ```
 */
export class HalfOpenChecker implements Disposable, AsyncDisposable {
  readonly #options: HalfOpenCheckerOptions;
  readonly #wheel: TimerWheel;
  readonly #ready = Promise.withResolvers<void>();
  /** The checks of host names under way, each with its controller. */
  readonly #names = new Set<AbortController>();
  #engine: HalfOpenEngine | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Opens nothing before `start`.
   *
   * @throws {RangeError} if `maxUnderWay` is not a whole number above 0.
   */
  constructor(options: HalfOpenCheckerOptions = {}) {
    const { maxUnderWay = MAX_UNDER_WAY, wheel = new TimerWheel({ tickMs: 10 }) } = options;
    if (!Number.isSafeInteger(maxUnderWay) || maxUnderWay < 1) {
      throw new RangeError(`maxUnderWay must be a whole number above 0, not ${maxUnderWay}`);
    }
    this.#options = options;
    this.#wheel = wheel;
    this.#ready.promise.catch(() => {}); // Its use is optional.
  }

  /** Resolves when it has been started; rejects with {@linkcode HalfOpenClosedError} if it is closed first. */
  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The number of checks that have a socket. */
  get underWay(): number {
    return this.#engine?.underWay ?? 0;
  }

  /** The number of checks that wait for one. */
  get waiting(): number {
    return this.#engine?.waiting ?? 0;
  }

  /**
   * Opens the C library. If it fails, nothing is left open and it may be called again.
   *
   * @throws {HalfOpenPermissionError} if that is not permitted, with the flag to add.
   * @throws {HalfOpenUnsupportedError} if this is not Linux on x86_64 or aarch64, or there is no such library.
   * @throws {HalfOpenAlreadyStartedError} if it was started before.
   * @throws {HalfOpenClosedError} after `close`.
   * @throws {HalfOpenSystemError} if there are no free file descriptors.
   */
  start(): void {
    if (this.#closing !== undefined) throw new HalfOpenClosedError();
    if (this.#engine !== undefined) throw new HalfOpenAlreadyStartedError();
    const { maxUnderWay = MAX_UNDER_WAY, libraryPath, library } = this.#options;
    const libc = borrowLibc(library) ?? openLibc(libraryPath === undefined ? undefined : [libraryPath]);
    try {
      this.#engine = new HalfOpenEngine(libc, { maxUnderWay, wheel: this.#wheel });
    } catch (error) {
      libc[Symbol.dispose]();
      throw error;
    }
    this.#ready.resolve();
  }

  /**
   * Resolves when the backend has answered with a SYN-ACK. Of a host name all addresses, up to eight, are checked at once,
   * and the first that answers is enough.
   *
   * Its socket is closed when the promise settles.
   *
   * @param timeoutMs The time in milliseconds, including the wait for a socket; 0: that of the kernel, about two minutes.
   * @throws {HalfOpenTimeoutError} if there was no answer in that time.
   * @throws {HalfOpenConnectError} if it was refused, unreachable or reset, with the system's code.
   * @throws {HalfOpenResolveError} if the name can't be resolved.
   * @throws {HalfOpenUnsupportedError} for a unix socket, and an address without a host.
   * @throws {HalfOpenSystemError} if a local resource is lacking, such as a file descriptor.
   * @throws {HalfOpenNotStartedError} before `start`.
   * @throws {HalfOpenClosedError} if the checker is or gets closed.
   * @throws {RangeError} if `timeoutMs` is negative or not finite.
   * @throws the signal's reason.
   */
  async checkAddress(address: Address, timeoutMs: number, options: CheckAddressOptions = {}): Promise<void> {
    const engine = this.#engineFor(address);
    if (!(timeoutMs >= 0 && timeoutMs < Infinity)) {
      throw new RangeError(`timeoutMs must be a number from 0 up, not ${timeoutMs}`);
    }
    options.signal?.throwIfAborted();
    const tcp = needTcp(address);
    const target = parseTarget(tcp, engine.libc);
    if (target === undefined) await this.#checkName(tcp, timeoutMs, options);
    else await this.#checkTarget(target, timeoutMs, options);
  }

  /**
   * Ends the checks under way with {@linkcode HalfOpenClosedError}, at once. Resolves when all resources have been released,
   * which may wait for a lookup under way.
   */
  close(): Promise<void> {
    if (this.#closing === undefined) {
      const error = new HalfOpenClosedError();
      this.#ready.reject(error);
      for (const end of this.#names) end.abort(error);
      this.#closing = this.#engine === undefined ? Promise.resolve() : this.#engine.close();
    }
    return this.#closing;
  }

  /** The same as `close`, not awaited. */
  [Symbol.dispose](): void {
    void this.close();
  }

  /** The same as `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #engineFor(address: Address): HalfOpenEngine {
    if (this.#closing !== undefined) throw new HalfOpenClosedError();
    if (this.#engine === undefined) throw new HalfOpenNotStartedError(address);
    return this.#engine;
  }

  #checkTarget(target: HalfOpenTarget, timeoutMs: number, options: CheckAddressOptions): Promise<void> {
    const engine = this.#engineFor(target.address);
    const { zeroLinger = true, signal } = options;
    const probe = new HalfOpenProbe(target, {
      zeroLinger,
      signal,
      onAbort: (probe) => engine.settle(probe, signal!.reason),
      onTimeout: (probe) => engine.expire(probe, new HalfOpenTimeoutError(target.address, timeoutMs)),
    });
    if (timeoutMs > 0) this.#wheel.start(probe.timer, timeoutMs);
    engine.enter(probe);
    return probe.promise;
  }

  async #checkName(address: TcpAddress, timeoutMs: number, options: CheckAddressOptions): Promise<void> {
    const { resolver } = this.#engineFor(address);
    const { signal, zeroLinger = true } = options;
    const end = new AbortController();
    const timer = new WheelTimer(() => {
      end.abort(new HalfOpenTimeoutError(address, timeoutMs));
      return 0;
    });
    if (timeoutMs > 0) this.#wheel.start(timer, timeoutMs);
    using _outer = onAbort(signal, () => end.abort(signal!.reason));
    this.#names.add(end);
    try {
      const targets = await abortable(resolver.resolve(address), end.signal);
      end.signal.throwIfAborted(); // It may have aborted after the lookup.
      const checks = targets.map((target) =>
        this.#checkTarget(target, 0, { zeroLinger, signal: end.signal })
      );
      await Promise.any(checks);
    } catch (error) {
      throw error instanceof AggregateError ? error.errors[0] : error;
    } finally {
      this.#names.delete(end);
      this.#wheel.stop(timer);
      end.abort(); // The checks of the other addresses.
    }
  }
}

function needTcp(address: Address): TcpAddress {
  if (address.kind === "unix") {
    const why = "half-open checks need TCP, not a unix socket";
    throw new HalfOpenUnsupportedError(`Cannot check "unix:${address.path}": ${why}`);
  }
  if (address.host === "") {
    throw new HalfOpenUnsupportedError(`Cannot check ":${address.port}": it has no host`);
  }
  return address;
}
