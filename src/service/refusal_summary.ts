import type { Log } from "../core/log.ts";
import { type TimerWheel, WheelTimer } from "../core/timer_wheel.ts";
import type { Reason } from "./reason.ts";

/** Lines about one reason that are written whole in a second. */
const MAX_LINES = 20;
const SECOND_MS = 1000;

/** The lines about one reason. */
interface Flow {
  /** When the second began in which `lines` were counted, in milliseconds on the wheel. */
  sinceMs: number;
  lines: number;
  /** Lines left out since the last summary. */
  leftOut: number;
  /** The client of the last one. */
  client: string;
  /** Runs while lines are left out. */
  readonly timer: WheelTimer;
}

/**
 * Limits the lines about refused connections, so that a flood of them cannot fill the disk: of each reason, 20 in a
 * second are written. If there are more, the others are counted, with one line each second until a second passes
 * without any.
 */
export class RefusalSummary {
  readonly #service: string;
  readonly #wheel: TimerWheel;
  readonly #log: Log;
  readonly #flows = new Map<Reason, Flow>();

  constructor({ service, wheel, log }: { service: string; wheel: TimerWheel; log: Log }) {
    this.#service = service;
    this.#wheel = wheel;
    this.#log = log;
  }

  /** Whether the line about this refusal is written; else it is counted. */
  admits(reason: Reason, client: () => string): boolean {
    const flow = this.#flows.get(reason) ?? this.#create(reason);
    if (!flow.timer.running) {
      const nowMs = this.#wheel.now();
      if (nowMs - flow.sinceMs >= SECOND_MS) {
        flow.sinceMs = nowMs;
        flow.lines = 0;
      }
      if (++flow.lines <= MAX_LINES) return true;
      this.#wheel.start(flow.timer, SECOND_MS);
    }
    flow.leftOut++;
    flow.client = client();
    return false;
  }

  /** Writes what has been counted, and ends the counting. */
  flush(): void {
    for (const [reason, flow] of this.#flows) {
      this.#wheel.stop(flow.timer);
      this.#write(reason, flow);
    }
    this.#flows.clear();
  }

  #create(reason: Reason): Flow {
    const flow: Flow = {
      ...{ sinceMs: -Infinity, lines: 0, leftOut: 0, client: "" },
      timer: new WheelTimer((nowMs) => {
        const goesOn = flow.leftOut > 0;
        this.#write(reason, flow);
        flow.sinceMs = -Infinity;
        return goesOn ? nowMs + SECOND_MS : 0;
      }),
    };
    this.#flows.set(reason, flow);
    return flow;
  }

  #write(reason: Reason, flow: Flow): void {
    if (flow.leftOut === 0) return;
    const { leftOut: count, client: last_client } = flow;
    flow.leftOut = 0;
    this.#log.info("connections refused", { service: this.#service, reason, count, last_client });
  }
}
