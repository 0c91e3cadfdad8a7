import type { UpstreamConfig } from "../config/config.ts";
import { CheckScheduler } from "../upstream/check/scheduler.ts";
import { HalfOpenChecker } from "../upstream/check/half_open_checker.ts";
import { ManagedUpstream, type ManagedUpstreamParts, type Reach } from "./managed_upstream.ts";
import type { Materials } from "./materials.ts";

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
  #halfOpen: HalfOpenChecker | undefined;
  #closed = false;

  constructor(parts: UpstreamsParts) {
    this.#makeHalfOpen = parts.makeHalfOpen ?? (() => new HalfOpenChecker());
    const scheduler = new CheckScheduler({ wheel: parts.wheel });
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
   * Makes ready what {@linkcode Upstreams.update} must not fail for; nothing any more once they are closed.
   *
   * @throws what {@linkcode HalfOpenChecker.start} throws.
   */
  prepare(configs: ReadonlyMap<string, UpstreamConfig>): void {
    if (this.#closed) return;
    for (const { health } of configs.values()) if (health?.type === "half-open") this.#startHalfOpen();
  }

  /** Takes a new configuration. Returns those that have left, to be closed when nobody is led to them any more. */
  update(configs: ReadonlyMap<string, UpstreamConfig>, materials: Materials): ManagedUpstream[] {
    const before = new Map(this.#byName);
    this.#byName.clear();
    for (const [name, config] of configs) {
      const reach: Reach = {
        connectTls: materials.connects.get(name),
        etcdTls: materials.etcdTls.get(name),
      };
      const upstream = before.get(name);
      before.delete(name);
      upstream?.update(config, reach);
      this.#byName.set(name, upstream ?? new ManagedUpstream(config, { reach, parts: this.#parts }));
    }
    return [...before.values()];
  }

  /** Closes all of them. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.all.map((upstream) => upstream.close()));
    await this.#halfOpen?.close();
    this.#halfOpen = undefined;
  }

  #startHalfOpen(): HalfOpenChecker {
    if (this.#halfOpen === undefined) {
      const checker = this.#makeHalfOpen();
      checker.start();
      this.#halfOpen = checker;
    }
    return this.#halfOpen;
  }
}
