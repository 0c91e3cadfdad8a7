import { LogInterval } from "../../core/log_interval.ts";
import { abortable } from "@std/async/abortable";
import { Deadline } from "../../core/deadline.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import { type Log, silentLog } from "../../core/log.ts";
import { type TimerWheel, WheelTimer } from "../../core/timer_wheel.ts";
import { isShortage } from "../../net/shortage.ts";
import type { CheckOutcome } from "./health.ts";
import type { CheckReport } from "./check.ts";

/** Options of {@linkcode CheckScheduler}. */
export interface CheckSchedulerOptions {
  readonly wheel: TimerWheel;
  /** Checks under way at once; the others wait for their turn. @default {256} */
  readonly maxUnderWay?: number;
  /** Uniform in [0, 1). @default {Math.random} */
  readonly random?: () => number;
  /** Told when checks are late. @default {silentLog} */
  readonly log?: Log;
}

/** What is to be checked again and again. */
export interface CheckTask {
  readonly intervalMs: number;
  /** Hard: what has not ended by then has failed. */
  readonly timeoutMs: number;
  /** The upstream that it is for: upstreams take turns for free places. @default one for all that name none */
  readonly upstream?: string;
  /** Looks once; gives up when `signal` fires. */
  run(signal: AbortSignal): Promise<CheckReport>;
  /** Told how each check ended. Must not throw. */
  onOutcome(outcome: CheckOutcome): void;
}

/** So often it is looked whether they are. */
const LOOK_EVERY_MS = 1_000;

/** A backend did not stand the check in the time that it had. */
export class CheckTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "CheckTimeoutError";

  constructor(timeoutMs: number) {
    super("check_timeout", `no result within ${timeoutMs}ms`);
  }
}

/**
 * Runs the checks of all backends: each at once when it is added, then every `intervalMs`, so much earlier (a tenth
 * at the most, and for the second one anything) that those that began together do not stay together. Never more
 * than `maxUnderWay` at once, and never two of one task: one that does not end even when it is given up keeps its
 * place, and fails again every `intervalMs`. Where there are more to run than places, the upstreams take turns, so
 * that one whose backends are silent does not hold up the checks of all others.
 */
export class CheckScheduler {
  readonly #wheel: TimerWheel;
  readonly #maxUnderWay: number;
  readonly #random: () => number;
  readonly #log: Log;
  readonly #jobs = new Map<CheckTask, Job>();
  /** Due, and waiting for a place, in their order; the upstreams in the order of their turns. */
  readonly #waiting = new Map<string, Set<Job>>();
  #underWay = 0;
  /** Until then it is not looked whether checks are late. */
  readonly #lookInterval = new LogInterval(LOOK_EVERY_MS);
  readonly #warnInterval = new LogInterval();

  /** Nothing runs until the first task is added. */
  constructor(options: CheckSchedulerOptions) {
    this.#wheel = options.wheel;
    this.#maxUnderWay = options.maxUnderWay ?? 256;
    this.#random = options.random ?? Math.random;
    this.#log = options.log ?? silentLog;
  }

  /** Tasks that are checked. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Checks under way. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Checks `task` from now on, until it is removed. Does nothing if it is checked already. */
  add(task: CheckTask): void {
    if (this.#jobs.has(task)) return;
    const timer = new WheelTimer(() => this.#onDue(job));
    const job: Job = { task, timer, runs: 0, dueMs: 0, deadline: undefined };
    this.#jobs.set(task, job);
    this.#due(job);
  }

  /** Stops checking `task`. A check under way is given up, and nobody is told how it ended. */
  remove(task: CheckTask): void {
    const job = this.#jobs.get(task);
    if (job === undefined) return;
    this.#jobs.delete(task);
    this.#forget(job);
    this.#wheel.stop(job.timer);
    job.deadline?.abort(new CulvertError("check_removed", "The check is no longer wanted"));
  }

  #onDue(job: Job): number {
    if (job.deadline === undefined) {
      this.#due(job);
      return 0;
    }
    this.#tell(job, failure("the check was given up and has not ended"));
    this.#lookForLate();
    return this.#has(job) ? this.#wheel.now() + job.task.intervalMs : 0;
  }

  #due(job: Job): void {
    job.dueMs = this.#wheel.now();
    const { upstream = "" } = job.task;
    const jobs = this.#waiting.get(upstream);
    if (jobs === undefined) this.#waiting.set(upstream, new Set([job]));
    else jobs.add(job);
    this.#fill();
  }

  /** It no longer waits. */
  #forget(job: Job): void {
    const { upstream = "" } = job.task;
    const jobs = this.#waiting.get(upstream);
    if (jobs?.delete(job) && jobs.size === 0) this.#waiting.delete(upstream);
  }

  #fill(): void {
    // Whoever has had its turn goes to the end, where the loop comes to it again.
    for (const [upstream, jobs] of this.#waiting) {
      if (this.#underWay >= this.#maxUnderWay) return this.#lookForLate();
      const job = first(jobs);
      jobs.delete(job);
      this.#waiting.delete(upstream);
      if (jobs.size > 0) this.#waiting.set(upstream, jobs);
      this.#underWay++;
      void this.#run(job);
    }
  }

  /** Says so when a check should have begun more than its interval ago: a backend may be long down by then. */
  #lookForLate(): void {
    const now = this.#wheel.now();
    if (!this.#lookInterval.begin(now)) return;
    for (const [upstream, jobs] of this.#waiting) {
      const { dueMs, task } = first(jobs);
      if (now - dueMs <= task.intervalMs) continue;
      if (!this.#warnInterval.begin(now)) return;
      const waiting = [...this.#waiting.values()].reduce((sum, { size }) => sum + size, 0);
      const fields = { upstream, late_ms: Math.round(now - dueMs), waiting, under_way: this.#underWay };
      return this.#log.warn("health checks are late: too many wait for silent backends", fields);
    }
  }

  async #run(job: Job): Promise<void> {
    const { task } = job;
    const startedMs = this.#wheel.now();
    const deadline = job.deadline = new Deadline(this.#wheel, {
      timeoutMs: task.timeoutMs,
      reason: () => new CheckTimeoutError(task.timeoutMs),
    });
    const { signal } = deadline;
    const running = begin(task, signal);
    const outcome = await outcomeOf(running, signal);
    deadline[Symbol.dispose]();
    this.#tell(job, outcome);
    // Not before it has really ended: never two of one task.
    if (signal.aborted && this.#has(job)) this.#wheel.start(job.timer, this.#untilNext(job, startedMs));
    await running.catch(() => {});
    job.deadline = undefined;
    this.#underWay--;
    if (this.#has(job)) this.#again(job, startedMs);
    this.#fill();
  }

  /** Whether it is wanted still: its task may have been added anew since. */
  #has(job: Job): boolean {
    return this.#jobs.get(job.task) === job;
  }

  #tell(job: Job, outcome: CheckOutcome): void {
    if (this.#has(job)) job.task.onOutcome(outcome);
  }

  #again(job: Job, startedMs: number): void {
    const early = (job.runs === 0 ? 1 : 0.1) * this.#random();
    job.runs++;
    this.#wheel.start(job.timer, this.#untilNext(job, startedMs - job.task.intervalMs * early));
  }

  /** How long until the next check of a task whose last one began at `startedMs`. */
  #untilNext({ task }: Job, startedMs: number): number {
    return Math.max(0, startedMs + task.intervalMs - this.#wheel.now());
  }
}

interface Job {
  readonly task: CheckTask;
  readonly timer: WheelTimer;
  runs: number;
  /** When it last began to wait for a place. */
  dueMs: number;
  /** While a check is under way. */
  deadline: Deadline | undefined;
}

/** The one that has waited longest. */
function first(jobs: ReadonlySet<Job>): Job {
  const [job] = jobs;
  return job!;
}

/** How it ends, or that it was given up before. Never rejects. */
async function outcomeOf(running: Promise<CheckReport>, signal: AbortSignal): Promise<CheckOutcome> {
  try {
    const { detail, certificateValidTo } = await abortable(running, signal);
    return { ok: true, detail, certificateValidTo, at: Date.now() };
  } catch (error) {
    const reason: unknown = signal.aborted ? signal.reason : error;
    return { ...failure(describeError(reason)), ours: isShortage(reason) };
  }
}

function failure(detail: string): CheckOutcome {
  return { ok: false, detail, at: Date.now() };
}

/** Never throws at once. */
async function begin(task: CheckTask, signal: AbortSignal): Promise<CheckReport> {
  return await task.run(signal);
}
