import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { BufferPool } from "./buffers.ts";
import type { Connection } from "./connection.ts";
import type { ReadAhead } from "./read_ahead.ts";

/**
 * Why a tunnel has ended.
 *
 * - `client-closed`, `backend-closed`: both sides have finished, this one first.
 * - `client-reset`, `backend-reset`: this side broke the connection, or can't be reached any more.
 * - `idle`, `half-close`, `lifetime`: the timer of that name ran out.
 *
 * Whoever destroys a tunnel may give a reason of its own.
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

/** One direction. `source` is who speaks. */
class Flow {
  readonly source: "client" | "backend";
  readonly from: Connection;
  readonly to: Connection;
  bytes = 0;
  done = false;

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
 * The tunnel owns both connections from {@linkcode run} on and has closed both when `run` resolves.
 *
 * @example
 * ```ts
 * import { BufferPool, TimerWheel, Tunnel } from "@culvert/culvert";
 *
 * const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const backend = Deno.listen({ hostname: "127.0.0.1", port: 0 });
 * const caller = await Deno.connect(listener.addr);
 *
 * const tunnel = new Tunnel(await listener.accept(), await Deno.connect(backend.addr), {
 *   wheel: new TimerWheel(),
 *   buffers: new BufferPool(),
 *   idleMs: 90_000,
 * });
 * const ended = tunnel.run();
 * const served = await backend.accept();
 * await caller.closeWrite();
 * await served.closeWrite();
 * console.log(await ended); // "client-closed"
 *
 * for (const resource of [caller, served, listener, backend]) resource.close();
 * ```
 */
export class Tunnel<Reason extends string = never> {
  readonly #up: Flow;
  readonly #down: Flow;
  readonly #options: TunnelOptions;
  readonly #timer = new WheelTimer((nowMs) => this.#onTimer(nowMs));
  #end: TunnelEnd | Reason | undefined;
  /** What the end will be called if nothing else happens before both directions are done. */
  #firstDone: TunnelEnd = "client-closed";
  #activeAtMs: number;
  #halfDueMs = Infinity;
  #diesAtMs = Infinity;

  constructor(client: Connection, backend: Connection, options: TunnelOptions) {
    this.#up = new Flow("client", { from: client, to: backend });
    this.#down = new Flow("backend", { from: backend, to: client });
    this.#options = options;
    this.#activeAtMs = options.wheel.nowMs;
  }

  /** Bytes delivered from the client to the backend. */
  get bytesUp(): number {
    return this.#up.bytes;
  }

  /** Bytes delivered from the backend to the client. */
  get bytesDown(): number {
    return this.#down.bytes;
  }

  /** Carries until the end and resolves to its reason. Never rejects. To be called once. */
  async run(): Promise<TunnelEnd | Reason> {
    const { wheel, clientAhead, backendAhead, idleMs = 0, lifetimeMs = 0 } = this.#options;
    if (lifetimeMs > 0) this.#diesAtMs = wheel.now() + lifetimeMs;
    this.#dueWithin(idleMs);
    this.#dueWithin(lifetimeMs);
    this.#activeAtMs = wheel.nowMs;
    const up = this.#carry(this.#up, clientAhead);
    await this.#carry(this.#down, backendAhead);
    await up;
    return this.#end ?? this.#firstDone;
  }

  /** Ends the tunnel now, whatever is under way, with a reason of the caller's. Does nothing after the end. */
  destroy(reason: TunnelEnd | Reason): void {
    if (this.#end !== undefined) return;
    this.#end = reason;
    this.#options.wheel.stop(this.#timer);
    closeQuietly(this.#up.from);
    closeQuietly(this.#up.to);
  }

  /**
   * The loop that everything is about. A read that waits holds a small buffer; only a read that follows a full
   * one, and so is likely to find more, is given a large one. So an idle tunnel never holds a large buffer,
   * however its last burst ended.
   */
  async #carry(flow: Flow, ahead: ReadAhead | undefined): Promise<void> {
    const { buffers, wheel } = this.#options;
    const { from, to } = flow;
    if (ahead !== undefined && !await this.#carryAhead(flow, ahead)) return;
    let buffer = ahead?.buffer ?? buffers.takeSmall();
    let view = buffer;
    try {
      for (;;) {
        const count = await from.read(buffer);
        this.#activeAtMs = wheel.nowMs;
        if (count === null) break;
        if (view.length !== count) view = buffer.subarray(0, count);
        try {
          let written = await to.write(view);
          while (written < count) {
            this.#activeAtMs = wheel.nowMs;
            written += await to.write(view.subarray(written));
          }
        } catch {
          return this.#writeFailed(flow);
        }
        this.#activeAtMs = wheel.nowMs;
        flow.bytes += count;
        if (count < buffer.length) {
          if (buffer.length === buffers.smallBytes) continue;
          buffers.give(buffer);
          view = buffer = buffers.takeSmall();
        } else if (buffer.length === buffers.smallBytes) {
          buffers.give(buffer);
          view = buffer = buffers.takeLarge();
        }
      }
    } catch {
      return this.destroy(`${flow.source}-reset`);
    } finally {
      buffers.give(buffer);
    }
    await this.#finish(flow);
  }

  /** Delivers what was read before there was a tunnel. Resolves to whether the flow goes on from there. */
  async #carryAhead(flow: Flow, ahead: ReadAhead): Promise<boolean> {
    ahead.detach();
    try {
      for (let sent = 0;;) {
        while (sent < ahead.filled) {
          const written = await flow.to.write(ahead.buffer.subarray(sent, ahead.filled));
          sent += written;
          flow.bytes += written;
        }
        if (ahead.pending !== undefined) {
          await ahead.pending;
          this.#activeAtMs = this.#options.wheel.nowMs;
        } else if (sent === ahead.filled) break;
      }
    } catch {
      await ahead.pending;
      this.#options.buffers.give(ahead.buffer);
      this.#writeFailed(flow);
      return false;
    }
    if (!ahead.ended) return true;
    this.#options.buffers.give(ahead.buffer);
    if (ahead.error !== undefined) this.destroy(`${flow.source}-reset`);
    else await this.#finish(flow);
    return false;
  }

  /** The source has said all: pass its end on, or end everything when the other direction was done before. */
  async #finish(flow: Flow): Promise<void> {
    if (this.#end !== undefined) return;
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
    if (this.#end !== undefined) return;
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
    const { wheel, halfCloseMs = 0 } = this.#options;
    if (halfCloseMs > 0) this.#halfDueMs = wheel.now() + halfCloseMs;
    this.#dueWithin(halfCloseMs);
    return true;
  }

  /** Sees to it that the timer looks in no later than in `delayMs`; 0: no matter when. */
  #dueWithin(delayMs: number): void {
    const { wheel } = this.#options;
    if (delayMs === 0) return;
    if (!this.#timer.running || wheel.now() + delayMs < this.#timer.dueMs) wheel.start(this.#timer, delayMs);
  }

  #onTimer(nowMs: number): number {
    const { idleMs = 0, wheel } = this.#options;
    if (nowMs >= this.#diesAtMs) return this.#expire("lifetime");
    if (nowMs >= this.#halfDueMs) return this.#expire("half-close");
    let nextMs = Math.min(this.#diesAtMs, this.#halfDueMs);
    if (idleMs > 0) {
      // The time of the last byte may be a tick older than the byte: never early, at most two ticks late.
      const idleDueMs = this.#activeAtMs + idleMs + wheel.tickMs;
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

function closeQuietly(connection: Connection): void {
  try {
    connection.close();
  } catch {
    // Closed already, by whoever owned it before or by the peer.
  }
}
