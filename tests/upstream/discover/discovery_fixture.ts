import type { BackendSpec } from "../../../src/upstream/options.ts";
import { Discovery, type DiscoveryOptions } from "../../../src/upstream/discover/discovery.ts";
import type { ReportingSource } from "../../../src/upstream/discover/source.ts";
import { FakeClock } from "../../core/fake_clock.ts";
import { RecordingLog } from "../../support/recording_log.ts";
import { settle } from "../../support/settle.ts";

/** The hosts of a set: `a b c`. */
export function hosts(set: readonly BackendSpec[]): string {
  return set.map(({ address }) => address.kind === "tcp" ? address.host : address.path).join(" ");
}

/** A source that gives what a test tells it to give, and counts how often it is asked. */
export class ScriptedSource {
  asked = 0;
  ended = 0;
  #say: (word: readonly BackendSpec[] | Error | "end") => void = () => {};
  #words: (readonly BackendSpec[] | Error | "end" | { throws: Error })[] = [];

  /** The source. */
  readonly source: ReportingSource = (signal) => this.#run(signal);

  /** Yields a set or an error. */
  async give(word: readonly BackendSpec[] | Error): Promise<void> {
    await this.#next(word);
  }

  /** Throws. */
  async fail(message: string): Promise<void> {
    await this.#next({ throws: new Error(message) });
  }

  /** Ends without an error. */
  async end(): Promise<void> {
    await this.#next("end");
  }

  async #next(word: readonly BackendSpec[] | Error | "end" | { throws: Error }): Promise<void> {
    this.#words.push(word);
    this.#say("end");
    await settle();
  }

  async *#run(signal: AbortSignal): AsyncGenerator<readonly BackendSpec[] | Error> {
    this.asked++;
    try {
      while (!signal.aborted) {
        const word = this.#words.shift();
        if (word === undefined) {
          await new Promise<void>((resolve) => {
            this.#say = () => resolve();
            signal.addEventListener("abort", () => resolve());
          });
        } else if (word === "end") return;
        else if ("throws" in word) throw word.throws;
        else yield word;
      }
    } finally {
      this.ended++;
    }
  }
}

/** A discovery in fake time over scripted sources called `one`, `two` and so on. */
export class DiscoveryFixture implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = new RecordingLog();
  /** The sets that were passed on, as their hosts. */
  readonly sets: string[] = [];
  readonly sources: ScriptedSource[];
  readonly discovery: Discovery;

  constructor(options: Partial<DiscoveryOptions> & { count?: number; retryMaxMs?: number } = {}) {
    const { count = 1, retryMaxMs } = options;
    this.sources = Array.from({ length: count }, () => new ScriptedSource());
    this.discovery = new Discovery({
      sources: this.sources.map(({ source }, i) => ({
        name: ["one", "two", "three"][i]!,
        source,
        retryMaxMs,
      })),
      onSet: (set) => void this.sets.push(hosts(set)),
      upstream: "db",
      clock: this.clock,
      log: this.log,
      random: () => 0.5,
      ...options,
    });
    this.discovery.start();
  }

  get one(): ScriptedSource {
    return this.sources[0]!;
  }

  get two(): ScriptedSource {
    return this.sources[1]!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.discovery.close();
  }
}
