import type { UpstreamConfig } from "../../config/config.ts";
import { CheckScheduler } from "../../upstream/check/scheduler.ts";
import { HalfOpenChecker } from "../../upstream/check/half_open/checker.ts";
import { ManagedUpstream, type ManagedUpstreamParts, type Reach } from "./managed_upstream.ts";
import type { Credentials } from "../credentials/credentials.ts";

/** What {@linkcode Upstreams} work with. */
export interface UpstreamsParts extends Omit<ManagedUpstreamParts, "halfOpen" | "scheduler"> {
  /** Makes what half-open checks are made with. @default a {@linkcode HalfOpenChecker} */
  readonly makeHalfOpen?: () => HalfOpenChecker;
}

/** The upstreams of the configuration by name, and what they share: one schedule of checks. */
export class Upstreams {
  readonly #parts: ManagedUpstreamParts;
  readonly #makeHalfOpen: () => HalfOpenChecker;
  readonly #byName = new Map<string, ManagedUpstream>();
  /** Those that the configuration does not name any more, until they are closed. */
  readonly #left = new Set<ManagedUpstream>();
  #halfOpen: HalfOpenChecker | undefined;
  /** Resolves when the checkers have ended that were let go. */
  #ended: Promise<unknown> = Promise.resolve();
  #preparing = false;
  #closed = false;

  constructor(parts: UpstreamsParts) {
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
   * Tries out what {@linkcode Upstreams.update} makes of this, so that it does not fail any more, and starts what it
   * needs. {@linkcode Upstreams.settle} must follow, whether or not the update has. Nothing once they are closed.
   *
   * @throws what {@linkcode ManagedUpstream.tryOut} and {@linkcode HalfOpenChecker.start} throw; nothing has changed.
   */
  prepare(configs: ReadonlyMap<string, UpstreamConfig>, credentials: Credentials): void {
    if (this.#closed) return;
    this.#preparing = true;
    for (const [name, config] of configs) {
      ManagedUpstream.tryOut(config, { reach: reachOf(name, credentials), parts: this.#parts });
    }
  }

  /**
   * Takes a new configuration, which has been prepared. Returns those that have left: they go on until they are closed
   * by {@linkcode Upstreams.closeLeft}, when nobody is led to them any more.
   */
  update(configs: ReadonlyMap<string, UpstreamConfig>, credentials: Credentials): ManagedUpstream[] {
    const before = new Map(this.#byName);
    this.#byName.clear();
    for (const [name, config] of configs) {
      const reach = reachOf(name, credentials);
      const upstream = before.get(name);
      before.delete(name);
      upstream?.update(config, reach);
      this.#byName.set(name, upstream ?? new ManagedUpstream(config, { reach, parts: this.#parts }));
    }
    for (const upstream of before.values()) this.#left.add(upstream);
    return [...before.values()];
  }

  /** What was prepared is in use by now, or is not wanted after all: what nobody needs is let go. */
  settle(): void {
    this.#preparing = false;
    this.#releaseHalfOpen();
  }

  /** Closes these of those that have left. */
  async closeLeft(left: readonly ManagedUpstream[]): Promise<void> {
    await Promise.all(left.filter((each) => this.#left.has(each)).map((each) => each.close()));
    for (const each of left) this.#left.delete(each);
    this.#releaseHalfOpen();
  }

  /** Closes all of them, and those that have left. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.all, ...this.#left].map((upstream) => upstream.close()));
    this.#closeHalfOpen();
    await this.#ended;
  }

  #startHalfOpen(): HalfOpenChecker {
    if (this.#halfOpen === undefined) {
      const checker = this.#makeHalfOpen();
      checker.start();
      this.#halfOpen = checker;
    }
    return this.#halfOpen;
  }

  /** Closes it unless somebody uses it, or is about to. */
  #releaseHalfOpen(): void {
    const running = [...this.all, ...this.#left];
    const used = running.some(({ upstream }) => upstream.options.health?.type === "half-open");
    if (!used && !this.#preparing) this.#closeHalfOpen();
  }

  #closeHalfOpen(): void {
    this.#ended = Promise.all([this.#ended, this.#halfOpen?.close()]);
    this.#halfOpen = undefined;
  }
}

function reachOf(name: string, { connects, etcdTls }: Credentials): Reach {
  const { connectTls, fingerprint } = connects.get(name) ?? {};
  return { connectTls, fingerprint, etcdTls: etcdTls.get(name) };
}
