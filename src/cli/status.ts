import type { Status } from "../admin/status/status.ts";
import type { BackendStatus, UpstreamStatus } from "../admin/status/upstream.ts";
import { escapeText } from "../core/escape_text.ts";
import type { ProgramState } from "./admin/read_program.ts";
import { shortDelay, shortDuration, shortSize } from "./terminal/quantities.ts";
import { type Paint, plain, type Style } from "./terminal/style.ts";
import { type Column, tableLines } from "./terminal/table.ts";

/** Options of {@linkcode formatStatus}. */
export interface FormatStatusOptions {
  /** Columns of the terminal. @default no bound */
  readonly width?: number;
  /** @default {plain} */
  readonly paint?: Paint;
  /** The time now, in milliseconds since 1970. */
  readonly nowMs: number;
}

const DAY_MS = 86_400_000;
/** A certificate that expires sooner is set off. */
const SOON_MS = 14 * DAY_MS;
const STATE_STYLES: Readonly<Record<BackendStatus["state"], Style>> = {
  ...{ up: "green", unknown: "yellow", drained: "dim", ejected: "red", down: "red" },
};
const SERVICE_COLUMNS: readonly Column[] = [
  { title: "SERVICE" },
  { title: "LISTEN" },
  { title: "ACTIVE", right: true },
  { title: "TOTAL", right: true },
  { title: "REFUSED", right: true },
  { title: "UP", right: true },
  { title: "DOWN", right: true },
];
const WORKER_COLUMNS: readonly Column[] = [
  { title: "WORKER", right: true },
  { title: "STATE" },
  { title: "ACTIVE", right: true },
  { title: "TOTAL", right: true },
  { title: "DELAY", right: true },
  { title: "MEMORY", right: true },
  { title: "FAILURES", right: true },
];
const BACKEND_COLUMNS: readonly Column[] = [
  { title: "BACKEND" },
  { title: "STATE", right: false, min: 7 },
  { title: "FOR", right: true },
  { title: "WEIGHT", right: true },
  { title: "ACTIVE", right: true },
  { title: "TOTAL", right: true },
  { title: "FAILED", right: true },
  { title: "WHY" },
];

/** The status of a program on one screen of text: program, last reload, workers, services, upstreams, certificates. */
export function formatStatus(program: ProgramState, options: FormatStatusOptions): string {
  const { status, ready, reasons } = program;
  const { paint = plain, width = Infinity } = options;
  const why = status.state === "ready" ? "" : ` (${status.state})`;
  const state = ready ? paint("ready", "green") : paint(`not ready${why}`, "red");
  const pid = status.pid === undefined ? "" : `, pid ${status.pid}`;
  const blocks = [
    [
      `culvert ${escapeText(status.version)}: ${state}, up ${
        shortDuration(status.uptimeSeconds * 1000)
      }${pid}`,
      ...reasons.map((reason) => paint(`  ${escapeText(reason)}`, "red")),
      ...reloadLines(status, { ...options, paint }),
    ],
    workerLines(status, { paint, width }),
    tableLines(SERVICE_COLUMNS, status.services.map(serviceRow), { width }),
    ...status.upstreams.map((upstream) => upstreamLines(upstream, { ...options, paint, width })),
    credentialLines(status, { ...options, paint, width }),
  ];
  return blocks.filter((lines) => lines.length > 0).map((lines) => lines.join("\n")).join("\n\n");
}

function reloadLines(
  { reload: { generation, appliedAt, at, ok, why, error } }: Status,
  { paint, nowMs }: FormatStatusOptions & { paint: Paint },
): string[] {
  const since = (time: string) => shortDuration(nowMs - Date.parse(time));
  const line = `configuration ${generation}, applied ${since(appliedAt)} ago`;
  if (ok) return [`${line} (${escapeText(why)})`];
  const message = escapeLines(error?.message ?? "").replaceAll("\n", "\n  ");
  const failed = `the reload ${since(at)} ago (${escapeText(why)}) was refused:`;
  return [line, paint(failed, "red"), `  ${message}`];
}

function workerLines(
  { workers = [] }: Status,
  { paint, width }: { paint: Paint; width: number },
): string[] {
  if (workers.length === 0) return [];
  const rows = workers.map(({ number, state, connections, total, eventLoopDelaySeconds, ...worker }) => [
    String(number),
    state,
    ...[connections, total].map(String),
    shortDelay(eventLoopDelaySeconds * 1000),
    shortSize(worker.heapBytes),
    String(worker.failures),
  ]);
  const [head = "", ...lines] = tableLines(WORKER_COLUMNS, rows, { width });
  return [
    head,
    ...lines.map((line, index) => workers[index]!.state === "failed" ? paint(line, "red") : line),
  ];
}

function serviceRow(
  { name, listeners, active, total, rejected, bytesUp, bytesDown }: Status["services"][number],
) {
  return [
    escapeText(name),
    escapeText(listeners.join(" ")),
    ...[active, total, rejected].map(String),
    ...[bytesUp, bytesDown].map(shortSize),
  ];
}

function upstreamLines(
  { name, balance, available, backends, queue, discovery = [] }: UpstreamStatus,
  { paint, width, nowMs }: FormatStatusOptions & { paint: Paint; width: number },
): string[] {
  const waiting = queue.waiting === 0 ? "" : `, ${queue.waiting} connections wait`;
  const title = `upstream ${
    escapeText(name)
  }: ${balance}, ${available} of ${backends.length} available${waiting}`;
  const rows = backends.map((backend) => [
    escapeText(backend.address),
    backend.backup ? `${backend.state} (backup)` : backend.state,
    shortDuration(nowMs - Date.parse(backend.since)),
    String(backend.weight),
    ...[backend.active, backend.total, backend.failures].map(String),
    escapeText(backend.why ?? ""),
  ]);
  const [head = "", ...lines] = tableLines(BACKEND_COLUMNS, rows, { width: width - 2 });
  return [
    paint(title, available === 0 ? "red" : "bold"),
    ...discovery.map(({ name, state, size, error }) => {
      const text = `  ${escapeText(name)}: ${state}, ${size} backends${
        error === undefined ? "" : `: ${escapeText(error)}`
      }`;
      return state === "failing" ? paint(text, "red") : text;
    }),
    ...(rows.length === 0 ? [] : [`  ${head}`]),
    ...lines.map((line, index) => {
      const { state } = backends[index]!;
      return `  ${line.replace(` ${state}`, ` ${paint(state, STATE_STYLES[state])}`)}`;
    }),
  ];
}

function credentialLines(
  { certificates, crls }: Status,
  { paint, width, nowMs }: FormatStatusOptions & { paint: Paint; width: number },
): string[] {
  const left = (time: string | undefined) => time === undefined ? Infinity : Date.parse(time) - nowMs;
  const ends = [
    ...certificates.map(({ path, usedBy, subject, notAfter }) => ({
      ...{ kind: "certificate", path, about: `${subject}, ${usedBy.join(", ")}`, leftMs: left(notAfter) },
      problem: undefined,
    })),
    ...crls.map(({ path, usedBy, issuer = "", nextUpdate, usable, problem }) => ({
      ...{ kind: "crl", path, about: `${issuer}, ${usedBy.join(", ")}`, leftMs: left(nextUpdate) },
      problem: usable ? undefined : problem ?? "not usable",
    })),
  ];
  if (ends.length === 0) return [];
  const rows = ends.map(({ kind, path, about, leftMs, problem }) => [
    kind,
    escapeText(path),
    escapeText(problem ?? leftText(leftMs)),
    escapeText(about),
  ]);
  const columns = [{ title: "KIND" }, { title: "FILE" }, { title: "LEFT" }, { title: "FOR" }];
  const [head = "", ...lines] = tableLines(columns, rows, { width });
  return [
    head,
    ...lines.map((line, index) => {
      const { leftMs, problem } = ends[index]!;
      if (problem !== undefined || leftMs <= 0) return paint(line, "red");
      return leftMs < SOON_MS ? paint(line, "yellow") : line;
    }),
  ];
}

function leftText(leftMs: number): string {
  if (leftMs === Infinity) return "no end";
  return leftMs <= 0 ? "expired" : shortDuration(leftMs);
}

function escapeLines(text: string): string {
  return text.split("\n").map(escapeText).join("\n");
}
