import { escapeText } from "../../core/escape_text.ts";
import { shortDuration } from "../terminal/quantities.ts";
import type { Paint } from "../terminal/style.ts";
import { tableLines } from "../terminal/table.ts";
import { pad, truncate } from "../terminal/text_width.ts";
import type { TopState } from "./top_state.ts";
import { TOP_VIEWS } from "./top_view.ts";

const KEYS = "1-4 view  </> sort  r reverse  / filter  d drain  e enable  ? help  q quit";
const HELP: readonly string[] = [
  "1 to 4, Tab    services, backends, connections, workers",
  "< >, ← →       sort by the column before or behind; behind the last one: as configured",
  "r              reverse the order",
  "/              filter rows by a text: Enter keeps the filter, Esc ends it",
  "↑ ↓, j k       select a row; also PgUp, PgDn, Home and End",
  "d, e           drain or enable the selected backend, after a question",
  "q, Ctrl-C      quit",
  "",
  "Rates are those since the last sample. Press any key.",
];
/** Lines above and below the table. */
const FRAME_ROWS = 5;

/** Draws the state in this many columns and rows: exactly as many lines, none of them wider. */
export function topScreen(
  state: TopState,
  { columns, rows, paint }: { columns: number; rows: number; paint: Paint },
): string[] {
  const lines = [paint(fit(titleLine(state), columns), "bold"), fit(viewLine(state), columns)];
  if (state.showsHelp) lines.push("", ...HELP.map((line) => fit(line, columns)));
  else lines.push("", ...tableRows(state, { columns, rows: Math.max(1, rows - FRAME_ROWS), paint }));
  const body = lines.slice(0, Math.max(0, rows - 1));
  while (body.length < rows - 1) body.push("");
  return [...body, fit(bottomLine(state), columns)].slice(-rows);
}

function titleLine({ sample }: TopState): string {
  if (sample === undefined) return "culvert";
  const { status, ready, reasons } = sample.program;
  const why = reasons.length === 0 ? "" : `: ${reasons.map(escapeText).join("; ")}`;
  const up = shortDuration(status.uptimeSeconds * 1000);
  const reload = status.reload.ok ? "" : ", last reload refused";
  return `culvert ${escapeText(status.version)}, up ${up}${reload}, ${ready ? "ready" : "not ready"}${why}`;
}

function viewLine(state: TopState): string {
  const names = TOP_VIEWS.map((name, index) =>
    name === state.view ? `[${index + 1} ${name}]` : ` ${index + 1} ${name} `
  );
  const { filter } = state.settings;
  const { rows, note } = state.table();
  return [
    names.join(" "),
    ...(state.typing || filter !== "" ? [`filter: ${filter}${state.typing ? "_" : ""}`] : []),
    rows.length === 1 ? "1 row" : `${rows.length} rows`,
    ...(note === undefined ? [] : [note]),
  ].join("  ");
}

function tableRows(
  state: TopState,
  { columns: width, rows: room, paint }: { columns: number; rows: number; paint: Paint },
): string[] {
  const table = state.table();
  const { sortColumn, descending } = state.settings;
  const columns = table.columns.map((column, index) =>
    index === sortColumn ? { ...column, title: `${column.title}${descending ? "↓" : "↑"}` } : column
  );
  state.pageRows = room;
  const selected = state.selectedIndex(table);
  const first = Math.max(0, Math.min(selected - Math.floor(room / 2), table.rows.length - room));
  const shown = table.rows.slice(first, first + room);
  // All rows are laid out, so that columns stay where they are while the table is scrolled.
  const [head = "", ...lines] = tableLines(
    columns,
    table.rows.map(({ cells }) => cells.map(({ text }) => text)),
    {
      width: width - 2,
    },
  );
  const body = lines.slice(first, first + room).map((line, index) => {
    const isSelected = first + index === selected;
    const text = fit(`${isSelected ? "> " : "  "}${line}`, width);
    const { style } = shown[index]!;
    if (isSelected) return paint(text, "reverse");
    return style === undefined ? text : paint(text, style);
  });
  return [
    paint(fit(`  ${head}`, width), "bold"),
    ...(table.rows.length === 0 ? [`  ${emptyText(state)}`] : body),
  ];
}

function emptyText({ sample, settings, view }: TopState): string {
  const problem = view === "connections" ? sample?.connections?.problem : undefined;
  if (problem !== undefined) return escapeText(problem);
  if (view === "workers" && sample?.program.status.workers === undefined) {
    return "none: the main thread carries all traffic";
  }
  return settings.filter === "" ? "none" : "none that the filter matches";
}

function bottomLine({ question, problem, message }: TopState): string {
  if (question !== undefined) return question.text;
  return problem || message || KEYS;
}

function fit(text: string, columns: number): string {
  return pad(truncate(text, columns), { columns });
}
