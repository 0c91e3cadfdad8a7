import type { HistogramSnapshot } from "../../core/histogram.ts";
import type { Log } from "../../core/log.ts";
import { type Address, formatAddress } from "../../net/address.ts";
import type { Dial } from "../../net/dial.ts";
import type { TlsConnect } from "../../tls/dial.ts";
import type { BackendSpec } from "../../upstream/options.ts";
import type { Check } from "../../upstream/check/check.ts";
import type { CheckParts } from "../../upstream/check/create_check.ts";
import { Health, type HealthState } from "../../upstream/check/health.ts";
import type { HealthOptions } from "../../upstream/check/options.ts";
import type { CheckScheduler } from "../../upstream/check/scheduler.ts";
import { checkParts, sameChecks } from "../../upstream/check_parts.ts";
import { BackendConnector } from "../../upstream/connector.ts";
import { type CheckedBackend, HealthMonitor } from "../../upstream/health_monitor.ts";
import type { UpstreamOptions } from "../../upstream/options.ts";

/** What {@linkcode BackendChecks} work with. */
export interface BackendChecksParts {
  readonly upstream: string;
  readonly scheduler: CheckScheduler;
  readonly log: Log;
  /** Opens plain connections. */
  readonly dial: Dial;
  /** Why an address must not be checked; `undefined`: it may. */
  readonly refusal: (address: Address) => Error | undefined;
  /** Makes the check that `health` asks for. */
  readonly makeCheck: (health: HealthOptions, parts: CheckParts) => Check;
  /** Called when checks have changed the state of a backend, which is `unknown` before. */
  readonly onState: (key: string, state: HealthState) => void;
}

/** How backends are checked. */
export interface ChecksConfig extends Pick<UpstreamOptions, "health" | "proxyProtocol"> {
  /** Speaks TLS with them; absent: none is spoken. */
  readonly connectTls: TlsConnect | undefined;
}

/** The active checks of one upstream. They run on the control side; the data plane gets only the state. */
export class BackendChecks {
  readonly #parts: BackendChecksParts;
  readonly #monitor: HealthMonitor<CheckedAddress>;
  readonly #checked = new Map<string, CheckedAddress>();
  #config: ChecksConfig | undefined;
  #connector: BackendConnector | undefined;

  /** Checks nothing yet. */
  constructor(parts: BackendChecksParts) {
    const { upstream, scheduler, log } = parts;
    this.#parts = parts;
    const ignore = () => {}; // The data plane acts upon the state.
    this.#monitor = new HealthMonitor({ upstream, scheduler, log, onDown: ignore, onUp: ignore });
  }

  /** What checks have shown of a backend; `undefined` where there are none. */
  health(key: string): Health | undefined {
    return this.#config?.health && this.#checked.get(key)?.health;
  }

  /** How long checks have taken; `undefined` where there are none. */
  get durations(): HistogramSnapshot | undefined {
    return this.#config?.health && this.#monitor.durations.snapshot();
  }

  /** Checks these backends and no others, in this way. What earlier checks have shown of them stays. */
  follow(backends: readonly BackendSpec[], config: ChecksConfig): void {
    this.#configure(config);
    const left = new Set(this.#checked.keys());
    for (const { address } of config.health === undefined ? [] : backends) {
      const key = formatAddress(address);
      left.delete(key);
      if (this.#checked.has(key)) continue;
      const checked = new CheckedAddress(key, { address, onState: this.#parts.onState });
      this.#checked.set(key, checked);
      this.#monitor.watch(checked);
    }
    for (const key of left) {
      this.#monitor.forget(this.#checked.get(key)!);
      this.#checked.delete(key);
    }
  }

  /** Ends all checks. */
  close(): void {
    for (const checked of this.#checked.values()) this.#monitor.forget(checked);
    this.#checked.clear();
    this.#monitor.configure(undefined, undefined);
    this.#config = undefined;
  }

  #configure(config: ChecksConfig): void {
    const before = this.#config;
    const { dial, refusal, makeCheck } = this.#parts;
    const { connectTls, proxyProtocol, health } = config;
    this.#config = config;
    this.#connector = new BackendConnector({ dial, connectTls, proxyProtocol });
    if (before !== undefined && sameChecks(before, config)) return;
    const by = { connector: () => this.#connector!, hasTls: connectTls !== undefined, refusal };
    this.#monitor.configure(health, health && makeCheck(health, checkParts(health, by)));
  }
}

/** One address that is checked. */
class CheckedAddress implements CheckedBackend {
  readonly key: string;
  readonly address: Address;
  readonly health = new Health();
  readonly #onState: BackendChecksParts["onState"];
  #told: HealthState = "unknown";

  constructor(key: string, { address, onState }: { address: Address } & Pick<BackendChecksParts, "onState">) {
    this.key = key;
    this.address = address;
    this.#onState = onState;
  }

  followHealth(): void {
    const { state } = this.health;
    if (state === this.#told) return;
    this.#told = state;
    this.#onState(this.key, state);
  }
}
