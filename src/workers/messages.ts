import type { LogFields, LogLevel } from "../core/log.ts";
import type { ServerCredentials } from "../dataplane/credentials.ts";
import type { AddressesByKey, BoundAddresses, ListenersRole } from "../dataplane/listeners.ts";
import type {
  DataPlaneReport,
  ServiceReport,
  UpstreamAvailability,
  UpstreamReport,
} from "../dataplane/report.ts";
import type { SessionQuery, SessionsReport } from "../dataplane/open_sessions.ts";
import type { Snapshot } from "../dataplane/snapshot.ts";
import type { TrafficReport } from "../dataplane/traffic.ts";
import type { BackendSets } from "../dataplane/upstreams.ts";
import type { Address } from "../net/address.ts";
import type { FailureReport } from "../service/failures.ts";
import type { HealthState } from "../upstream/check/health.ts";
import type { BackendSpec } from "../upstream/options.ts";

// What the main thread and a worker send each other. Everything is plain data, or memory that both share.

/** Where services and backends are counted: the first index of their block. */
export interface Slots {
  readonly services: ReadonlyMap<string, number>;
  /** By upstream, then by the address of the backend. */
  readonly backends: ReadonlyMap<string, ReadonlyMap<string, number>>;
  /** The memory of limiters, by service and rate. */
  readonly limiters: ReadonlyMap<string, SharedArrayBuffer>;
}

/** What a worker begins with. */
export interface WorkerStart {
  /** Where in a round its balancers begin: from 0 to below 1. */
  readonly phase: number;
  /** The sums over all threads, and what this worker has added to them. */
  readonly totals: SharedArrayBuffer;
  readonly own: SharedArrayBuffer;
  /** The time of the main thread. */
  readonly nowMs: number;
  readonly logLevel: LogLevel;
}

/** What a worker receives, and does not answer. */
export type Notice =
  | { readonly type: "start"; readonly start: WorkerStart }
  | { readonly type: "discard" }
  | { readonly type: "log-level"; readonly level: LogLevel }
  | { readonly type: "log-taken"; readonly characters: number }
  | {
    readonly type: "backends";
    readonly upstream: string;
    readonly backends: readonly BackendSpec[];
    readonly slots: ReadonlyMap<string, number>;
  }
  | { readonly type: "health"; readonly upstream: string; readonly states: ReadonlyMap<string, HealthState> }
  | {
    readonly type: "disabled";
    readonly upstream: string;
    readonly backend: string;
    readonly disabled: boolean;
  }
  | {
    readonly type: "ejected";
    readonly upstream: string;
    readonly backend: string;
    readonly forMs: number | undefined;
  }
  | { readonly type: "yield-idle"; readonly upstream: string; readonly backend: string }
  | { readonly type: "admin-address"; readonly address: Address | undefined }
  | { readonly type: "local-ip"; readonly ip: string }
  | { readonly type: "free-descriptors" };

/** What a worker is asked, with the type of its answer. */
export interface Requests {
  readonly prepare: [
    { readonly snapshot: Snapshot; readonly role: ListenersRole; readonly slots: Slots },
    AddressesByKey,
  ];
  readonly commit: [
    {
      readonly sets: BackendSets | undefined;
      readonly elsewhere: AddressesByKey;
      readonly bound: BoundAddresses;
      readonly slots: Slots;
    },
    void,
  ];
  readonly credentials: [ReadonlyMap<string, ServerCredentials>, void];
  readonly report: [undefined, DataPlaneReport];
  readonly "report-upstream": [string, UpstreamReport | undefined];
  readonly availability: [undefined, readonly UpstreamAvailability[]];
  readonly traffic: [undefined, TrafficReport];
  readonly sessions: [SessionQuery, SessionsReport];
  readonly "close-session": [string, boolean];
  readonly "close-sessions": [{ readonly upstream: string; readonly backend: string }, number | undefined];
  readonly failures: [undefined, readonly FailureReport[]];
  readonly "retire-listeners": [undefined, void];
  readonly idle: [undefined, void];
  readonly "stop-listening": [undefined, void];
  readonly drain: [undefined, number];
  readonly destroy: [undefined, void];
}

/** A request, as it is sent. */
export interface RequestMessage<T extends keyof Requests = keyof Requests> {
  readonly type: "request";
  readonly id: number;
  readonly request: T;
  readonly value: Requests[T][0];
}

/** What a worker receives. */
export type ToWorker = Notice | RequestMessage;

/** A line of the log, or (a text) the line of a request, with its line feed. */
export type LogEntry =
  | string
  | { readonly level: LogLevel; readonly message: string; readonly fields: LogFields | undefined };

/** What a worker tells of itself each second. */
export interface Beat {
  readonly services: readonly ServiceReport[];
  /** How late a timer of the last second was, in milliseconds. */
  readonly delayMs: number;
  /** The memory of its heap, in bytes. */
  readonly heapBytes: number;
}

/** What a worker sends. */
export type FromWorker =
  /** It is loaded, and waits for `start`. */
  | { readonly type: "loaded" }
  | { readonly type: "answer"; readonly id: number; readonly value: unknown }
  | { readonly type: "refusal"; readonly id: number; readonly code: string; readonly message: string }
  /** Lines in the order in which they were logged, with their length in all. */
  | {
    readonly type: "log";
    readonly entries: readonly LogEntry[];
    readonly characters: number;
    readonly dropped: number;
  }
  | { readonly type: "suspect"; readonly upstream: string; readonly backend: string; readonly inARow: number }
  | { readonly type: "pool-full"; readonly upstream: string; readonly backend: string }
  | { readonly type: "local-ip"; readonly ip: string }
  | { readonly type: "beat"; readonly beat: Beat }
  /** It can't go on. */
  | { readonly type: "failed"; readonly error: string };
