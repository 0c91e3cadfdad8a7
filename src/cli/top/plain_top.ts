import { tableLines } from "../terminal/table.ts";
import type { TopSample } from "./top_sample.ts";
import { backendsTable, servicesTable, workersTable } from "./top_tables.ts";
import type { TopTable } from "./top_view.ts";

/** Services, backends and workers as text, with the rates between two samples. */
export function plainTop(first: TopSample, second: TopSample): string {
  const tables = [servicesTable(second, first), backendsTable(second, first)];
  if (second.program.status.workers !== undefined) tables.push(workersTable(second, first));
  return tables.map(text).join("\n\n");
}

function text({ columns, rows }: TopTable): string {
  return tableLines(columns, rows.map(({ cells }) => cells.map((cell) => cell.text))).join("\n");
}
