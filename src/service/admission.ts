import type { Clock } from "../core/clock.ts";
import { RateLimiter } from "../core/rate_limiter.ts";
import { DEFAULT_SOURCE_PREFIX, sourceKey } from "../net/source_key.ts";
import {
  type AdmissionOptions,
  DEFAULT_HANDSHAKE_GRACE_MS,
  DEFAULT_MAX_HANDSHAKES,
  type RateOptions,
} from "./options.ts";
import type { Refusal } from "./reason.ts";

/** Decides who may come in. Cheap, so that turning away many costs little. */
export class Admission {
  readonly #clock: Clock;
  #options: AdmissionOptions;
  #limiter: RateLimiter | undefined;

  constructor(options: AdmissionOptions, clock: Clock) {
    this.#clock = clock;
    this.#options = options;
    this.#limiter = this.#makeLimiter(options.rate);
  }

  /** Why a client at `ip` may not come in, while `active` others are in; `undefined`: it may. */
  check(ip: string, active: number): Refusal | undefined {
    return this.checkAddress(ip) ?? this.checkNumber(active) ?? this.checkRate(ip);
  }

  /** Whether the rules let clients at `ip` in. */
  checkAddress(ip: string): Refusal | undefined {
    const { allow, deny } = this.#options;
    if (deny !== undefined && deny.has(ip)) return "refused-by-deny";
    return allow !== undefined && !allow.has(ip) ? "refused-by-allow" : undefined;
  }

  /** Why nobody may come in, while `active` others are in; `undefined`: there is room. */
  checkNumber(active: number): Refusal | undefined {
    const { maxConnections } = this.#options;
    return maxConnections > 0 && active >= maxConnections ? "refused-by-limit" : undefined;
  }

  /** Whether one more may begin a handshake, while `handshakes` others have not finished theirs. */
  checkHandshakes(handshakes: number): Refusal | undefined {
    const { maxHandshakes = DEFAULT_MAX_HANDSHAKES } = this.#options;
    return maxHandshakes > 0 && handshakes >= maxHandshakes ? "refused-by-handshakes" : undefined;
  }

  /** Whether a client at `ip` comes back too fast. If not, this counts as once. */
  checkRate(ip: string): Refusal | undefined {
    return this.#limiter === undefined || this.#limiter.allow(this.source(ip))
      ? undefined
      : "refused-by-rate";
  }

  /** The source that a client at `ip` belongs to. */
  source(ip: string): string {
    return sourceKey(ip, this.#options.sourcePrefix ?? DEFAULT_SOURCE_PREFIX);
  }

  /** From what age on the oldest handshake is evicted rather than a random one. */
  get handshakeGraceMs(): number {
    return this.#options.handshakeGraceMs ?? DEFAULT_HANDSHAKE_GRACE_MS;
  }

  /** Takes new rules. What clients have used of an unchanged rate stays used. */
  update(options: AdmissionOptions): void {
    const { ipv4, ipv6 } = this.#options.sourcePrefix ?? DEFAULT_SOURCE_PREFIX;
    const prefix = options.sourcePrefix ?? DEFAULT_SOURCE_PREFIX;
    const sameSources = prefix.ipv4 === ipv4 && prefix.ipv6 === ipv6;
    if (!sameSources || !sameRate(this.#options.rate, options.rate)) {
      this.#limiter = this.#makeLimiter(options.rate);
    }
    this.#options = options;
  }

  #makeLimiter(rate: RateOptions | undefined): RateLimiter | undefined {
    return rate === undefined ? undefined : new RateLimiter({ ...rate, clock: this.#clock });
  }
}

function sameRate(a: RateOptions | undefined, b: RateOptions | undefined): boolean {
  return a?.connections === b?.connections && a?.perMs === b?.perMs && a?.burst === b?.burst;
}
