import { formatAddress } from "../../net/address.ts";
import type { BackendSpec } from "../../upstream/options.ts";

/**
 * Weights of backends that were set by hand. Each holds until its backend gets another weight by the configuration or by
 * discovery, or leaves the set.
 */
export class WeightOverrides {
  /** By the address as text; `given` is the weight that it takes the place of. */
  readonly #byKey = new Map<string, { readonly given: number; readonly weight: number }>();
  /** The last set and what was made of it, so that the same set gives the same list. */
  #last: { readonly given: readonly BackendSpec[]; readonly result: readonly BackendSpec[] } | undefined;

  /** Sets the weight of a backend that is in the set `given`. */
  set(key: string, { given, weight }: { given: number; weight: number }): void {
    if (given === weight) this.#byKey.delete(key);
    else this.#byKey.set(key, { given, weight });
    this.#last = undefined;
  }

  /** This set with the weights that were set by hand. */
  apply(given: readonly BackendSpec[]): readonly BackendSpec[] {
    if (this.#byKey.size === 0) return given;
    if (this.#last?.given === given) return this.#last.result;
    const unused = new Set(this.#byKey.keys());
    const result = given.map((spec) => {
      const key = formatAddress(spec.address);
      const override = this.#byKey.get(key);
      if (override === undefined || override.given !== spec.weight) return spec;
      unused.delete(key);
      return { ...spec, weight: override.weight };
    });
    for (const key of unused) this.#byKey.delete(key);
    this.#last = { given, result };
    return result;
  }
}
