import { tableLines } from "../terminal/table.ts";
import type { TopSample } from "./top_sample.ts";
import { backendsTable, servicesTable } from "./top_tables.ts";
import type { TopTable } from "./top_view.ts";

/** Services and backends as text, with the rates between two samples. */
export function plainTop(first: TopSample, second: TopSample): string {
  return [servicesTable(second, first), backendsTable(second, first)].map(text).join("\n\n");
}

function text({ columns, rows }: TopTable): string {
  return tableLines(columns, rows.map(({ cells }) => cells.map((cell) => cell.text))).join("\n");
}
