import type { DataPlaneReport, ServiceReport } from "../dataplane/report.ts";
import type { WorkerStart } from "./messages.ts";
import { type WorkerEvent, WorkerThread } from "./worker_thread.ts";

/** What a {@linkcode Member} works with. */
export interface MemberParts {
  /** From 1 on. A worker that takes the place of a failed one has the number of that. */
  readonly number: number;
  readonly module: URL;
  readonly start: Omit<WorkerStart, "nowMs">;
  readonly now: () => number;
  /** How often a worker of this number has failed. */
  readonly failures: number;
  readonly onEvent: (member: Member, event: WorkerEvent) => void;
  readonly onFailure: (member: Member, error: Error) => void;
}

/** How one worker is. */
export interface WorkerReport {
  /** From 1 on. */
  readonly number: number;
  /** `leaving`: it accepts no connection any more, and ends with its last one. */
  readonly state: "running" | "leaving" | "failed";
  /** Open connections. */
  readonly connections: number;
  /** Connections that it has admitted. */
  readonly total: number;
  /** How late a timer of its event loop was last, in milliseconds. */
  readonly delayMs: number;
  /** The memory of its heap, in bytes. */
  readonly heapBytes: number;
  /** How often a worker of this number has failed. */
  readonly failures: number;
}

/** A worker that does not answer, such as one whose event loop is blocked, must not keep the status from others. */
const REPORT_MS = 2000;

/** One worker of {@linkcode DataPlanes}. */
export class Member {
  readonly number: number;
  readonly thread: WorkerThread;
  /** What it adds to the shared counts. */
  readonly own: SharedArrayBuffer;
  readonly failures: number;
  readonly startedAtMs: number;
  /** Whether it carries a snapshot. */
  committed = false;
  /** Whether it accepts no connection any more. */
  leaving = false;

  constructor(parts: MemberParts) {
    const { number, module, start, now, onEvent, onFailure, failures } = parts;
    this.number = number;
    this.failures = failures;
    this.own = start.own;
    this.startedAtMs = now();
    this.thread = new WorkerThread({
      module,
      name: `worker ${number}`,
      onEvent: (event) => onEvent(this, event),
      onFailure: (error) => onFailure(this, error),
    });
    this.thread.loaded.then(
      () => this.thread.tell({ type: "start", start: { ...start, nowMs: now() } }),
      () => {}, // Those that wait for it are told.
    );
  }

  /** What it has done. If it does not answer, upstreams are absent, and services are as of the last second. */
  async report(): Promise<Partial<DataPlaneReport> & { services: readonly ServiceReport[] }> {
    const { promise: late, resolve } = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => resolve(undefined), REPORT_MS);
    try {
      const report = await Promise.race([this.thread.ask("report", undefined), late]);
      return report ?? { services: this.services };
    } catch {
      return { services: [] }; // It has just failed.
    } finally {
      clearTimeout(timer);
    }
  }

  /** How it is, as of the last second. */
  get status(): WorkerReport {
    const { beat } = this.thread;
    const sum = (count: (service: ServiceReport) => number) =>
      this.services.reduce((total, service) => total + count(service), 0);
    return {
      number: this.number,
      state: this.leaving ? "leaving" : "running",
      connections: sum(({ active }) => active),
      total: sum(({ total }) => total),
      delayMs: beat?.delayMs ?? 0,
      heapBytes: beat?.heapBytes ?? 0,
      failures: this.failures,
    };
  }

  /** Its services, as of the last second. */
  get services(): readonly ServiceReport[] {
    return this.thread.beat?.services ?? [];
  }
}
