import { formatClient } from "../net/client_address.ts";
import type { TransferredBytes } from "./access_log.ts";
import type { ClientHandshake } from "./client_handshake.ts";

/**
 * What an open connection is doing.
 *
 * - `handshake`: the PROXY header, ClientHello, TLS handshake or first request is awaited.
 * - `connecting`: a backend is being searched for or connected.
 * - `open`: it is connected with a backend, or a request is being served.
 * - `idle`: an HTTP connection waits for its next request.
 * - `draining`: it may finish, and then ends.
 */
export type SessionState = "handshake" | "connecting" | "open" | "idle" | "draining";

/** The HTTP request that a connection is serving. */
export interface LiveRequest {
  readonly method: string;
  readonly host: string;
  readonly path: string;
}

/** What an {@linkcode OpenSession} tells about itself, besides its client and bytes. */
export interface SessionActivity {
  readonly state: SessionState;
  /** Absent: none is being served, or it is TCP. */
  readonly request?: LiveRequest | undefined;
  /** The backend that it is connected with or that was tried last. */
  readonly backend?: { readonly key: string } | undefined;
}

/** An open connection that can be listed. */
export interface OpenSession extends TransferredBytes {
  readonly client: Pick<ClientHandshake, "address" | "listener" | "startedAtMs" | "identity" | "serverName">;
  /** What it is doing now. Computed when it is called. */
  activity(): SessionActivity;
}

/** One open connection, as plain data. */
export interface SessionReport extends TransferredBytes {
  /** Identifies it among the open connections of this process. */
  readonly id: string;
  readonly service: string;
  /** The address of the client. */
  readonly client: string;
  readonly listener: string;
  /** The name of the client's certificate; absent: it has presented none. */
  readonly identity?: string;
  /** The server name (SNI) that it requested. */
  readonly serverName?: string;
  readonly backend?: string;
  readonly request?: LiveRequest;
  readonly state: SessionState;
  /** Since it was accepted, in milliseconds. */
  readonly ageMs: number;
}

/** Longer texts, such as paths of requests, are cut. */
const MAX_TEXT = 256;

/** Describes an open connection; `nowMs` is on the timer wheel. */
export function reportSession(
  session: OpenSession,
  { id, service, nowMs }: { id: string; service: string; nowMs: number },
): SessionReport {
  const { address, listener, startedAtMs, identity, serverName } = session.client;
  const { state, request, backend } = session.activity();
  return {
    id,
    service,
    client: formatClient(address),
    listener,
    ...(identity === undefined ? {} : { identity: cut(identity) }),
    ...(serverName === undefined ? {} : { serverName }),
    ...(backend === undefined ? {} : { backend: backend.key }),
    ...(request === undefined ? {} : { request: { ...request, path: cut(request.path) } }),
    state,
    ageMs: Math.max(0, Math.round(nowMs - startedAtMs)),
    bytesUp: session.bytesUp,
    bytesDown: session.bytesDown,
  };
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}
