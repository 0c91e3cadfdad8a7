import { CulvertError } from "../../core/errors.ts";
import type { Log } from "../../core/log.ts";
import type { TimerWheel } from "../../core/timer_wheel.ts";
import type { BufferPool } from "../../net/buffers.ts";
import { dial } from "../../net/dial.ts";
import { DEFAULT_TIMEOUTS } from "../../service/options.ts";
import type { Backend } from "../../upstream/backend.ts";
import type { Balancer, PickOptions } from "../../upstream/balance/balancer.ts";
import { CheckScheduler } from "../../upstream/check/scheduler.ts";
import { DEFAULT_OUTLIER, DEFAULT_QUEUE } from "../../upstream/options.ts";
import { DEFAULT_POOL } from "../../upstream/pool/options.ts";
import { type BackendUrl, badBackend, readBackendUrl } from "./backend_url.ts";
import type { HttpPoolConfig, HttpPoolOptions, PoolBackendInput, PoolBackendOptions } from "./options.ts";
import type { PoolBackend } from "./pool_backend.ts";
import { balancerOf, checkedConfig } from "./pool_config.ts";
import { type MemberParts, PoolMember, prepareMember } from "./pool_member.ts";
import { PoolOutliers } from "./pool_outliers.ts";
import { PoolPath } from "./pool_path.ts";
import { PoolRoundRobin } from "./pool_round_robin.ts";

/** What a {@linkcode PoolSet} works with. */
export interface PoolSetParts {
  readonly name: string;
  readonly wheel: TimerWheel;
  readonly buffers: BufferPool;
  readonly log: Log;
}

/** The backends of a pool, by URL, with the balancer that picks from them and the paths that they serve. */
export class PoolSet {
  /** Incremented when the paths change. */
  version = 0;
  readonly #options: HttpPoolOptions;
  readonly #parts: PoolSetParts;
  readonly #memberParts: MemberParts;
  readonly #outlier: PoolOutliers;
  readonly #membersOf = new WeakMap<Backend, PoolMember>();
  #config: HttpPoolConfig;
  #balancer: Balancer<PoolBackend>;
  #members: ReadonlyMap<string, PoolMember> = new Map();
  #paths: ReadonlyMap<string, PoolPath> = new Map();

  /** @throws {CulvertError} `bad_config`. */
  constructor(options: HttpPoolOptions, parts: PoolSetParts) {
    const { balance = "round-robin", maxConnections = 0 } = options;
    const { name, wheel, log } = parts;
    this.#options = options;
    this.#parts = parts;
    this.#config = checkedConfig({ balance, maxConnections });
    this.#balancer = balancerOf(this.#config);
    this.#memberParts = {
      ...parts,
      dial: options.dial ?? dial,
      scheduler: new CheckScheduler({ wheel, log }),
      connections: { ...DEFAULT_POOL, ...options.connections },
      connectMs: options.timeouts?.connectMs ?? DEFAULT_TIMEOUTS.connectMs,
      rewriter: options.rewriter,
      maxConnections: () => this.#config.maxConnections,
      onRoom: (freed) => this.#onRoom(freed),
    };
    this.#outlier = new PoolOutliers({ ...DEFAULT_OUTLIER, failures: 0, ...options.outlier }, {
      ...{ upstream: name, wheel, log, onReturn() {} },
      viewOf: (backend) => this.#membersOf.get(backend)!.view,
    });
  }

  get config(): HttpPoolConfig {
    return this.#config;
  }

  /** All that there are, in their order. */
  get members(): readonly PoolMember[] {
    return [...this.#members.values()];
  }

  /** By the path; at least one. */
  get paths(): ReadonlyMap<string, PoolPath> {
    return this.#paths.size > 0 ? this.#paths : new Map([["/", this.#createPath()]]);
  }

  /** Whose turn it is; 0 with any other balancer. */
  get turn(): number {
    return this.#balancer instanceof PoolRoundRobin ? this.#balancer.turn : 0;
  }

  set turn(turn: number) {
    if (this.#balancer instanceof PoolRoundRobin) this.#balancer.turn = turn;
  }

  /** @throws {CulvertError} `bad_config`; nothing has changed then. */
  update(options: Partial<HttpPoolConfig>): void {
    const config = checkedConfig({ ...this.#config, ...options });
    const balancer = config.balance === this.#config.balance ? this.#balancer : balancerOf(config);
    const views = this.members.map(({ view }) => view);
    balancer.update(views);
    this.#balancer = balancer;
    this.#config = config;
    for (const member of this.members) member.refresh();
  }

  find(url: string | URL): PoolMember | undefined {
    try {
      return this.#members.get(readBackendUrl(url).text);
    } catch {
      return undefined;
    }
  }

  /** @throws {CulvertError} `bad_backend`. */
  known(url: string | URL): PoolMember {
    const { text } = readBackendUrl(url);
    const member = this.#members.get(text);
    if (member === undefined) throw badBackend(`Cannot find the backend "${text}"`);
    return member;
  }

  /** @throws {CulvertError} `bad_backend`. */
  add(input: string | URL, options: PoolBackendOptions): PoolMember {
    const url = readBackendUrl(input);
    if (this.#members.has(url.text)) throw doubled(url);
    const member = this.#create(url, options);
    this.#take([...this.members, member]);
    return member;
  }

  /** @throws {CulvertError} `bad_backend`. */
  remove(url: string | URL): void {
    const left = this.known(url);
    this.#take(this.members.filter((member) => member !== left));
  }

  /** @throws {CulvertError} `bad_backend`; nothing has changed then. */
  replace(inputs: readonly PoolBackendInput[]): void {
    const prepared = new Map<string, ReturnType<typeof prepareMember>>();
    for (const input of inputs) {
      const { url: given, ...options } = typeof input === "string" || input instanceof URL
        ? { url: input }
        : input;
      const url = readBackendUrl(given);
      if (prepared.has(url.text)) throw doubled(url);
      prepared.set(url.text, this.#prepare(url, options));
    }
    const members = [...prepared].map(([text, each]) => {
      const member = this.#members.get(text);
      if (member === undefined) return new PoolMember(each, this.#memberParts);
      member.configure(each);
      return member;
    });
    this.#take(members);
  }

  /** One of all backends, which is not counted. */
  pick(options: PickOptions<PoolBackend>): PoolBackend | undefined {
    if (this.#members.size === 0) return undefined;
    const picked = this.#balancer.pick(options);
    return picked?.available === true ? picked : undefined;
  }

  /** Removes all, and resolves when their connections that are idle have been closed. */
  async close(): Promise<void> {
    const pools = this.members.map(({ backend }) => backend.usedPool);
    this.#take([]);
    await Promise.all(pools.map((pool) => pool?.close()));
  }

  #prepare(url: BackendUrl, options: PoolBackendOptions): ReturnType<typeof prepareMember> {
    const current = this.#members.get(url.text);
    return prepareMember(url, { options, parts: this.#memberParts, current });
  }

  #create(url: BackendUrl, options: PoolBackendOptions): PoolMember {
    return new PoolMember(this.#prepare(url, options), this.#memberParts);
  }

  /** Takes a set, in which nothing can fail any more. */
  #take(members: readonly PoolMember[]): void {
    const removed = this.members.filter((member) => !members.includes(member));
    this.#members = new Map(members.map((member) => [member.url.text, member]));
    for (const member of members) this.#membersOf.set(member.backend, member);
    this.#balancer.update(members.map(({ view }) => view));
    this.#outlier.configure(
      { ...DEFAULT_OUTLIER, failures: 0, ...this.#options.outlier },
      members.length,
    );
    this.#takePaths(members);
    for (const member of removed) {
      this.#outlier.forget(member.backend);
      member.remove(this.#options.onRemove ?? "drain");
    }
  }

  #takePaths(members: readonly PoolMember[]): void {
    const before = this.#paths;
    const byPath = Map.groupBy(members, ({ path }) => path);
    const paths = new Map<string, PoolPath>();
    for (const path of byPath.keys()) paths.set(path, before.get(path) ?? this.#createPath());
    this.#paths = paths;
    this.version++;
    for (const [path, each] of new Map([...before, ...paths])) {
      each.update(byPath.get(path) ?? [], members.filter((member) => member.path !== path));
    }
  }

  #createPath(): PoolPath {
    const { queue, onRemove } = this.#options;
    return new PoolPath({
      ...this.#parts,
      outlier: this.#outlier,
      queue: { ...DEFAULT_QUEUE, ...queue },
      endsRequests: onRemove === "close",
      memberOf: (backend) => this.#membersOf.get(backend)!,
      pick: (options) => this.pick(options),
    });
  }

  #onRoom(freed: boolean): void {
    for (const path of this.#paths.values()) path.onRoom(freed);
  }
}

function doubled({ text }: BackendUrl): CulvertError {
  return badBackend(`Cannot use the backend "${text}" twice`);
}
