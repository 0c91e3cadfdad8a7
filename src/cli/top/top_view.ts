import type { Column } from "../terminal/table.ts";
import type { Style } from "../terminal/style.ts";

/** What is shown: one table at a time. */
export type TopViewName = "services" | "backends" | "connections" | "workers";

/** The tables, in the order of their keys. */
export const TOP_VIEWS: readonly TopViewName[] = ["services", "backends", "connections", "workers"];

/** A cell: what is shown, and what it is sorted by. */
export interface TopCell {
  readonly text: string;
  readonly sort: string | number;
}

/** A row of a table. */
export interface TopRow {
  /** What it is the row of, from one sample to the next. */
  readonly key: string;
  readonly cells: readonly TopCell[];
  readonly style?: Style | undefined;
  /** The backend that it is about. */
  readonly backend?: { readonly upstream: string; readonly address: string };
}

/** A table with all of its rows. */
export interface TopTable {
  readonly columns: readonly Column[];
  readonly rows: readonly TopRow[];
  /** What is said beside the name of the table. */
  readonly note?: string;
}

/** A text in a cell, which must be safe to show. */
export function textCell(text: string): TopCell {
  return { text, sort: text };
}

/** A number in a cell. */
export function numberCell(value: number, show: (value: number) => string = String): TopCell {
  return { text: show(value), sort: value };
}
