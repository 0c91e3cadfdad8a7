/// <reference lib="dom" />
import type { SessionOrder, SessionsReport } from "../../../dataplane/open_sessions.ts";
import type { SessionReport } from "../../../service/live_session.ts";
import { fetchConnections, order } from "./api.ts";
import { confirm } from "./dialog.ts";
import { byId, el, type Item, KeyedList, setAttributes, setText } from "./dom.ts";
import { formatBytes, formatCount, formatDuration, plural } from "./format.ts";

const COLUMNS: readonly {
  readonly order?: SessionOrder;
  readonly title: string;
  readonly number?: boolean;
}[] = [
  { order: "client", title: "Client" },
  { order: "identity", title: "Identity" },
  { order: "service", title: "Service" },
  { order: "backend", title: "Backend" },
  { order: "state", title: "State" },
  { order: "age", title: "Age", number: true },
  { order: "bytes", title: "Bytes", number: true },
];
const REFRESH_MS = 2000;

/** The table of open connections. Asks for them while it is seen. */
export class Connections {
  readonly #rows: KeyedList<SessionReport>;
  readonly #headers: { readonly order: SessionOrder; readonly cell: HTMLElement }[] = [];
  readonly #search = byId<HTMLInputElement>("search");
  readonly #count = byId("connections-count");
  readonly #isPaused: () => boolean;
  #order: SessionOrder = "age";
  #descending = false;
  #visible = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Answers to earlier questions are not shown. */
  #asked = 0;

  constructor(parent: HTMLElement, isPaused: () => boolean) {
    this.#isPaused = isPaused;
    const body = el("tbody");
    this.#rows = new KeyedList(body, (session) => new Row(session));
    const head = el("tr", {}, ...COLUMNS.map((column) => this.#header(column)));
    head.append(el("th", { scope: "col", "data-writes": true }, el("span", { class: "unseen" }, "Action")));
    parent.append(el("table", {}, el("thead", {}, head), body));
    this.#search.addEventListener("input", () => this.#refresh());
    new IntersectionObserver((entries) => {
      this.#visible = entries.at(-1)!.isIntersecting;
      this.#refresh();
    }).observe(parent);
    document.addEventListener("visibilitychange", () => this.#refresh());
    this.#showOrder();
  }

  #header({ order, title, number }: typeof COLUMNS[number]): HTMLElement {
    const cell = el("th", { scope: "col", class: number && "number" });
    if (order === undefined) return cell;
    const button = el("button", { type: "button", class: "sort" }, title);
    button.addEventListener("click", () => {
      this.#descending = this.#order === order ? !this.#descending : false;
      this.#order = order;
      this.#showOrder();
      this.#refresh();
    });
    this.#headers.push({ order, cell });
    cell.append(button);
    return cell;
  }

  #showOrder(): void {
    for (const { order, cell } of this.#headers) {
      const sorted = order !== this.#order ? undefined : this.#descending ? "descending" : "ascending";
      setAttributes(cell, { "aria-sort": sorted });
    }
  }

  async #refresh(): Promise<void> {
    clearTimeout(this.#timer);
    if (!this.#visible || document.hidden) return;
    const asked = ++this.#asked;
    if (!this.#isPaused()) {
      try {
        const query = {
          search: this.#search.value.trim(),
          order: this.#order,
          descending: this.#descending,
        };
        const report = await fetchConnections(query);
        if (asked === this.#asked) this.#show(report);
      } catch {
        // That the program is gone is shown at the top.
      }
    }
    if (asked === this.#asked) this.#timer = setTimeout(() => this.#refresh(), REFRESH_MS);
  }

  #show({ total, matched, sessions }: SessionsReport): void {
    this.#rows.update(sessions, ({ id }) => id);
    const rest = matched - sessions.length;
    const found = this.#search.value.trim() === "" ? "" : `, ${formatCount(matched)} found`;
    const shown = rest === 0 ? "" : `, ${sessions.length} shown and ${formatCount(rest)} more`;
    setText(this.#count, `${plural(total, "connection")}${found}${shown}`);
  }
}

class Row implements Item<SessionReport> {
  readonly element: HTMLElement;
  readonly #cells: HTMLElement[];
  readonly #state: HTMLElement;

  constructor({ id, client }: SessionReport) {
    this.#cells = COLUMNS.map(({ number }, index) =>
      index === 0
        ? el("th", { scope: "row", class: "address" })
        : el("td", { class: number ? "number" : index === 3 ? "address" : undefined })
    );
    this.#state = this.#cells[4]!;
    this.element = el("tr", {}, ...this.#cells);

    const button = el(
      "button",
      { type: "button", class: "small", "aria-label": `Close ${client}` },
      "Close…",
    );
    button.addEventListener("click", () =>
      confirm(`Connection of ${client}`, {
        label: "Close connection",
        consequence: () => `The connection of ${client} is cut now. The client may connect again.`,
        danger: true,
        run: () => order({ method: "POST", path: `/api/connections/${encodeURIComponent(id)}/close` }),
      }));
    this.element.append(el("td", { class: "number", "data-writes": true }, button));
  }

  update(session: SessionReport): void {
    const { client, identity, serverName, service, backend, request, state, ageMs, bytesUp, bytesDown } =
      session;
    const texts = [
      client,
      identity ?? serverName ?? "–",
      service,
      backend ?? "–",
      "",
      formatDuration(ageMs / 1000),
      `↑ ${formatBytes(bytesUp)} ↓ ${formatBytes(bytesDown)}`,
    ];
    for (const [index, text] of texts.entries()) if (index !== 4) setText(this.#cells[index]!, text);
    setText(
      this.#state,
      request === undefined ? state : `${state}: ${request.method} ${request.host}${request.path}`,
    );
  }
}
