import type { Log } from "../../core/log.ts";
import type { TimerWheel } from "../../core/timer_wheel.ts";
import type { Backend } from "../../upstream/backend.ts";
import { unavailableError } from "../../upstream/backend_group.ts";
import { BackendQueue } from "../../upstream/backend_queue.ts";
import type { QueueOptions } from "../../upstream/options.ts";
import { RefusalDelay } from "../../upstream/refusal.ts";
import { BackendSearch, type SearchContext, type SearchOptions } from "../../upstream/search.ts";
import type { BackendTraits, RequestBackends } from "../request_backends.ts";
import type { PoolBackend } from "./pool_backend.ts";
import type { PoolMember } from "./pool_member.ts";
import type { PoolOutliers } from "./pool_outliers.ts";

/** What a {@linkcode PoolPath} works with. */
export interface PoolPathParts {
  readonly name: string;
  readonly wheel: TimerWheel;
  readonly log: Log;
  readonly outlier: PoolOutliers;
  readonly queue: QueueOptions;
  readonly endsRequests: boolean;
  /** Also those that have been removed, as long as requests are under way at them. */
  readonly memberOf: (backend: Backend) => PoolMember;
  /** Picks one of all backends of the pool but these. */
  readonly pick: (options: { source?: string; exclude: readonly PoolBackend[] }) => PoolBackend | undefined;
}

/** The backends of a pool that serve one path. */
export class PoolPath implements RequestBackends {
  readonly speaksTls = false; // As the traits say.
  readonly sendsProxyHeader = false;
  readonly outlier: PoolOutliers;
  readonly traits: BackendTraits;
  readonly #parts: PoolPathParts;
  readonly #queue: BackendQueue;
  readonly #context: SearchContext;
  #members: readonly PoolMember[] = [];
  #redirecting: readonly PoolMember[] = [];
  /** Backends of the pool that serve other paths. */
  #others: readonly PoolBackend[] = [];

  constructor(parts: PoolPathParts) {
    const { name, wheel, log, outlier, queue, endsRequests, memberOf } = parts;
    this.#parts = parts;
    this.outlier = outlier;
    this.#queue = new BackendQueue({ name, wheel });
    this.#queue.configure(queue);
    this.traits = {
      endsRequests,
      scheme: (backend) => memberOf(backend).url.scheme,
      rewriter: (backend) => memberOf(backend).rewriter,
      redirect: (url) => this.#redirect(url),
    };
    this.#context = {
      ...{ name, wheel, log, outlier, queue: this.#queue, refusalDelay: new RefusalDelay() },
      ...{ retries: 0, proxyProtocol: "none", connectTls: undefined, onShortage: undefined },
      canWait: (tried) =>
        this.#members.some(({ backend }) => !backend.removed && backend.full && !tried.includes(backend)),
      pick: (options) => this.#pick(options),
      unavailable: () => this.#unavailable(),
    };
  }

  /** Takes a new set. The order is that of the pool. */
  update(members: readonly PoolMember[], others: readonly PoolMember[]): void {
    this.#members = members;
    this.#others = others.map(({ view }) => view);
    this.#redirecting = members.filter(({ rewriter }) => rewriter !== undefined);
    this.onRoom(false);
  }

  /** A backend that would take one more request, which is not counted. */
  next({ source, exclude }: { source?: string; exclude?: readonly Backend[] }): PoolBackend | undefined {
    const { memberOf, pick } = this.#parts;
    const tried = exclude?.map((backend) => memberOf(backend).view) ?? [];
    return pick({
      ...(source === undefined ? {} : { source }),
      exclude: tried.length === 0 ? this.#others : [...this.#others, ...tried],
    });
  }

  take(options: { source?: string; exclude?: readonly Backend[] }): Backend | undefined {
    if (this.#queue.size > 0) return undefined;
    const backend = this.#pick(options);
    backend?.acquire();
    return backend;
  }

  search(options: SearchOptions): BackendSearch {
    return new BackendSearch(this.#context, options);
  }

  /** A backend may take more or fewer requests: serves those that wait. */
  onRoom(freed: boolean): void {
    if (this.#queue.size === 0) return;
    this.#queue.serve();
    if (!freed && this.#queue.size > 0 && !this.#context.canWait([])) {
      this.#queue.dismiss(this.#unavailable());
    }
  }

  #pick(options: { source?: string; exclude?: readonly Backend[] }): Backend | undefined {
    const view = this.next(options);
    return view && this.#members.find((member) => member.view === view)?.backend;
  }

  #unavailable(): Error {
    return unavailableError(this.#parts.name, this.#members.map(({ backend }) => backend));
  }

  #redirect(url: string): string | undefined {
    for (const { rewriter } of this.#redirecting) {
      const location = rewriter!.redirect(url);
      if (location !== undefined) return location;
    }
    return undefined;
  }
}
