import { type Clock, systemClock } from "../../core/clock.ts";
import { type Log, silentLog } from "../../core/log.ts";
import type { BackendSpec } from "../options.ts";
import { checkSet, equalSets, joinSets } from "./backend_set.ts";
import { type NamedSource, SourceRun, type SourceStatus } from "./source_run.ts";

/** The settings of a {@linkcode Discovery} that may change while it runs. */
export interface DiscoverySettings {
  /** Backends that are always in the set, before the discovered ones. */
  readonly statics: readonly BackendSpec[];
  /** Whether an empty answer keeps the source's last set. */
  readonly keepOnEmpty: boolean;
}

/** Options of {@linkcode Discovery}. */
export interface DiscoveryOptions extends Partial<DiscoverySettings> {
  /** The sources, in the order in which their sets are joined. */
  readonly sources: readonly NamedSource[];
  /**
   * Gets each complete set that differs from the previous one, beginning with the static backends alone, which are not
   * passed on. Must not throw.
   */
  readonly onSet: (backends: readonly BackendSpec[]) => void;
  /** The name of the upstream in the log. @default {""} */
  readonly upstream?: string;
  /** How many backends the upstream has in use, for the log. @default {those of the discovery} */
  readonly inUse?: () => number;
  /** For pauses and for the times in the status. @default {systemClock} */
  readonly clock?: Clock;
  /** Logs changes, and failures when they begin and end. @default {silentLog} */
  readonly log?: Log;
  /** The jitter of the pauses after failures; uniform in [0, 1). @default {Math.random} */
  readonly random?: () => number;
}

/**
 * Keeps the backends of one upstream up to date from one or more sources, and joins their sets: the static backends
 * first, then the last set of each source, in the order of the sources. Of backends with the same address the first
 * counts.
 *
 * A source that fails keeps its last set, and is asked again after a pause of 1 second up to its `retryMaxMs`. Before its
 * first set it contributes nothing. The owner closes the discovery.
 *
 * @example
 * ```ts
 * import { Discovery, staticSource } from "@culvert/culvert";
 *
 * const backends = [{
 *   address: { kind: "tcp", host: "10.0.0.11", port: 5432 },
 *   weight: 1,
 *   maxConnections: 0,
 *   backup: false,
 * }] as const;
 * const discovery = new Discovery({
 *   sources: [{ name: "static", source: staticSource(backends) }],
 *   onSet: (set) => console.log(set.length), // 1
 * });
 * discovery.start();
 * await discovery.ready;
 * await discovery.close();
 * ```
 */
export class Discovery {
  /** Resolves when each source has returned a set or an error, and when the discovery is closed. */
  readonly ready: Promise<void>;
  readonly #options: DiscoveryOptions;
  readonly #log: Log;
  readonly #runs: readonly SourceRun[];
  readonly #ready = Promise.withResolvers<void>();
  #statics: readonly BackendSpec[];
  #backends: readonly BackendSpec[];
  #waiting: number;
  #closed = false;

  /**
   * Asks nothing before {@linkcode Discovery.start}.
   *
   * @throws {DiscoveryError} if the static backends can't be used.
   */
  constructor(options: DiscoveryOptions) {
    const { clock = systemClock, log = silentLog, upstream = "", random } = options;
    this.#options = options;
    this.#log = log;
    this.#statics = takeStatics(options.statics ?? []);
    this.#backends = this.#statics;
    this.#waiting = options.sources.length;
    this.ready = this.#ready.promise;
    if (this.#waiting === 0) this.#ready.resolve();
    this.#runs = options.sources.map((named) =>
      new SourceRun({
        ...named,
        keepOnEmpty: options.keepOnEmpty ?? false,
        clock,
        log,
        upstream,
        ...(random === undefined ? {} : { random }),
        inUse: () => this.#inUse(),
        onSet: () => this.#join(named.name),
        onAnswered: () => --this.#waiting === 0 && this.#ready.resolve(),
      })
    );
  }

  /** The current set. */
  get backends(): readonly BackendSpec[] {
    return this.#backends;
  }

  /** The status of each source, in their order. */
  get status(): readonly SourceStatus[] {
    return this.#runs.map(({ status }) => status);
  }

  /** Starts asking the sources. */
  start(): void {
    if (!this.#closed) { for (const run of this.#runs) run.start(); }
  }

  /** Asks each source again at once, unless a request is under way. */
  refresh(): void {
    if (!this.#closed) { for (const run of this.#runs) run.refresh(); }
  }

  /**
   * Takes new settings; the sources keep running. If that changes the set, it is passed on.
   *
   * @throws {DiscoveryError} if the static backends can't be used; nothing has changed then.
   */
  update(settings: DiscoverySettings): void {
    this.#statics = takeStatics(settings.statics);
    for (const run of this.#runs) run.keepOnEmpty = settings.keepOnEmpty;
    this.#join(undefined);
  }

  /** Ends all sources; no set is passed on any more. Resolves when they have ended, after a second at the latest. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(this.#runs.map((run) => run.close()));
  }

  #join(source: string | undefined): void {
    if (this.#closed) return;
    const joined = joinSets([this.#statics, ...this.#runs.map(({ set }) => set)]);
    if (equalSets(this.#backends, joined)) return;
    this.#backends = joined;
    const { upstream = "" } = this.#options;
    this.#options.onSet(joined);
    if (source !== undefined) {
      this.#log.info("backends changed", { upstream, source, backends: this.#inUse() });
    }
  }

  #inUse(): number {
    return this.#options.inUse?.() ?? this.#backends.length;
  }
}

function takeStatics(statics: readonly BackendSpec[]): readonly BackendSpec[] {
  checkSet(statics);
  return joinSets([statics]);
}
