import { forEachInSlices } from "../core/slices.ts";
import { formatClient } from "../net/client_address.ts";
import { type OpenSession, reportSession, type SessionReport } from "../service/live_session.ts";
import type { Service, ServiceSession } from "../service/service.ts";

/** What connections can be sorted by. */
export const SESSION_ORDERS = [
  "age",
  "bytes",
  "client",
  "identity",
  "service",
  "backend",
  "state",
] as const;
/** One of {@linkcode SESSION_ORDERS}. */
export type SessionOrder = typeof SESSION_ORDERS[number];

/** Which open connections are listed. */
export interface SessionQuery {
  /** Text that the client, identity, server name, service, backend or request has, in any case. @default all */
  readonly search?: string;
  /** @default {"age"} */
  readonly order?: SessionOrder;
  /** The largest or last ones first. @default {false} */
  readonly descending?: boolean;
  /** The most that are listed. @default {500} */
  readonly limit?: number;
}

/** Open connections, as plain data. */
export interface SessionsReport {
  /** How many are open. */
  readonly total: number;
  /** How many of them are what was searched for. */
  readonly matched: number;
  /** The first of these, in the order that was asked for. */
  readonly sessions: readonly SessionReport[];
}

/** The most connections that are listed at once. */
export const MAX_LISTED = 500;

type Key = string | number;

interface Candidate {
  readonly service: string;
  readonly session: ServiceSession;
  readonly key: Key;
}

/**
 * The open connections of the data plane, asked of the services when they are wanted: nothing is kept for each
 * connection. A connection gets an id when it is first listed.
 */
export class OpenSessions {
  readonly #services: () => Iterable<Service>;
  readonly #ids = new WeakMap<ServiceSession, string>();
  #lastId = 0;

  /** `services` are those that run. */
  constructor(services: () => Iterable<Service>) {
    this.#services = services;
  }

  /** Lists open connections, in slices; `nowMs` is on the timer wheel. */
  async list(query: SessionQuery, nowMs: number): Promise<SessionsReport> {
    const { search = "", order = "age", descending = false, limit = MAX_LISTED } = query;
    const wanted = search.toLowerCase();
    const found: Candidate[] = [];
    let total = 0;
    for (const service of this.#services()) {
      const { name } = service;
      await forEachInSlices(service.sessions, (session) => {
        total++;
        if (wanted !== "" && !matches(session, { service: name, wanted })) return;
        found.push({ service: name, session, key: keyOf(session, { service: name, order, nowMs }) });
      });
    }
    found.sort(descending ? (a, b) => compare(b.key, a.key) : (a, b) => compare(a.key, b.key));
    const sessions = found.slice(0, Math.min(limit, MAX_LISTED)).map(({ service, session }) =>
      reportSession(session, { id: this.#id(session), service, nowMs })
    );
    return { total, matched: found.length, sessions };
  }

  /** Ends an open connection. Returns whether there is one with this id. */
  close(id: string): boolean {
    for (const { sessions } of this.#services()) {
      for (const session of sessions) {
        if (this.#ids.get(session) !== id) continue;
        session.destroy("closed-by-admin");
        return true;
      }
    }
    return false;
  }

  #id(session: ServiceSession): string {
    let id = this.#ids.get(session);
    if (id === undefined) this.#ids.set(session, id = String(++this.#lastId));
    return id;
  }
}

function matches(session: OpenSession, { service, wanted }: { service: string; wanted: string }): boolean {
  const { address, identity, serverName } = session.client;
  const { backend, request, state } = session.activity();
  const texts = [
    service,
    state,
    formatClient(address),
    identity,
    serverName,
    backend?.key,
    request && `${request.method} ${request.host}${request.path}`,
  ];
  return texts.some((text) => text?.toLowerCase().includes(wanted));
}

function keyOf(
  session: OpenSession,
  { service, order, nowMs }: { service: string; order: SessionOrder; nowMs: number },
): Key {
  switch (order) {
    case "age":
      return nowMs - session.client.startedAtMs;
    case "bytes":
      return session.bytesUp + session.bytesDown;
    case "client":
      return formatClient(session.client.address);
    case "identity":
      return session.client.identity ?? "";
    case "service":
      return service;
    case "backend":
      return session.activity().backend?.key ?? "";
    case "state":
      return session.activity().state;
  }
}

/** Puts the first connections of several data planes, each in this order, in the same order. */
export function mergeSessions(
  reports: readonly SessionsReport[],
  { order = "age", descending = false, limit = MAX_LISTED }: SessionQuery,
): SessionsReport {
  const key = (session: SessionReport): Key => {
    if (order === "age") return session.ageMs;
    return order === "bytes" ? session.bytesUp + session.bytesDown : session[order] ?? "";
  };
  const all = reports.flatMap(({ sessions }) => sessions).sort((a, b) => compare(key(a), key(b)));
  if (descending) all.reverse();
  return {
    total: reports.reduce((sum, { total }) => sum + total, 0),
    matched: reports.reduce((sum, { matched }) => sum + matched, 0),
    sessions: all.slice(0, Math.min(limit, MAX_LISTED)),
  };
}

function compare(a: Key, b: Key): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
