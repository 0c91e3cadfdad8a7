import { CulvertError } from "../../../../src/core/errors.ts";
import { formatAddress, parseAddress } from "../../../../src/net/address.ts";
import type { BackendSpec } from "../../../../src/upstream/options.ts";
import { etcdSource } from "../../../../src/upstream/discover/etcd/source.ts";
import type { EtcdSourceOptions } from "../../../../src/upstream/discover/etcd/options.ts";
import type { BackendSource } from "../../../../src/upstream/discover/source.ts";
import { RecordingLog } from "../../../support/recording_log.ts";
import { until } from "../../../support/wait.ts";

export const PREFIX = "/culvert/db/";

/** A backend as the tests write it: `{"address": "10.0.0.1:1", "weight": 2}`. */
export function parseBackend(value: unknown): BackendSpec {
  const { address, weight = 1 } = value as { address: string; weight?: number };
  return { address: parseAddress(address), weight, maxConnections: 0, backup: false };
}

/** The value of a key. */
export function backend(address: string, weight = 1): string {
  return JSON.stringify({ address, weight });
}

/** A source with short times, and what it logged. */
export function quickSource(
  endpoints: readonly string[],
  options: Partial<EtcdSourceOptions> = {},
): { source: BackendSource; log: RecordingLog } {
  const log = new RecordingLog();
  const times = { checkMs: 300, requestMs: 5_000, graceMs: 1_000 };
  const source = etcdSource({ endpoints, prefix: PREFIX, parse: parseBackend, log, ...times, ...options });
  return { source, log };
}

/** Follows a source, and queries it again when it fails, as an upstream does. Disposing of it ends it. */
export class Follower implements AsyncDisposable {
  /** The sets so far, each as `10.0.0.1:1 10.0.0.2:1x5`: addresses, with weights other than 1. */
  readonly sets: string[] = [];
  /** What the source has thrown, as code and message. */
  readonly failures: string[] = [];
  /** The sets themselves. */
  readonly specs: (readonly BackendSpec[])[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(source: BackendSource) {
    this.#running = this.#run(source);
  }

  /** The last set. */
  get set(): string | undefined {
    return this.sets.at(-1);
  }

  /** Resolves when the last set is this one. */
  until(set: string): Promise<void> {
    const context = () => `sets: ${JSON.stringify(this.sets)}\nfailures: ${JSON.stringify(this.failures)}`;
    return until(() => this.set === set, { what: `the set "${set}"`, context });
  }

  /** Resolves to the next failure that begins with this code, of those from `from` on. */
  async failure(code: string, from = 0): Promise<string> {
    const found = () => this.failures.slice(from).find((failure) => failure.startsWith(code));
    const context = () => `failures: ${JSON.stringify(this.failures)}`;
    await until(() => found() !== undefined, { what: `the failure ${code}`, context });
    return found()!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort(new Error("the test is over"));
    await this.#running;
  }

  async #run(source: BackendSource): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        for await (const specs of source(signal)) {
          this.specs.push(specs);
          this.sets.push(specs.map(describe).join(" "));
        }
      } catch (error) {
        this.failures.push(error instanceof CulvertError ? `${error.code} ${error.message}` : String(error));
      }
      if (!signal.aborted) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function describe({ address, weight }: BackendSpec): string {
  return `${formatAddress(address)}${weight === 1 ? "" : `x${weight}`}`;
}
