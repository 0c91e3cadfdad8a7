import { textWidth } from "../terminal/text_width.ts";
import type { Key } from "../terminal/keys.ts";
import type { TopSample } from "./top_sample.ts";
import { backendsTable, connectionsTable, servicesTable, workersTable } from "./top_tables.ts";
import { TOP_VIEWS, type TopRow, type TopTable, type TopViewName } from "./top_view.ts";

/** What a key asks for, besides another picture. */
export type TopAction =
  | { readonly kind: "quit" }
  /** The data of another view are needed. */
  | { readonly kind: "refresh" }
  | { readonly kind: "drain" | "enable"; readonly upstream: string; readonly address: string };

/** How a view is sorted and searched. */
interface ViewState {
  sortColumn: number;
  descending: boolean;
  filter: string;
  /** The key of the selected row. */
  selected: string | undefined;
}

/** The columns that views are first sorted by: services and backends stand as configured. */
const UNSORTED = -1;

/** What is on the screen of `culvert top`, and what keys do with it. Draws nothing and asks nothing. */
export class TopState {
  view: TopViewName = "services";
  /** One line about what has been done last. */
  message = "";
  /** Why there is no new sample. */
  problem = "";
  /** A question that waits for `y`. */
  question: { readonly text: string; readonly action: TopAction } | undefined;
  /** Whether characters go into the filter. */
  typing = false;
  showsHelp = false;
  /** Rows of the table that fit on the screen, as drawn last. */
  pageRows = 1;
  #sample: TopSample | undefined;
  #before: TopSample | undefined;
  readonly #views: Readonly<Record<TopViewName, ViewState>> = {
    services: newView(),
    backends: newView(),
    connections: newView(),
    workers: newView(),
  };

  /** Takes the next sample. */
  take(sample: TopSample): void {
    this.#before = this.#sample;
    this.#sample = sample;
  }

  get sample(): TopSample | undefined {
    return this.#sample;
  }

  /** How the view is sorted and searched. */
  get settings(): Readonly<ViewState> {
    return this.#views[this.view];
  }

  /** The table of the view: filtered and sorted. */
  table(): TopTable {
    const table = this.#fullTable();
    const { sortColumn, descending, filter } = this.settings;
    const wanted = filter.toLowerCase();
    const rows = table.rows.filter(({ cells }) =>
      wanted === "" || cells.some(({ text }) => text.toLowerCase().includes(wanted))
    );
    if (sortColumn === UNSORTED) return { ...table, rows };
    const sorted = rows.toSorted((a, b) => compare(a.cells[sortColumn]!.sort, b.cells[sortColumn]!.sort));
    return { ...table, rows: descending ? sorted.reverse() : sorted };
  }

  /** Which row of the table is selected; the first one if what was selected has gone. */
  selectedIndex({ rows }: TopTable): number {
    const { selected } = this.settings;
    return Math.max(0, rows.findIndex(({ key }) => key === selected));
  }

  /** Does what a key is for. */
  press(key: Key): TopAction | undefined {
    if ("name" in key && key.name === "ctrl-c") return { kind: "quit" };
    if (this.question !== undefined) return this.#answer(key);
    if (this.typing) return this.#type(key);
    if (this.showsHelp) {
      this.showsHelp = false;
      return undefined;
    }
    this.message = "";
    return "char" in key ? this.#command(key.char) : this.#move(key.name);
  }

  #command(char: string): TopAction | undefined {
    const settings = this.#views[this.view];
    switch (char) {
      case "q":
        return { kind: "quit" };
      case "?":
      case "h":
        this.showsHelp = true;
        return undefined;
      case "1":
      case "2":
      case "3":
      case "4":
        return this.#show(TOP_VIEWS[Number(char) - 1]!);
      case "/":
        this.typing = true;
        return undefined;
      case "<":
      case ">":
        this.#sortBy(char === "<" ? -1 : 1);
        return undefined;
      case "r":
        settings.descending = !settings.descending;
        return undefined;
      case "j":
        return this.#move("down");
      case "k":
        return this.#move("up");
      case "d":
      case "e":
        this.#ask(char === "d" ? "drain" : "enable");
    }
  }

  #show(view: TopViewName): TopAction {
    this.view = view;
    return { kind: "refresh" };
  }

  #sortBy(step: number): void {
    const settings = this.#views[this.view];
    const { columns } = this.#fullTable();
    const next = settings.sortColumn + step;
    settings.sortColumn = next >= columns.length ? UNSORTED : next < UNSORTED ? columns.length - 1 : next;
    // Numbers are mostly looked at from the largest down.
    settings.descending = columns[settings.sortColumn]?.right === true;
  }

  #move(name: Extract<Key, { name: string }>["name"]): TopAction | undefined {
    switch (name) {
      case "tab":
        return this.#show(TOP_VIEWS[(TOP_VIEWS.indexOf(this.view) + 1) % TOP_VIEWS.length]!);
      case "left":
      case "right":
        this.#sortBy(name === "left" ? -1 : 1);
        return undefined;
      case "escape":
        this.#views[this.view].filter = "";
        return undefined;
      case "up":
        return this.#select(-1);
      case "down":
        return this.#select(1);
      case "page-up":
        return this.#select(-this.pageRows);
      case "page-down":
        return this.#select(this.pageRows);
      case "home":
        return this.#select(-Infinity);
      case "end":
        return this.#select(Infinity);
    }
  }

  #select(step: number): undefined {
    const table = this.table();
    const last = table.rows.length - 1;
    const index = Math.min(last, Math.max(0, this.selectedIndex(table) + step));
    this.#views[this.view].selected = table.rows[index]?.key;
  }

  #type(key: Key): undefined {
    const settings = this.#views[this.view];
    if ("char" in key) {
      // What takes no column can't be seen, and so not be deleted on purpose.
      if (textWidth(key.char) > 0 && settings.filter.length < 100) settings.filter += key.char;
    } else if (key.name === "backspace") settings.filter = [...settings.filter].slice(0, -1).join("");
    else {
      if (key.name === "escape") settings.filter = "";
      this.typing = false;
    }
  }

  #ask(kind: "drain" | "enable"): void {
    const backend = this.#selectedRow()?.backend;
    if (backend === undefined) {
      this.message = `select a backend to ${kind} (key 2)`;
      return;
    }
    const { upstream, address } = backend;
    this.question = {
      text: `${kind} ${address} of ${upstream}? (y/n)`,
      action: { kind, upstream, address },
    };
  }

  #answer(key: Key): TopAction | undefined {
    const { action } = this.question!;
    this.question = undefined;
    return "char" in key && key.char.toLowerCase() === "y" ? action : undefined;
  }

  #selectedRow(): TopRow | undefined {
    const table = this.table();
    return table.rows[this.selectedIndex(table)];
  }

  #fullTable(): TopTable {
    const sample = this.#sample;
    if (sample === undefined) return { columns: [], rows: [] };
    if (this.view === "services") return servicesTable(sample, this.#before);
    if (this.view === "backends") return backendsTable(sample, this.#before);
    if (this.view === "workers") return workersTable(sample, this.#before);
    return connectionsTable(sample.connections ?? { total: 0, sessions: [] });
  }
}

function newView(): ViewState {
  return { sortColumn: UNSORTED, descending: false, filter: "", selected: undefined };
}

function compare(a: string | number, b: string | number): number {
  if (typeof a === "number" && typeof b === "number") return a - b;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}
