import { type Clock, systemClock } from "../core/clock.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import { DataPlane } from "../dataplane/data_plane.ts";
import type { DataPlanePlan } from "../dataplane/data_plane_options.ts";
import { LogRelay } from "./log_relay.ts";
import type { FromWorker, Notice, RequestMessage, Requests, ToWorker, WorkerStart } from "./messages.ts";
import { SharedMembership } from "./shared_membership.ts";

/** How often the worker tells of itself. */
const BEAT_MS = 1000;

/** The global of a worker, as far as it is used here. */
interface WorkerScope {
  postMessage(message: FromWorker): void;
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
}

/** Whether this is a worker, and not the main thread. */
export function isWorkerThread(): boolean {
  return "WorkerGlobalScope" in globalThis;
}

/** Runs a data plane in this worker, as the main thread tells. */
export function runWorker(): void {
  const scope = globalThis as unknown as WorkerScope;
  const send = (message: FromWorker) => scope.postMessage(message);
  const fail = (cause: unknown) =>
    send({
      type: "failed",
      error: cause instanceof Error ? cause.stack ?? cause.message : describeError(cause),
    });
  for (const type of ["unhandledrejection", "error"] as const) {
    globalThis.addEventListener(type, (event: ErrorEvent | PromiseRejectionEvent) => {
      event.preventDefault(); // The main thread logs it, and ends this worker.
      fail("reason" in event ? event.reason : event.error);
    });
  }
  let data: WorkerData | undefined;
  scope.onmessage = ({ data: message }) => {
    if (message.type === "request") void data!.answer(message);
    else if (message.type === "start") data = new WorkerData(message.start, { send, fail });
    else data!.take(message);
  };
  send({ type: "loaded" });
}

/** The data plane of a worker, and what it receives and is asked. */
class WorkerData {
  readonly #dataPlane: DataPlane;
  readonly #membership: SharedMembership;
  readonly #log: LogRelay;
  readonly #send: (message: FromWorker) => void;
  readonly #fail: (cause: unknown) => void;
  readonly #clock: Clock = systemClock;
  #plan: DataPlanePlan | undefined;
  #delayMs = 0;

  constructor(
    { phase, totals, own, nowMs, logLevel }: WorkerStart,
    { send, fail }: { send: (message: FromWorker) => void; fail: (cause: unknown) => void },
  ) {
    this.#send = send;
    this.#fail = fail;
    const aheadMs = nowMs - this.#clock.now();
    this.#log = new LogRelay({
      level: logLevel,
      clock: this.#clock,
      send: (entries, counts) => send({ type: "log", entries, ...counts }),
    });
    this.#membership = new SharedMembership({
      phase,
      totals,
      own,
      now: () => this.#clock.now() + aheadMs,
      onSuspect: (upstream, suspect) => {
        this.#log.flush(); // The failure is logged before the ejection.
        send({ type: "suspect", upstream, ...suspect });
      },
      onPoolFull: (upstream, backend) => send({ type: "pool-full", upstream, backend }),
    });
    let lastIp = "";
    this.#dataPlane = new DataPlane({
      log: this.#log,
      clock: this.#clock,
      membership: this.#membership,
      announces: false,
      writeAccess: (line) => this.#log.write(line),
      onLocalIp: (ip) => {
        if (ip !== lastIp) send({ type: "local-ip", ip: lastIp = ip });
      },
    });
    this.#beat();
  }

  /** Takes a notice. */
  take(notice: Exclude<Notice, { type: "start" }>): void {
    const dataPlane = this.#dataPlane;
    switch (notice.type) {
      case "discard":
        this.#plan?.[Symbol.dispose]();
        this.#plan = undefined;
        return;
      case "log-level":
        this.#log.level = notice.level;
        return;
      case "log-taken":
        return this.#log.taken(notice.characters);
      case "backends":
        this.#membership.useBackends(notice.upstream, notice.slots);
        return dataPlane.setBackends(notice.upstream, notice.backends);
      case "health":
        return dataPlane.setHealth(notice.upstream, notice.states);
      case "disabled":
        return void dataPlane.setDisabled(notice.upstream, notice);
      case "ejected":
        return dataPlane.setEjected(notice.upstream, notice);
      case "yield-idle":
        return dataPlane.yieldIdle(notice.upstream, notice.backend);
      case "admin-address":
        return dataPlane.setAdminAddress(notice.address);
      case "local-ip":
        return dataPlane.addLocalIp(notice.ip);
      case "free-descriptors":
        return dataPlane.freeDescriptors();
    }
  }

  /** Answers a request. Never rejects. */
  async answer({ id, request, value }: RequestMessage): Promise<void> {
    try {
      const answer = await this.#answers[request](value as never);
      this.#log.flush(); // What was logged before comes before.
      this.#send({ type: "answer", id, value: answer });
    } catch (error) {
      if (request === "commit") return this.#fail(error); // The others have taken the plan.
      const code = error instanceof CulvertError ? error.code : "worker_failed";
      this.#send({ type: "refusal", id, code, message: describeError(error) });
    }
  }

  readonly #answers: { [T in keyof Requests]: (value: Requests[T][0]) => Promise<Requests[T][1]> } = {
    prepare: async ({ snapshot, role, slots }) => {
      this.#membership.use(slots);
      this.#plan = await this.#dataPlane.prepare(snapshot, role);
      return this.#plan.addresses;
    },
    commit: ({ sets, elsewhere, bound, slots }) => {
      this.#membership.use(slots);
      this.#plan!.commit({ sets, elsewhere, bound });
      this.#plan = undefined;
      return Promise.resolve();
    },
    credentials: (credentials) => this.#dataPlane.setCredentials(credentials),
    report: () => this.#dataPlane.report(),
    "report-upstream": (name) => this.#dataPlane.reportUpstream(name),
    availability: () => this.#dataPlane.availability(),
    traffic: () => this.#dataPlane.traffic(),
    sessions: (query) => this.#dataPlane.sessions(query),
    "close-session": (id) => this.#dataPlane.closeSession(id),
    "close-sessions": ({ upstream, backend }) => this.#dataPlane.closeSessionsOf(upstream, backend),
    failures: () => this.#dataPlane.failures(),
    "retire-listeners": () => this.#dataPlane.retireListeners(),
    idle: () => this.#dataPlane.idle(),
    "stop-listening": () => this.#dataPlane.stopListening(),
    // Until all workers have drained, each of them may be asked for the state of backends.
    drain: () => this.#dataPlane.drain({ keepUpstreams: true }),
    destroy: () => this.#dataPlane.destroy(),
  };

  /** Tells how it is, once a second. */
  #beat(): void {
    const dueMs = this.#clock.now() + BEAT_MS;
    this.#clock.after(BEAT_MS, () => {
      this.#delayMs = Math.max(0, this.#clock.now() - dueMs);
      this.#beat();
      const services = this.#dataPlane.reportServices();
      const { heapUsed, external } = Deno.memoryUsage();
      this.#send({
        type: "beat",
        beat: { services, delayMs: this.#delayMs, heapBytes: heapUsed + external },
      });
    });
  }
}
