import { describeError } from "../core/errors.ts";
import { Recent } from "../core/recent.ts";

/** A connection that was refused or failed, or a request that failed. */
export interface FailureReport {
  /** When it ended, in milliseconds since 1970. */
  readonly at: number;
  readonly service: string;
  /** The address of the client. */
  readonly client: string;
  /** The name of the client's certificate; absent: it has presented none. */
  readonly identity?: string | undefined;
  /** The backend that was tried last. */
  readonly backend?: string | undefined;
  /** The request, if it was one. */
  readonly request?: { readonly method: string; readonly path: string; readonly status: number } | undefined;
  /** Reason code of the access log. */
  readonly reason: string;
  readonly error?: string | undefined;
}

/** What is added to {@linkcode Failures}. */
export interface Failure extends Omit<FailureReport, "at" | "error"> {
  /** What went wrong, if an error says so. */
  readonly error: unknown;
}

/** Ways to end that need no attention: the peer's own, and those that are configured. */
const ORDINARY: ReadonlySet<string> = new Set([
  "client-closed",
  "client-reset",
  "backend-closed",
  "idle",
  "half-close",
  "lifetime",
  "drained",
  "closed-by-admin",
  "ok",
  "upgraded",
  "redirect",
  "max-forwards",
  "respond",
]);
const KEPT = 100;
const MAX_TEXT = 500;

/** Whether a connection or request that ended for this reason was refused or failed. */
export function isFailure(reason: string): boolean {
  return !ORDINARY.has(reason);
}

/** The last 100 connections and requests that were refused or failed. */
export class Failures {
  readonly #recent = new Recent<FailureReport>(KEPT);

  /** Adds one. The caller has asked {@linkcode isFailure}. */
  add({ error, ...failure }: Failure): void {
    const { identity, request } = failure;
    this.#recent.add({
      ...failure,
      at: Date.now(),
      ...(identity === undefined ? {} : { identity: cut(identity) }),
      ...(request === undefined ? {} : { request: { ...request, path: cut(request.path) } }),
      ...(error === undefined ? {} : { error: cut(describeError(error)) }),
    });
  }

  /** The newest first. */
  list(): FailureReport[] {
    return this.#recent.list();
  }
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
