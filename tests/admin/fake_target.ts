import { AdminError } from "../../src/admin/admin_error.ts";
import { History } from "../../src/admin/live/history.ts";
import type { LiveState } from "../../src/admin/live/live_state.ts";
import type { Status } from "../../src/admin/status/status.ts";
import type { BackendStatus } from "../../src/admin/status/upstream.ts";
import type { AdminTarget, Readiness, ReloadResult } from "../../src/admin/admin_target.ts";
import type { LogLevel } from "../../src/core/log.ts";
import type { SessionQuery, SessionsReport } from "../../src/dataplane/open_sessions.ts";
import { ConfigError } from "../../src/config/problem/problem.ts";

/** A history that records what it is told to. */
class FakeHistory extends History {
  recording = false;

  start(): void {
    this.recording = true;
  }

  stop(): void {
    this.recording = false;
  }
}

/** A program that does nothing but say what it was asked for. */
export class FakeTarget implements AdminTarget {
  /** What has been asked for, in its order. */
  readonly calls: unknown[][] = [];
  readiness: Readiness = { ready: true, reasons: [] };
  reloaded: () => Promise<ReloadResult> = () => Promise.resolve({ ok: true, generation: 2 });
  document: Status = SMALL_STATUS;
  readonly history = new FakeHistory();
  failures: LiveState["failures"] = [];
  #waiting: (() => void) | undefined;

  ready(): Promise<Readiness> {
    return Promise.resolve(this.readiness);
  }

  status(): Promise<Status> {
    return Promise.resolve(this.document);
  }

  replaceBackends(upstream: string, body: unknown): Promise<readonly BackendStatus[]> {
    return this.#do("replace", upstream, body, () => {
      if (!Array.isArray(body)) {
        throw new ConfigError("request", [{ kind: "bad_value", path: "", value: "…", expected: "a list" }]);
      }
      return body.map((address) => backendStatus(String(address)));
    });
  }

  drainBackend(upstream: string, address: string): Promise<BackendStatus> {
    return this.#do("drain", upstream, address, () => this.#find(address, "drained"));
  }

  enableBackend(upstream: string, address: string): Promise<BackendStatus> {
    return this.#do("enable", upstream, address, () => this.#find(address, "up"));
  }

  setWeight(upstream: string, address: string, weight: number): Promise<BackendStatus> {
    return this.#do("weight", upstream, address, () => ({ ...this.#find(address, "up"), weight }));
  }

  closeConnections(upstream: string, address: string): Promise<number> {
    return this.#do("close", upstream, address, () => {
      this.#find(address, "up");
      return 3;
    });
  }

  connections(query: SessionQuery): Promise<SessionsReport> {
    this.calls.push(["connections", query]);
    return Promise.resolve({ total: 0, matched: 0, sessions: [] });
  }

  async closeConnection(id: string): Promise<void> {
    await this.#do("close", "connection", id, () => {
      if (id === "gone") throw new AdminError("unknown_connection", "There is no open connection");
    });
  }

  live(): Promise<LiveState> {
    this.calls.push(["live"]);
    const { document: status, failures, readiness: { reasons: unready } } = this;
    return Promise.resolve({ status, unready, failures, reloads: [status.reload], logLevel: "info" });
  }

  async setLogLevel(level: LogLevel): Promise<void> {
    await this.#do("log level", "program", level, () => {});
  }

  async reload(): Promise<ReloadResult> {
    this.calls.push(["reload"]);
    this.#waiting?.();
    return await this.reloaded();
  }

  /** Resolves when a reload has been asked for. */
  reloadBegun(): Promise<void> {
    return new Promise((resolve) => this.#waiting = resolve);
  }

  #find(address: string, state: BackendStatus["state"]): BackendStatus {
    if (address === "gone:1") throw new AdminError("unknown_backend", `Cannot find the backend "${address}"`);
    return { ...backendStatus(address), state };
  }

  async #do<T>(what: string, upstream: string, argument: unknown, work: () => T): Promise<T> {
    await undefined;
    this.calls.push([what, upstream, argument]);
    if (upstream === "bug") throw new Error("a bug, with secrets");
    if (upstream === "no") throw new AdminError("unknown_upstream", 'Cannot find the upstream "no"');
    return work();
  }
}

/** A backend of which little is known. */
export function backendStatus(address: string): BackendStatus {
  return {
    address,
    state: "unknown",
    since: "2026-11-20T12:00:00.000Z",
    weight: 1,
    effectiveWeight: 1,
    maxConnections: 0,
    backup: false,
    active: 0,
    total: 0,
    failures: 0,
    pool: { idle: 0, waiting: 0, waits: 0 },
  };
}

/** A program with nothing in it. */
export const SMALL_STATUS: Status = {
  version: "0.1.0",
  state: "ready",
  startedAt: "2026-11-20T12:00:00.000Z",
  uptimeSeconds: 1.5,
  reload: {
    generation: 1,
    appliedAt: "2026-11-20T12:00:00.000Z",
    at: "2026-11-20T12:00:00.000Z",
    ok: true,
    why: "start",
  },
  services: [],
  upstreams: [],
  certificates: [],
  crls: [],
};
