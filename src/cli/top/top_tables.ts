import type { BackendStatus } from "../../admin/status/upstream.ts";
import type { ServiceStatus } from "../../admin/status/service.ts";
import type { WorkerStatus } from "../../admin/status/worker.ts";
import { escapeText } from "../../core/escape_text.ts";
import { shortDelay, shortDuration, shortRate, shortSize } from "../terminal/quantities.ts";
import type { Style } from "../terminal/style.ts";
import { numberCell, textCell, type TopRow, type TopTable } from "./top_view.ts";
import type { OpenConnections, TopSample } from "./top_sample.ts";

/** An IPv4 address with its port. */
const ADDRESS = 21;
const STYLES: Readonly<Partial<Record<BackendStatus["state"], Style>>> = {
  ...{ unknown: "yellow", drained: "dim", ejected: "red", down: "red" },
};
const WORKER_STYLES: Readonly<Partial<Record<WorkerStatus["state"], Style>>> = {
  ...{ leaving: "dim", failed: "red" },
};

/** The services, with their rates since the sample before. */
export function servicesTable({ program: { status } }: TopSample, before: TopSample | undefined): TopTable {
  const earlier = new Map(before?.program.status.services.map((service) => [service.name, service]));
  const perSecond = rateSince(before, status.uptimeSeconds);
  return {
    columns: [
      { title: "SERVICE" },
      { title: "ACTIVE", right: true },
      { title: "CONN/S", right: true },
      { title: "REQ/S", right: true },
      { title: "REFUSED/S", right: true },
      { title: "UP/S", right: true },
      { title: "DOWN/S", right: true },
      { title: "TOTAL", right: true },
      { title: "LISTEN", min: 6 },
    ],
    rows: status.services.map((service) => {
      const then = earlier.get(service.name);
      const rate = (count: (service: ServiceStatus) => number) =>
        numberCell(perSecond(count(service), then && count(then)), shortRate);
      return {
        key: service.name,
        cells: [
          textCell(escapeText(service.name)),
          numberCell(service.active),
          rate(({ total }) => total),
          service.requests === undefined ? textCell("-") : rate(requestCount),
          rate(({ rejected }) => rejected),
          rate(({ bytesUp }) => bytesUp),
          rate(({ bytesDown }) => bytesDown),
          numberCell(service.total),
          textCell(escapeText(service.listeners.join(" "))),
        ],
      };
    }),
  };
}

function requestCount({ requests }: ServiceStatus): number {
  return Object.values(requests?.byStatus ?? {}).reduce((sum, count) => sum + count, 0);
}

/** The backends of all upstreams. */
export function backendsTable({ program: { status } }: TopSample, before: TopSample | undefined): TopTable {
  const earlier = new Map<string, BackendStatus>();
  for (const { name, backends } of before?.program.status.upstreams ?? []) {
    for (const backend of backends) earlier.set(keyOf(name, backend), backend);
  }
  const perSecond = rateSince(before, status.uptimeSeconds);
  const rows = status.upstreams.flatMap(({ name, backends }) =>
    backends.map((backend): TopRow => {
      const key = keyOf(name, backend);
      const { address, state, weight, active, total, failures, why = "" } = backend;
      return {
        key,
        style: STYLES[state],
        backend: { upstream: name, address },
        cells: [
          textCell(escapeText(name)),
          textCell(escapeText(address)),
          textCell(state),
          numberCell(weight),
          numberCell(active),
          numberCell(perSecond(total, earlier.get(key)?.total), shortRate),
          numberCell(total),
          numberCell(failures),
          textCell(escapeText(why)),
        ],
      };
    })
  );
  return {
    columns: [
      { title: "UPSTREAM" },
      { title: "BACKEND", min: ADDRESS },
      { title: "STATE", min: 7 },
      { title: "WEIGHT", right: true },
      { title: "ACTIVE", right: true },
      { title: "CONN/S", right: true },
      { title: "TOTAL", right: true },
      { title: "FAILED", right: true },
      { title: "WHY" },
    ],
    rows,
  };
}

function keyOf(upstream: string, { address }: BackendStatus): string {
  return `${upstream}\n${address}`;
}

/** Open connections, as many as the admin API lists. */
export function connectionsTable(open: OpenConnections): TopTable {
  const rows = open.sessions.map((session): TopRow => {
    const { id, ageMs, service, client, identity = "", backend = "", state, bytesUp, bytesDown } = session;
    return {
      key: id,
      cells: [
        numberCell(ageMs, shortDuration),
        ...[service, client, identity, backend, state].map((text) => textCell(escapeText(text))),
        numberCell(bytesUp, shortSize),
        numberCell(bytesDown, shortSize),
      ],
    };
  });
  return {
    columns: [
      { title: "AGE", right: true },
      { title: "SERVICE" },
      { title: "CLIENT", min: ADDRESS },
      { title: "IDENTITY", min: 8 },
      { title: "BACKEND", min: 12 },
      { title: "STATE" },
      { title: "UP", right: true },
      { title: "DOWN", right: true },
    ],
    rows,
    ...(open.total > rows.length ? { note: `${rows.length} of ${open.total} listed` } : {}),
  };
}

/** The workers. Several may have one number: one that runs, and others that end with their last connection. */
export function workersTable({ program: { status } }: TopSample, before: TopSample | undefined): TopTable {
  const keyed = ({ number, state }: WorkerStatus) => `${number}\n${state}`;
  const earlier = new Map(before?.program.status.workers?.map((worker) => [keyed(worker), worker]));
  const perSecond = rateSince(before, status.uptimeSeconds);
  return {
    columns: [
      { title: "WORKER", right: true },
      { title: "STATE", min: 7 },
      { title: "ACTIVE", right: true },
      { title: "CONN/S", right: true },
      { title: "TOTAL", right: true },
      { title: "DELAY", right: true },
      { title: "MEMORY", right: true },
      { title: "FAILURES", right: true },
    ],
    rows: (status.workers ?? []).map((worker): TopRow => {
      const { number, state, connections, total, eventLoopDelaySeconds, heapBytes, failures } = worker;
      return {
        key: keyed(worker),
        style: WORKER_STYLES[state],
        cells: [
          numberCell(number),
          textCell(state),
          numberCell(connections),
          numberCell(perSecond(total, earlier.get(keyed(worker))?.total), shortRate),
          numberCell(total),
          numberCell(eventLoopDelaySeconds * 1000, shortDelay),
          numberCell(heapBytes, shortSize),
          numberCell(failures),
        ],
      };
    }),
  };
}

/** The increase per second since the sample before; 0 where there is none, or the program has been started since. */
function rateSince(before: TopSample | undefined, uptimeSeconds: number) {
  const seconds = before === undefined ? 0 : uptimeSeconds - before.program.status.uptimeSeconds;
  return (now: number, then: number | undefined) =>
    then === undefined || seconds <= 0 ? 0 : Math.max(0, now - then) / seconds;
}
