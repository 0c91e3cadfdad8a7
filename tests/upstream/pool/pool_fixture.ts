import { assertEquals } from "@std/assert";
import { TimerWheel } from "../../../src/core/timer_wheel.ts";
import { BufferPool } from "../../../src/net/buffers.ts";
import { ConnectionPool } from "../../../src/upstream/pool/pool.ts";
import type { ConnectionPoolOptions } from "../../../src/upstream/pool/options.ts";
import type { Lease } from "../../../src/upstream/pool/lease.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import type { MemoryConnection } from "../../support/memory_connection.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { type DialCall, ScriptedDialler } from "../../support/scripted_dialler.ts";

/** A pool in fake time whose dials the test answers. */
export class PoolFixture {
  readonly clock = new FakeClock();
  readonly wheel = new TimerWheel({ clock: this.clock });
  readonly buffers = new BufferPool();
  readonly dialler = new ScriptedDialler();
  readonly log = new RecordingLog();
  readonly pool: ConnectionPool;
  #answered = 0;

  constructor(options: Partial<ConnectionPoolOptions> = {}) {
    this.pool = new ConnectionPool({
      dial: (signal) => this.dialler.dial({ kind: "tcp", host: "backend", port: 1 }, signal),
      wheel: this.wheel,
      buffers: this.buffers,
      log: this.log,
      ...options,
    });
  }

  /** Asks for a connection; never gives up, unless `signal` says so. */
  acquire(signal: AbortSignal = new AbortController().signal): Promise<Lease> {
    return this.pool.acquire({ signal });
  }

  /** The oldest dial that has not been answered yet, as soon as there is one. */
  async nextDial(): Promise<DialCall> {
    return await this.dialler.call(this.#answered++);
  }

  /** A connection dialled now, with its far end. */
  async open(): Promise<{ lease: Lease; far: MemoryConnection }> {
    const acquired = this.acquire();
    const far = (await this.nextDial()).accept();
    return { lease: await acquired, far };
  }

  /** What the pool counts, as `idle active waiting`. */
  get counts(): string {
    const { idle, active, waiting } = this.pool.stats;
    return `${idle} ${active} ${waiting}`;
  }

  /** Closes the pool, after which nothing of it must be left. */
  async end(): Promise<void> {
    await this.pool.close();
    assertEquals(this.counts, "0 0 0");
    assertEquals([this.dialler.unclosed, this.dialler.open.length], [0, 0]);
    assertEquals([this.wheel.size, this.clock.pending], [0, 0]);
    assertEquals(this.buffers.inUse, { small: 0, medium: 0, large: 0 });
  }
}
