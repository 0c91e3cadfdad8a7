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
  /** Told how each check ended. Must not throw. */
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
 * than `maxUnderWay` at once, and never two of one task: one that does not end even when it is given up keeps its
 * place, and fails again every `intervalMs`.
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

  /** Checks `task` from now on, until it is removed. Does nothing if it is checked already. */
  add(task: CheckTask): void {
    if (this.#jobs.has(task)) return;
    const timer = new WheelTimer(() => this.#onDue(job));
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

  #onDue(job: Job): number {
    if (job.deadline === undefined) {
      this.#due(job);
      return 0;
    }
    this.#tell(job, failure("the check was given up and has not ended"));
    return this.#has(job) ? this.#wheel.now() + job.task.intervalMs : 0;
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
  /** While a check is under way. */
  deadline: Deadline | undefined;
}

/** How it ends, or that it was given up before. Never rejects. */
async function outcomeOf(running: Promise<CheckReport>, signal: AbortSignal): Promise<CheckOutcome> {
  const givenUp = Promise.withResolvers<never>();
  givenUp.promise.catch(() => {});
  signal.addEventListener("abort", () => givenUp.reject(signal.reason));
  try {
    const { detail, certificateValidTo } = await Promise.race([running, givenUp.promise]);
    return { ok: true, detail, certificateValidTo, at: Date.now() };
  } catch (error) {
    return failure(describeError(signal.aborted ? signal.reason : error));
  }
}

function failure(detail: string): CheckOutcome {
  return { ok: false, detail, at: Date.now() };
}

/** Never throws at once. */
async function begin(task: CheckTask, signal: AbortSignal): Promise<CheckReport> {
  return await task.run(signal);
}
