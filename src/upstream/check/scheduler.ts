import { Deadline } from "../../core/deadline.ts";
import { CulvertError, describeError } from "../../core/errors.ts";
import { type TimerWheel, WheelTimer } from "../../core/timer_wheel.ts";
import type { CheckOutcome } from "../health.ts";
import type { CheckReport } from "./check.ts";

/** Options of {@linkcode CheckScheduler}. */
export interface CheckSchedulerOptions {
  readonly wheel: TimerWheel;
  /** Checks under way at once; the others wait for their turn. @default {256} */
  readonly maxUnderWay?: number;
  /** Uniform in [0, 1). @default {Math.random} */
  readonly random?: () => number;
}

/** What is to be checked again and again. */
export interface CheckTask {
  readonly intervalMs: number;
  /** Hard: what has not ended by then has failed. */
  readonly timeoutMs: number;
  /** Looks once; gives up when `signal` fires. */
  run(signal: AbortSignal): Promise<CheckReport>;
  /** Told how each check ended. */
  onOutcome(outcome: CheckOutcome): void;
}

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
 * than `maxUnderWay` at once, and never two of one task.
 */
export class CheckScheduler {
  readonly #wheel: TimerWheel;
  readonly #maxUnderWay: number;
  readonly #random: () => number;
  readonly #jobs = new Map<CheckTask, Job>();
  /** Due, and waiting for a place; in their order. */
  readonly #waiting = new Set<Job>();
  #underWay = 0;

  /** Nothing runs until the first task is added. */
  constructor(options: CheckSchedulerOptions) {
    this.#wheel = options.wheel;
    this.#maxUnderWay = options.maxUnderWay ?? 256;
    this.#random = options.random ?? Math.random;
  }

  /** Tasks that are checked. */
  get size(): number {
    return this.#jobs.size;
  }

  /** Checks under way. */
  get underWay(): number {
    return this.#underWay;
  }

  /** Checks `task` from now on, until it is removed. */
  add(task: CheckTask): void {
    const timer = new WheelTimer(() => {
      this.#due(job);
      return 0;
    });
    const job: Job = { task, timer, runs: 0, deadline: undefined };
    this.#jobs.set(task, job);
    this.#due(job);
  }

  /** Stops checking `task`. A check under way is given up, and nobody is told how it ended. */
  remove(task: CheckTask): void {
    const job = this.#jobs.get(task);
    if (job === undefined) return;
    this.#jobs.delete(task);
    this.#waiting.delete(job);
    this.#wheel.stop(job.timer);
    job.deadline?.abort(new CulvertError("check_removed", "The check is no longer wanted"));
  }

  #due(job: Job): void {
    this.#waiting.add(job);
    this.#fill();
  }

  #fill(): void {
    for (const job of this.#waiting) {
      if (this.#underWay >= this.#maxUnderWay) return;
      this.#waiting.delete(job);
      this.#underWay++;
      void this.#run(job);
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
    const givenUp = Promise.withResolvers<never>();
    signal.addEventListener("abort", () => givenUp.reject(signal.reason));
    givenUp.promise.catch(() => {});
    const running = begin(task, signal);
    try {
      const { detail, certificateValidTo } = await Promise.race([running, givenUp.promise]);
      this.#tell(job, { ok: true, detail, certificateValidTo, at: Date.now() });
    } catch (error) {
      const cause = signal.aborted ? signal.reason : error;
      this.#tell(job, { ok: false, detail: describeError(cause), at: Date.now() });
    }
    deadline[Symbol.dispose]();
    // Not before it has really ended: never two of one task.
    await running.catch(() => {});
    job.deadline = undefined;
    this.#underWay--;
    if (this.#jobs.has(task)) this.#again(job, startedMs);
    this.#fill();
  }

  #tell({ task }: Job, outcome: CheckOutcome): void {
    if (this.#jobs.has(task)) task.onOutcome(outcome);
  }

  #again(job: Job, startedMs: number): void {
    const early = (job.runs === 0 ? 1 : 0.1) * this.#random();
    const nextMs = startedMs + job.task.intervalMs * (1 - early);
    job.runs++;
    this.#wheel.start(job.timer, Math.max(0, nextMs - this.#wheel.now()));
  }
}

interface Job {
  readonly task: CheckTask;
  readonly timer: WheelTimer;
  runs: number;
  /** While a check is under way. */
  deadline: Deadline | undefined;
}

/** Never throws at once. */
async function begin(task: CheckTask, signal: AbortSignal): Promise<CheckReport> {
  return await task.run(signal);
}
