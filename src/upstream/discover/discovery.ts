import { type Clock, systemClock } from "../../core/clock.ts";
import { type Log, silentLog } from "../../core/log.ts";
import type { BackendSpec } from "../options.ts";
import { checkSet, equalSets, joinSets } from "./backend_set.ts";
import { type NamedSource, SourceRun, type SourceStatus } from "./source_run.ts";

/** What of a {@linkcode Discovery} may change while it runs. */
export interface DiscoverySettings {
  /** Backends that are always in the set, before those that are discovered. */
  readonly statics: readonly BackendSpec[];
  /** An empty answer keeps the source's last set, rather than being believed. */
  readonly keepOnEmpty: boolean;
}

/** Options of {@linkcode Discovery}. */
export interface DiscoveryOptions extends Partial<DiscoverySettings> {
  /** Whom to ask, in the order in which their sets are joined. */
  readonly sources: readonly NamedSource[];
  /**
   * Gets each complete set that differs from the one before. Must not throw. The static backends alone are where it
   * starts from: they are not passed on.
   */
  readonly onSet: (backends: readonly BackendSpec[]) => void;
  /** Whose backends these are, for the log. @default {""} */
  readonly upstream?: string;
  /** How many backends the upstream has in use, for the log. @default {those of the discovery} */
  readonly inUse?: () => number;
  /** For pauses and for the times in the status. @default {systemClock} */
  readonly clock?: Clock;
  /** Told of changes, and of failures when they begin and end. @default {silentLog} */
  readonly log?: Log;
  /** Spreads the tries after failures; uniform in [0, 1). @default {Math.random} */
  readonly random?: () => number;
}

/**
 * Keeps the backends of one upstream up to date from one or more sources, and joins what they give: the static ones
 * first, then each source's last set, in the order of the sources. An address that is named more than once is one
 * backend, as it was mentioned first.
 *
 * A source that fails keeps its last set, and is asked again after 1 to 30 seconds, or up to its `retryMaxMs`. Until it has given its first, it
 * contributes nothing. Whoever makes a discovery closes it.
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
  /** Resolves when each source has answered once, with a set or an error; also when the discovery is closed. */
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
   * Nothing is asked before {@linkcode Discovery.start}.
   *
   * @throws {DiscoveryError} when the static backends can't be used.
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

  /** The complete set as it is now. */
  get backends(): readonly BackendSpec[] {
    return this.#backends;
  }

  /** How each source is, in the order of the sources. */
  get status(): readonly SourceStatus[] {
    return this.#runs.map(({ status }) => status);
  }

  /** Asks the sources from now on. */
  start(): void {
    if (!this.#closed) { for (const run of this.#runs) run.start(); }
  }

  /** Asks each source again at once, unless its answer is awaited already. */
  refresh(): void {
    if (!this.#closed) { for (const run of this.#runs) run.refresh(); }
  }

  /**
   * Takes other settings; the sources go on. A set that is another one thereby is passed on.
   *
   * @throws {DiscoveryError} when the static backends can't be used; then nothing has changed.
   */
  update(settings: DiscoverySettings): void {
    this.#statics = takeStatics(settings.statics);
    for (const run of this.#runs) run.keepOnEmpty = settings.keepOnEmpty;
    this.#join(undefined);
  }

  /** Ends all sources; nothing is passed on any more. Resolves when they have ended, after a second at the latest. */
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
