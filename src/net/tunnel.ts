import { CulvertError } from "../core/errors.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { BufferPool } from "./buffers.ts";
import { abortQuietly, closeQuietly, type Connection } from "./connection.ts";
import type { ReadAhead } from "./read_ahead.ts";

/**
 * Why a tunnel has ended.
 *
 * - `client-closed`, `backend-closed`: both sides have finished, this one first.
 * - `client-reset`, `backend-reset`: this side broke the connection, or can't be reached any more.
 * - `idle`, `half-close`, `lifetime`: the timer of that name ran out.
 *
 * `destroy` may be given another reason.
 */
export type TunnelEnd =
  | "client-closed"
  | "backend-closed"
  | "client-reset"
  | "backend-reset"
  | "idle"
  | "half-close"
  | "lifetime";

/** Options of {@linkcode Tunnel}. Times are in milliseconds; 0 switches a timer off. */
export interface TunnelOptions {
  /** Runs the timers. */
  readonly wheel: TimerWheel;
  /** Lends the read buffers. */
  readonly buffers: BufferPool;
  /** No byte in either direction. @default {0} */
  readonly idleMs?: number;
  /** After one side has finished, how long the other may go on. @default {0} */
  readonly halfCloseMs?: number;
  /** The longest that the tunnel may live. @default {0} */
  readonly lifetimeMs?: number;
  /** What has been read from the client already. The tunnel gives its buffer back to `buffers`. */
  readonly clientAhead?: ReadAhead | undefined;
  /** What has been read from the backend already. The tunnel gives its buffer back to `buffers`. */
  readonly backendAhead?: ReadAhead | undefined;
}

/** One direction. `source` is the side that sends. */
class Flow {
  readonly source: "client" | "backend";
  readonly from: Connection;
  readonly to: Connection;
  bytes = 0;
  /** A write is under way: if something fails now, it is the target. */
  writing = false;
  /** Nothing more will be delivered. */
  done = false;
  /** The source has said all of what it had to say, and all of it has been passed on. */
  complete = false;

  constructor(source: "client" | "backend", ends: { from: Connection; to: Connection }) {
    this.source = source;
    this.from = ends.from;
    this.to = ends.to;
  }
}

/**
 * Carries bytes both ways between two connections, unchanged and in order, until both sides have finished.
 *
 * An end of stream on one side becomes `closeWrite` on the other, and the other direction goes on (half-close).
 * A side that breaks ends the tunnel at once, after what it sent before has been delivered. A peer that does not
 * read stops the sender: at most one buffer is held for each direction.
 *
 * A side gets an end of stream only if the other has come to one: every other end of the tunnel is an `abort`
 * of the connection, if it knows the difference, so that a truncated response is not taken for a complete one.
 *
 * The tunnel owns both connections from {@linkcode Tunnel.run} on, and has ended both when `run` resolves; one that
 * is spoken over another (TLS) may give back what it holds a turn later.
 *
 * @example
 * ```ts
 * import { BufferPool, TimerWheel, Tunnel } from "@culvert/culvert";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const caller = await Deno.connect({ port: listener.addr.port });
 *
 * const tunnel = new Tunnel(await listener.accept(), await Deno.connect({ port: backend.addr.port }), {
 *   wheel: new TimerWheel(),
 *   buffers: new BufferPool(),
 *   idleMs: 90_000,
 * });
 * const ended = tunnel.run();
 * const served = await backend.accept();
 * await caller.closeWrite();
 * await served.closeWrite();
 * console.log(await ended); // "client-closed", or "backend-closed"
 *
 * for (const resource of [caller, served, listener, backend]) resource.close();
 * ```
 */
export class Tunnel<Reason extends string = never> {
  readonly #up: Flow;
  readonly #down: Flow;
  readonly #wheel: TimerWheel;
  readonly #buffers: BufferPool;
  readonly #idleMs: number;
  readonly #halfCloseMs: number;
  readonly #lifetimeMs: number;
  readonly #timer = new WheelTimer((nowMs) => this.#onTimer(nowMs));
  #resolve: ((reason: TunnelEnd | Reason) => void) | undefined;
  /** Taken by the flows when they start, and not kept. */
  #clientAhead: ReadAhead | undefined;
  #backendAhead: ReadAhead | undefined;
  #flowing = 2;
  #error: CulvertError | undefined;
  #end: TunnelEnd | Reason | undefined;
  /** What the end will be called if nothing else happens before both directions are done. */
  #firstDone: TunnelEnd = "client-closed";
  #activeAtMs: number;
  #halfDueMs = Infinity;
  #diesAtMs = Infinity;

  /** Nothing is read before {@linkcode Tunnel.run}. */
  constructor(client: Connection, backend: Connection, options: TunnelOptions) {
    this.#up = new Flow("client", { from: client, to: backend });
    this.#down = new Flow("backend", { from: backend, to: client });
    this.#wheel = options.wheel;
    this.#buffers = options.buffers;
    this.#idleMs = options.idleMs ?? 0;
    this.#halfCloseMs = options.halfCloseMs ?? 0;
    this.#lifetimeMs = options.lifetimeMs ?? 0;
    this.#clientAhead = options.clientAhead;
    this.#backendAhead = options.backendAhead;
    this.#activeAtMs = options.wheel.nowMs;
  }

  /** Bytes of the client's that the connection to the backend has taken. */
  get bytesUp(): number {
    return this.#up.bytes;
  }

  /** Bytes of the backend's that the connection to the client has taken. */
  get bytesDown(): number {
    return this.#down.bytes;
  }

  /** What broke it, where that says more than that a side has gone: a TLS alert, perhaps. */
  get error(): CulvertError | undefined {
    return this.#error;
  }

  /** Carries until the end and resolves to its reason. Never rejects. To be called once. */
  run(): Promise<TunnelEnd | Reason> {
    if (this.#lifetimeMs > 0) this.#diesAtMs = this.#wheel.now() + this.#lifetimeMs;
    this.#dueWithin(this.#idleMs);
    this.#dueWithin(this.#lifetimeMs);
    this.#activeAtMs = this.#wheel.nowMs;
    const ended = new Promise<TunnelEnd | Reason>((resolve) => this.#resolve = resolve);
    void this.#carry(this.#up, this.#clientAhead);
    void this.#carry(this.#down, this.#backendAhead);
    this.#clientAhead = this.#backendAhead = undefined;
    return ended;
  }

  /** Ends the tunnel now, whatever is under way, with a reason of the caller's. Does nothing after the end. */
  destroy(reason: TunnelEnd | Reason): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#wheel.stop(this.#timer);
    endQuietly(this.#down);
    endQuietly(this.#up);
  }

  /**
   * One direction, from its first byte to its end; the loop that everything is about. How much the next read is
   * given depends on what this one has found: see {@linkcode BufferPool.exchange}.
   */
  async #carry(flow: Flow, ahead: ReadAhead | undefined): Promise<void> {
    const { from, to } = flow;
    const buffers = this.#buffers;
    const wheel = this.#wheel;
    let buffer = ahead === undefined ? buffers.take() : ahead.buffer;
    let view = buffer;
    try {
      const open = ahead === undefined || await this.#carryAhead(flow, ahead);
      ahead = undefined; // Not to be kept for the tunnel's lifetime.
      while (open) {
        const count = await from.read(buffer);
        this.#activeAtMs = wheel.nowMs;
        if (count === null) break;
        if (view.length !== count) view = buffer.subarray(0, count);
        flow.writing = true;
        let written = await to.write(view);
        flow.bytes += written;
        while (written < count) {
          this.#activeAtMs = wheel.nowMs;
          const more = await to.write(view.subarray(written));
          flow.bytes += more;
          written += more;
        }
        flow.writing = false;
        this.#activeAtMs = wheel.nowMs;
        const next = buffers.exchange(buffer, count);
        if (next !== buffer) view = buffer = next;
      }
      await this.#finish(flow);
    } catch (error) {
      if (error instanceof CulvertError) this.#error ??= error;
      if (flow.writing) this.#writeFailed(flow);
      // The TLS of the runtime reports an end without close_notify as an error. Many peers end like this.
      else if (error instanceof Deno.errors.UnexpectedEof) await this.#finish(flow);
      else this.destroy(`${flow.source}-reset`);
    }
    buffers.give(buffer);
    if (--this.#flowing === 0) this.#resolve?.(this.#end ?? this.#firstDone);
  }

  /** Delivers what was read before there was a tunnel. Resolves to whether there may be more to read. */
  async #carryAhead(flow: Flow, ahead: ReadAhead): Promise<boolean> {
    ahead.detach();
    try {
      for (let sent = 0; sent < ahead.filled || ahead.pending !== undefined;) {
        if (sent < ahead.filled) {
          flow.writing = true;
          const written = await flow.to.write(ahead.buffer.subarray(sent, ahead.filled));
          flow.writing = false;
          sent += written;
          flow.bytes += written;
        } else await ahead.pending;
        this.#activeAtMs = this.#wheel.nowMs;
      }
    } catch (error) {
      this.#writeFailed(flow);
      await ahead.pending; // It reads into the buffer, until the tunnel's end closes the connection.
      throw error;
    }
    if (ahead.error !== undefined) throw ahead.error;
    return !ahead.ended;
  }

  /** The source has said all: pass its end on, or end everything when the other direction was done before. */
  async #finish(flow: Flow): Promise<void> {
    if (this.#end !== undefined) return;
    flow.complete = true;
    if (!this.#halfDone(flow, `${flow.source}-closed`)) return;
    try {
      await flow.to.closeWrite();
    } catch {
      // The other side has gone; the direction that reads from it says so, after what it still has to say.
    }
  }

  /**
   * Nothing more can be delivered to this flow's target. What the target sent before it broke may still be on
   * its way (an answer sent just before a reset), so the other direction goes on until it meets the break.
   */
  #writeFailed(flow: Flow): void {
    if (this.#end !== undefined || flow.done) return;
    this.#halfDone(flow, flow.source === "client" ? "backend-reset" : "client-reset");
  }

  /** Marks one direction as done. Returns whether the other still goes on; if not, the tunnel has ended. */
  #halfDone(flow: Flow, reason: TunnelEnd): boolean {
    flow.done = true;
    const other = flow === this.#up ? this.#down : this.#up;
    if (other.done) {
      this.destroy(this.#firstDone as TunnelEnd | Reason);
      return false;
    }
    this.#firstDone = reason;
    if (this.#halfCloseMs > 0) this.#halfDueMs = this.#wheel.now() + this.#halfCloseMs;
    this.#dueWithin(this.#halfCloseMs);
    return true;
  }

  /** Sees to it that the timer looks in no later than in `delayMs`; 0: no matter when. */
  #dueWithin(delayMs: number): void {
    if (delayMs === 0) return;
    const sooner = !this.#timer.running || this.#wheel.now() + delayMs < this.#timer.dueMs;
    if (sooner) this.#wheel.start(this.#timer, delayMs);
  }

  #onTimer(nowMs: number): number {
    if (nowMs >= this.#diesAtMs) return this.#expire("lifetime");
    if (nowMs >= this.#halfDueMs) return this.#expire("half-close");
    let nextMs = Math.min(this.#diesAtMs, this.#halfDueMs);
    if (this.#idleMs > 0) {
      // The time of the last byte may be a tick older than the byte: never early, at most two ticks late.
      const idleDueMs = this.#activeAtMs + this.#idleMs + this.#wheel.tickMs;
      if (nowMs >= idleDueMs) return this.#expire("idle");
      nextMs = Math.min(nextMs, idleDueMs);
    }
    return nextMs === Infinity ? 0 : nextMs;
  }

  #expire(reason: TunnelEnd): number {
    this.destroy(reason);
    return 0;
  }
}

/** Ends the connection that a direction leads to, as it befits what was delivered there. */
function endQuietly({ to, complete }: Flow): void {
  if (complete) closeQuietly(to);
  else abortQuietly(to);
}
