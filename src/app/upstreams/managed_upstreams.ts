import type { UpstreamConfig } from "../../config/config.ts";
import type { Plan } from "../../core/plan.ts";
import { runInSlices, type Steps } from "../../core/slices.ts";
import type { TimerWheel } from "../../core/timer_wheel.ts";
import { CheckScheduler } from "../../upstream/check/scheduler.ts";
import { HalfOpenChecker } from "../../upstream/check/half_open/checker.ts";
import type { Credentials } from "../credentials/credentials.ts";
import { ManagedUpstream, type ManagedUpstreamParts, type PreparedUpstream } from "./managed_upstream.ts";

/** What {@linkcode ManagedUpstreams} work with. */
export interface ManagedUpstreamsParts extends Omit<ManagedUpstreamParts, "halfOpen" | "scheduler"> {
  /** Runs the timers of checks. */
  readonly wheel: TimerWheel;
  /** Makes what half-open checks are made with. @default a {@linkcode HalfOpenChecker} */
  readonly makeHalfOpen?: () => HalfOpenChecker;
}

/** The control side of all upstreams, and what their checks share: the schedule and the half-open checker. */
export class ManagedUpstreams {
  readonly #parts: ManagedUpstreamParts;
  readonly #makeHalfOpen: () => HalfOpenChecker;
  #byName: ReadonlyMap<string, ManagedUpstream> = new Map();
  #halfOpen: HalfOpenChecker | undefined;
  /** Resolves when upstreams and checkers have ended that are no longer used. */
  #ended: Promise<unknown> = Promise.resolve();
  #preparing = false;
  #closed = false;

  constructor(parts: ManagedUpstreamsParts) {
    this.#makeHalfOpen = parts.makeHalfOpen ?? (() => new HalfOpenChecker());
    const scheduler = new CheckScheduler({ wheel: parts.wheel, log: parts.log });
    this.#parts = { ...parts, scheduler, halfOpen: () => this.#startHalfOpen() };
  }

  /** All of them, in the order of the configuration. */
  get all(): readonly ManagedUpstream[] {
    return [...this.#byName.values()];
  }

  get(name: string): ManagedUpstream | undefined {
    return this.#byName.get(name);
  }

  /**
   * Prepares these upstreams in slices, and starts what their checks need. The plan changes to them: upstreams that
   * stay keep what they have, and those that are no longer named end. One plan at a time.
   *
   * @throws {CulvertError} what {@linkcode ManagedUpstream.prepare} and {@linkcode HalfOpenChecker.start} throw;
   * nothing has changed then.
   */
  async prepare(configs: ReadonlyMap<string, UpstreamConfig>, credentials: Credentials): Promise<Plan> {
    if (this.#closed) return { commit: () => {}, [Symbol.dispose]: () => {} };
    this.#preparing = true;
    const settle = () => {
      this.#preparing = false;
      this.#releaseHalfOpen();
    };
    try {
      const prepared = await runInSlices(this.#prepare(configs, credentials));
      return { commit: () => this.#commit(prepared), [Symbol.dispose]: settle };
    } catch (error) {
      settle();
      throw error;
    }
  }

  /** Ends all of them. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.all.map((upstream) => upstream.close()));
    this.#closeHalfOpen();
    await this.#ended;
  }

  *#prepare(
    configs: ReadonlyMap<string, UpstreamConfig>,
    credentials: Credentials,
  ): Steps<readonly PreparedUpstream[]> {
    const prepared: PreparedUpstream[] = [];
    for (const [name, config] of configs) {
      prepared.push(ManagedUpstream.prepare(config, {
        credentials: { tls: credentials.upstreams.get(name), etcd: credentials.etcd.get(name) },
        parts: this.#parts,
        running: this.get(name),
      }));
      yield;
    }
    return prepared;
  }

  #commit(prepared: readonly PreparedUpstream[]): void {
    const before = new Map(this.#byName);
    const after = new Map<string, ManagedUpstream>();
    for (const each of prepared) {
      const { name } = each.config;
      const running = before.get(name);
      before.delete(name);
      running?.update(each);
      after.set(name, running ?? new ManagedUpstream(each, this.#parts));
    }
    this.#byName = after;
    this.#ended = Promise.all([this.#ended, ...[...before.values()].map((upstream) => upstream.close())]);
  }

  #startHalfOpen(): HalfOpenChecker {
    if (this.#halfOpen === undefined) {
      const checker = this.#makeHalfOpen();
      checker.start();
      this.#halfOpen = checker;
    }
    return this.#halfOpen;
  }

  /** Closes it unless an upstream uses it, or is about to. */
  #releaseHalfOpen(): void {
    const used = this.all.some(({ healthOptions }) => healthOptions?.type === "half-open");
    if (!used && !this.#preparing) this.#closeHalfOpen();
  }

  #closeHalfOpen(): void {
    this.#ended = Promise.all([this.#ended, this.#halfOpen?.close()]);
    this.#halfOpen = undefined;
  }
}
