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
  /** The most checks under way at once; others wait. @default {256} */
  readonly maxUnderWay?: number;
  /** Uniform in [0, 1). @default {Math.random} */
  readonly random?: () => number;
  /** Logs late checks. @default {silentLog} */
  readonly log?: Log;
}

/** A check that is repeated. */
export interface CheckTask {
  readonly intervalMs: number;
  /** A check that has not ended by then has failed. */
  readonly timeoutMs: number;
  /** The upstream of the backend. Waiting upstreams take turns. @default one for all without a name */
  readonly upstream?: string;
  /** Runs the check once, until `signal` aborts. */
  run(signal: AbortSignal): Promise<CheckReport>;
  /** Gets the result of each check. Must not throw. */
  onOutcome(outcome: CheckOutcome): void;
}

/** The interval at which late checks are looked for. */
const LOOK_EVERY_MS = 1_000;

/** A check has reached its timeout. */
export class CheckTimeoutError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "CheckTimeoutError";

  constructor(timeoutMs: number) {
    super("check_timeout", `no result within ${timeoutMs}ms`);
  }
}

/**
 * Runs the checks of all backends: each at once when it is added, then every `intervalMs`, minus a random time of up to a
 * tenth (for the second check up to the whole interval), so that checks spread out. At most `maxUnderWay` run at once,
 * and never two of one task: one that does not end although it was aborted keeps its slot, and fails again every
 * `intervalMs`. If checks wait, the upstreams take turns, so that an upstream with silent backends does not delay the
 * others.
 */
export class CheckScheduler {
  readonly #wheel: TimerWheel;
  readonly #maxUnderWay: number;
  readonly #random: () => number;
  readonly #log: Log;
  readonly #jobs = new Map<CheckTask, Job>();
  /** The due checks that wait for a slot, by upstream, both in the order of their turn. */
  readonly #waiting = new Map<string, Set<Job>>();
  #underWay = 0;
  readonly #lookInterval = new LogInterval(LOOK_EVERY_MS);
  readonly #warnInterval = new LogInterval();

  /** Runs nothing until a task is added. */
  constructor(options: CheckSchedulerOptions) {
    this.#wheel = options.wheel;
    this.#maxUnderWay = options.maxUnderWay ?? 256;
    this.#random = options.random ?? Math.random;
    this.#log = options.log ?? silentLog;
  }

  /** The number of tasks. */
  get size(): number {
    return this.#jobs.size;
  }

  /** The number of checks under way. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Checks `task` until it is removed. Does nothing if it was added already. */
  add(task: CheckTask): void {
    if (this.#jobs.has(task)) return;
    const timer = new WheelTimer(() => this.#onDue(job));
    const job: Job = { task, timer, runs: 0, dueMs: 0, deadline: undefined };
    this.#jobs.set(task, job);
    this.#due(job);
  }

  /** Stops checking `task`. A check under way is aborted without a result. */
  remove(task: CheckTask): void {
    const job = this.#jobs.get(task);
    if (job === undefined) return;
    this.#jobs.delete(task);
    const { upstream = "" } = task;
    const jobs = this.#waiting.get(upstream);
    if (jobs?.delete(job) && jobs.size === 0) this.#waiting.delete(upstream);
    this.#wheel.stop(job.timer);
    job.deadline?.abort(new CulvertError("check_removed", "The check was removed"));
  }

  #onDue(job: Job): number {
    if (job.deadline === undefined) {
      this.#due(job);
      return 0;
    }
    this.#tell(job, failure("the check was aborted and has not ended"));
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

  #fill(): void {
    // An upstream that has had its turn goes to the end, where the loop reaches it again.
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

  /** Logs if a check is overdue by more than its interval, as its backend may be down for that long. */
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
    // Wait until it has really ended: never two of one task.
    if (signal.aborted && this.#has(job)) this.#wheel.start(job.timer, this.#untilNext(job, startedMs));
    await running.catch(() => {});
    job.deadline = undefined;
    this.#underWay--;
    if (this.#has(job)) {
      const early = (job.runs === 0 ? 1 : 0.1) * this.#random();
      job.runs++;
      this.#wheel.start(job.timer, this.#untilNext(job, startedMs - task.intervalMs * early));
    }
    this.#fill();
  }

  /** Whether it has not been removed; its task may have been added again since. */
  #has(job: Job): boolean {
    return this.#jobs.get(job.task) === job;
  }

  #tell(job: Job, outcome: CheckOutcome): void {
    if (this.#has(job)) job.task.onOutcome(outcome);
  }

  /** The time until the next check of a task whose last one began at `startedMs`. */
  #untilNext({ task }: Job, startedMs: number): number {
    return Math.max(0, startedMs + task.intervalMs - this.#wheel.now());
  }
}

interface Job {
  readonly task: CheckTask;
  readonly timer: WheelTimer;
  runs: number;
  /** When it was due. */
  dueMs: number;
  /** While a check is under way. */
  deadline: Deadline | undefined;
}

/** The job that has waited longest. */
function first(jobs: ReadonlySet<Job>): Job {
  const [job] = jobs;
  return job!;
}

/** The result of a check, or that it was aborted. Never rejects. */
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

/** Turns a synchronous error into a rejection. */
async function begin(task: CheckTask, signal: AbortSignal): Promise<CheckReport> {
  return await task.run(signal);
}
