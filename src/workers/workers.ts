import { Backoff } from "../core/backoff.ts";
import type { Clock } from "../core/clock.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { Log, LogLevel } from "../core/log.ts";
import type { ServerCredentials } from "../dataplane/credentials.ts";
import type { ServiceReport } from "../dataplane/report.ts";
import type { CarriedState } from "./carried_state.ts";
import type { Ejections } from "./ejections.ts";
import { Member, type WorkerReport } from "./member.ts";
import { mergeServices } from "./merge_reports.ts";
import type { Notice } from "./messages.ts";
import type { SharedCounts } from "./shared_counts.ts";
import type { WorkerEvent } from "./worker_thread.ts";

/** What {@linkcode Workers} work with. */
export interface WorkersParts {
  readonly log: Log;
  readonly clock: Clock;
  /** The module that workers run, which calls `runWorker`; absent: there can be none. */
  readonly module?: URL | undefined;
  readonly writeAccess?: ((line: string) => void) | undefined;
  readonly state: CarriedState;
  readonly ejections: Ejections;
  readonly counts: SharedCounts;
  /** A worker has something for the main thread and the other workers. */
  readonly onEvent: (event: Extract<WorkerEvent, { type: "pool-full" | "local-ip" }>, by: Member) => void;
}

/** A worker that failed is replaced after so long, and longer each time that it fails soon again. */
const RESTART = { minMs: 100, maxMs: 30_000 };
/** A worker that has run for so long did not fail soon. */
const STEADY_MS = 60_000;

/** The workers: starts them, replaces those that fail, and ends those that have no place any more. */
export class Workers {
  /** What workers that are no more had counted. */
  carried: readonly ServiceReport[] = [];
  readonly #parts: WorkersParts;
  readonly #backoffs = new Map<number, Backoff>();
  readonly #failures = new Map<number, number>();
  /** By their number, less one. */
  #members: (Member | undefined)[] = [];
  /** Workers that have no place any more, until their last connection has ended. */
  readonly #leaving = new Set<Member>();
  readonly #restarts = new Map<number, () => void>();
  /** Resolves when no plan and no restart is under way. */
  #turn: Promise<void> = Promise.resolve();
  #logLevel: LogLevel = "info";
  #stopping = false;

  constructor(parts: WorkersParts) {
    this.#parts = parts;
  }

  /** Those that accept connections. */
  get running(): readonly Member[] {
    return this.#members.filter((member) => member !== undefined);
  }

  /** Those that accept none any more. */
  get leaving(): readonly Member[] {
    return [...this.#leaving];
  }

  /** Those that carry a snapshot. */
  get carrying(): readonly Member[] {
    return [...this.running, ...this.#leaving].filter(({ committed, thread }) => committed && !thread.ended);
  }

  /** How they are. */
  get reports(): readonly WorkerReport[] {
    const reports = [...this.running, ...this.#leaving].map((member) => member.status);
    const failed = [...this.#restarts.keys()].map((number): WorkerReport => {
      const failures = this.#failures.get(number) ?? 0;
      return { number, state: "failed", connections: 0, total: 0, delayMs: 0, heapBytes: 0, failures };
    });
    return [...reports, ...failed].sort((a, b) => a.number - b.number);
  }

  /** Tells all that carry a snapshot. */
  tell(notice: Notice, except?: Member): void {
    for (const member of this.carrying) if (member !== except) member.thread.tell(notice);
  }

  /** Uses other credentials in all that carry a snapshot. One that fails meanwhile is replaced by one that has them. */
  async setCredentials(credentials: ReadonlyMap<string, ServerCredentials>): Promise<void> {
    await Promise.all(this.carrying.map(async ({ thread }) => {
      try {
        await thread.ask("credentials", credentials);
      } catch (error) {
        if (!thread.ended) throw error;
      }
    }));
  }

  /** The least important lines that workers send. */
  setLogLevel(level: LogLevel): void {
    this.#logLevel = level;
    this.tell({ type: "log-level", level });
  }

  /** Waits until no plan and no restart is under way. The caller calls what it gets at its end. */
  async takeTurn(): Promise<() => void> {
    const before = this.#turn;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#turn = promise;
    await before;
    return resolve;
  }

  /** Whether there is a worker of this number. */
  has(number: number): boolean {
    return this.#members[number - 1] !== undefined;
  }

  /**
   * Starts a worker, one of so many. The caller makes it carry a snapshot, and then calls {@linkcode place}.
   *
   * @throws {CulvertError} `no_workers`
   */
  start(number: number, { of: all, logLevel }: { of: number; logLevel: LogLevel }): Member {
    const { module, counts, clock } = this.#parts;
    if (module === undefined) throw new CulvertError("no_workers", "Cannot use workers here");
    const start = { phase: (number - 1) / all, totals: counts.totals, own: counts.createOwn(), logLevel };
    return new Member({
      number,
      module,
      start,
      now: () => clock.now(),
      failures: this.#failures.get(number) ?? 0,
      onEvent: (member, event) => this.#onEvent(member, event),
      onFailure: (member, error) => this.#onFailure(member, error),
    });
  }

  /** These carry the snapshot now. Those with a number above `wanted` accept no connection any more. */
  place(members: Iterable<Member>, { wanted, logLevel }: { wanted: number; logLevel: LogLevel }): void {
    this.#logLevel = logLevel;
    for (const [number, cancel] of this.#restarts) {
      if (number <= wanted) continue;
      cancel();
      this.#restarts.delete(number);
    }
    for (const member of members) this.#place(member, wanted);
    this.#members.length = wanted;
  }

  /** Tells a worker that has taken the snapshot what has changed since. */
  tellState({ thread }: Member): void {
    const { state, ejections } = this.#parts;
    for (const notice of state.notices()) thread.tell(notice);
    for (const [upstream, ejected] of ejections.current()) {
      thread.tell({ type: "ejected", upstream, ...ejected });
    }
  }

  /** Those that have no place any more leave their listeners to the others, which have bound theirs. */
  async retireListeners(): Promise<void> {
    await Promise.all(
      [...this.#leaving].map(({ thread }) => thread.ask("retire-listeners", undefined).catch(() => {})),
    );
  }

  /** Ends those that have no place any more, each with its last connection. */
  async endLeaving(): Promise<void> {
    await Promise.all([...this.#leaving].map(async (member) => {
      try {
        await member.thread.ask("idle", undefined);
        if (this.#stopping || !this.#leaving.has(member)) return;
        this.#keep(await member.thread.ask("report", undefined).then(({ services }) => services));
      } catch {
        return; // It has failed, or the program has stopped.
      }
      this.#leaving.delete(member);
      this.#parts.counts.takeOff(member.own);
      member.thread.end();
    }));
  }

  /** Starts none any more. Returns those that carry a snapshot. */
  stop(): readonly Member[] {
    this.#stopping = true;
    for (const cancel of this.#restarts.values()) cancel();
    this.#restarts.clear();
    return this.carrying;
  }

  /** Ends all of them at once. */
  end(): void {
    for (const { thread } of [...this.running, ...this.#leaving]) thread.end();
    this.#members = [];
    this.#leaving.clear();
  }

  #place(member: Member, wanted: number): void {
    const { number, thread } = member;
    member.committed = true;
    if (this.#leaving.has(member)) return;
    if (thread.ended) {
      if (number <= wanted && !this.#restarts.has(number)) this.#replaceLater(number);
    } else if (number > wanted) {
      member.leaving = true;
      this.#leaving.add(member);
      this.#members[number - 1] = undefined;
    } else this.#members[number - 1] = member;
  }

  #onEvent(member: Member, event: WorkerEvent): void {
    const { log, writeAccess, ejections, onEvent } = this.#parts;
    switch (event.type) {
      case "log":
        for (const entry of event.entries) {
          if (typeof entry === "string") writeAccess?.(entry);
          else log[entry.level](entry.message, entry.fields);
        }
        if (event.dropped > 0) {
          const message = "log lines dropped: the main thread is too slow";
          log.warn(message, { worker: member.number, count: event.dropped });
        }
        return member.thread.tell({ type: "log-taken", characters: event.characters });
      case "suspect":
        return ejections.suspect(event.upstream, event);
      default:
        return onEvent(event, member);
    }
  }

  /** Its sockets are closed. What it counted of limits is free again, and what it had done is kept. */
  #onFailure(member: Member, error: Error): void {
    const { log, counts, clock } = this.#parts;
    const { number } = member;
    this.#failures.set(number, (this.#failures.get(number) ?? 0) + 1);
    const gone = new Map(
      (this.#parts.state.snapshot?.services ?? []).map((
        { name },
      ) => [name, counts.ownConnectionsOf(name, member.own)]),
    );
    counts.takeOff(member.own);
    this.#keep(member.services, gone);
    const connections = [...gone.values()].reduce((sum, count) => sum + count, 0);
    log.error("worker failed, closing its connections", {
      worker: number,
      connections,
      error: error.message,
    });
    this.#leaving.delete(member);
    if (this.#members[number - 1] !== member) return; // It was not in use yet, or is not any more.
    this.#members[number - 1] = undefined;
    if (clock.now() - member.startedAtMs > STEADY_MS) this.#backoffs.delete(number);
    if (!this.#stopping) this.#replaceLater(number);
  }

  #replaceLater(number: number): void {
    const backoff = this.#backoffs.getOrInsertComputed(number, () => new Backoff(RESTART));
    const cancel = this.#parts.clock.after(backoff.next(), () => void this.#replace(number));
    this.#restarts.set(number, cancel);
  }

  async #replace(number: number): Promise<void> {
    const endTurn = await this.takeTurn();
    const { log, state, counts } = this.#parts;
    let member: Member | undefined;
    try {
      if (this.#stopping || !this.#restarts.has(number)) return;
      member = this.start(number, { of: this.#members.length, logLevel: this.#logLevel });
      await member.thread.loaded;
      const { addresses: elsewhere, bound } = state;
      await this.#prepare(member);
      if (this.#stopping || !this.#restarts.has(number)) return member.thread.end();
      // Backends may have changed meanwhile.
      const sets = new Map(state.snapshot!.upstreams.map(({ name, backends }) => [name, backends]));
      const value = { sets, elsewhere, bound, slots: counts.slotsOf(state.snapshot!) };
      const committed = member.thread.ask("commit", value);
      this.#restarts.delete(number);
      this.#place(member, this.#members.length);
      member.thread.tell({ type: "log-level", level: this.#logLevel });
      this.tellState(member);
      await committed;
      log.info("worker replaced", { worker: number });
    } catch (error) {
      log.error("cannot replace a worker", { worker: number, error: describeError(error) });
      member?.thread.end();
      if (!this.#stopping && !this.has(number)) this.#replaceLater(number);
    } finally {
      endTurn();
    }
  }

  /** Prepares the current snapshot in a worker; again if its credentials change meanwhile, as it must not use old CRLs. */
  async #prepare({ thread }: Member): Promise<void> {
    const { state, counts } = this.#parts;
    const role = { transports: "tcp", bindsFirst: false, elsewhere: state.addresses } as const;
    let snapshot;
    do {
      if (snapshot !== undefined) thread.tell({ type: "discard" });
      snapshot = state.snapshot!;
      await thread.ask("prepare", { snapshot, role, slots: counts.slotsOf(snapshot) });
    } while (state.snapshot!.services !== snapshot.services);
  }

  /** Keeps what a worker has counted that is no more; `gone` are the connections that have ended with it. */
  #keep(services: readonly ServiceReport[], gone: ReadonlyMap<string, number> = new Map()): void {
    const ended = services.map((service): ServiceReport => {
      const lost = gone.get(service.name) ?? 0;
      const { requests } = service;
      return {
        ...service,
        active: 0,
        handshakes: 0,
        ended: lost === 0 ? service.ended : { ...service.ended, "worker-failed": lost },
        ...(requests === undefined ? {} : { requests: { ...requests, active: 0 } }),
      };
    });
    const names = new Set(this.#parts.state.snapshot?.services.map(({ name }) => name));
    const merged = this.carried.length === 0
      ? ended
      : mergeServices([...[this.carried, ended]].sort((a, b) => b.length - a.length));
    this.carried = merged.filter(({ name }) => names.has(name));
  }
}
