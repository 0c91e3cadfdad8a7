import type { Sample } from "./types.ts";

/** The proxy that the others are held against. */
export const REFERENCE = "haproxy";

/** A ratio against the reference: of the medians, and the least and greatest of the single rounds'. */
export interface Ratio {
  ofMedians: number;
  least: number;
  greatest: number;
}

/** Answers what the samples of a run say about a metric. */
export class Summary {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  /** The median over the rounds; `undefined` where nothing was measured. */
  median(proxy: string, key: string): number | undefined {
    const values = [...this.#byRound(proxy, key).values()].sort((a, b) => a - b);
    const middle = values.length / 2;
    const upper = values[Math.floor(middle)];
    if (upper === undefined || !Number.isInteger(middle)) return upper;
    return (upper + (values[middle - 1] ?? upper)) / 2;
  }

  /** How a proxy compares with `reference`; rounds in which either failed are left out of the range. */
  ratio(proxy: string, reference: string, key: string): Ratio | undefined {
    const median = this.median(proxy, key);
    const base = this.median(reference, key);
    if (median === undefined || base === undefined) return undefined;
    const bases = this.#byRound(reference, key);
    const rounds = [...this.#byRound(proxy, key)].flatMap(([round, value]) => {
      const other = bases.get(round);
      return other === undefined ? [] : [value / other];
    });
    return { ofMedians: median / base, least: Math.min(...rounds), greatest: Math.max(...rounds) };
  }

  /** The sum of all figures that count errors, over all measurements and rounds. */
  errors(proxy: string): number {
    return this.#samples.filter(({ proxy: name }) => name === proxy)
      .flatMap(({ figures }) => Object.entries(figures))
      .reduce((sum, [key, value]) => key.endsWith("Errors") ? sum + value : sum, 0);
  }

  #byRound(proxy: string, key: string): Map<number, number> {
    return new Map(
      this.#samples.flatMap(({ round, proxy: name, figures }) => {
        const value = figures[key];
        return name === proxy && value !== undefined ? [[round, value]] : [];
      }),
    );
  }
}
