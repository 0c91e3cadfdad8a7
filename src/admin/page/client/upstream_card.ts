/// <reference lib="dom" />
import type { BackendView, UpstreamView } from "../../live/live_view.ts";
import { el, type Item, KeyedList, setAttributes, setText } from "./dom.ts";
import { formatRate, plural } from "./format.ts";
import type { FlowParts, Named } from "./named.ts";
import { stateMark, STATES } from "./states.ts";

/** Backends that are shown at first, and at most. */
const FEW = 12;
const MANY = 200;

/** A backend with its address. */
type Addressed = { readonly address: string; readonly view: BackendView };

/** The card of an upstream with its backends. */
export class UpstreamCard implements Item<Named<UpstreamView>> {
  readonly element: HTMLElement;
  /** Where the lines of services end. */
  readonly head: HTMLElement;
  readonly #facts = el("p", { class: "facts" });
  readonly #tally = el("p", { class: "tally" });
  readonly #trouble = el("p", { class: "trouble" });
  readonly #backends: KeyedList<Addressed>;
  readonly #rest = el("p", { class: "count" });
  readonly #more = el("button", { type: "button", "aria-expanded": "false" });
  readonly #filter = el("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  readonly #filterLabel: HTMLElement;
  #all = false;
  #last: UpstreamView | undefined;

  constructor(name: string, parts: FlowParts) {
    const list = el("ul", { class: "backends", "aria-label": `Backends of ${name}` });
    this.#filterLabel = el("label", { class: "field" }, "Filter ", this.#filter);
    this.head = el("div", { class: "upstream-head" }, el("h3", {}, name), this.#facts, this.#tally);
    const foot = el("div", { class: "foot" }, this.#filterLabel, this.#more, this.#rest);
    this.element = el("li", { class: "card upstream" }, this.head, this.#trouble, list, foot);
    this.#backends = new KeyedList(list, ({ address }) => new BackendTile(name, address, parts));
    this.#more.addEventListener("click", () => {
      this.#all = !this.#all;
      this.#show();
    });
    this.#filter.addEventListener("input", () => this.#show());
  }

  update({ view }: Named<UpstreamView>): void {
    this.#last = view;
    const { balance, available, waiting, discovery } = view;
    const count = Object.keys(view.backends).length;
    const queue = waiting === 0 ? "" : `, ${plural(waiting, "connection")} waiting`;
    setText(this.#facts, `${balance}, ${available} of ${plural(count, "backend")} available${queue}`);
    const failing = discovery.filter(({ state }) => state === "failing").map(({ name, error }) =>
      `${name}: ${error}`
    );
    const none = available === 0 ? ["No backend is available: connections are refused."] : [];
    setText(this.#trouble, [...none, ...failing].join(" "));
    this.#trouble.classList.toggle("now", available === 0);
    this.#show();
  }

  #show(): void {
    const all = Object.entries(this.#last!.backends).map(([address, view]) => ({ address, view }));
    const isLong = all.length > FEW;
    this.#showTally(all, isLong);
    const wanted = this.#filter.value.trim().toLowerCase();
    const matching = all.filter(({ address, view }) =>
      wanted === "" || address.toLowerCase().includes(wanted) || view.state.startsWith(wanted)
    );
    matching.sort(byAttention);
    const shown = matching.slice(0, this.#all || wanted !== "" ? MANY : FEW);
    // In a short list each backend keeps its place.
    if (!isLong) shown.sort((a, b) => a.view.position - b.view.position);
    this.#backends.update(shown, ({ address }) => address);
    this.#filterLabel.hidden = this.#more.hidden = !isLong;
    setText(this.#more, this.#all ? "Show fewer" : `Show ${Math.min(MANY, all.length)}`);
    setAttributes(this.#more, { "aria-expanded": String(this.#all) });
    const rest = matching.length - shown.length;
    setText(
      this.#rest,
      rest === 0 ? "" : `and ${plural(rest, "more backend")}`,
    );
  }

  #showTally(all: readonly Addressed[], isLong: boolean): void {
    this.#tally.hidden = !isLong;
    if (!isLong) return;
    const counts = new Map<string, number>();
    for (const { view: { state } } of all) counts.set(state, (counts.get(state) ?? 0) + 1);
    const key = JSON.stringify([...counts]);
    if (this.#tally.dataset.key === key) return;
    this.#tally.dataset.key = key;
    this.#tally.replaceChildren(
      ...STATES.filter((state) => counts.has(state)).map((state) =>
        el("span", {}, stateMark(state), `${counts.get(state)} ${state}`)
      ),
    );
  }
}

/** A backend as a button that opens what can be done with it. */
class BackendTile implements Item<Addressed> {
  readonly element: HTMLElement;
  readonly #button: HTMLButtonElement;
  readonly #state = el("span", { class: "backend-state" });
  readonly #numbers = el("span", { class: "backend-numbers" });
  readonly #meter = el("span", { class: "meter" });
  readonly #parts: FlowParts;
  readonly #key: string;
  #shown: string | undefined;

  constructor(upstream: string, address: string, parts: FlowParts) {
    this.#parts = parts;
    this.#key = JSON.stringify([upstream, address]);
    const name = el("span", { class: "address" }, address);
    this.#button = el("button", { type: "button", class: "backend" });
    this.#button.append(this.#state, name, this.#numbers, this.#meter);
    this.#button.addEventListener("click", () => parts.onBackend(upstream, address));
    this.element = el("li", {}, this.#button);
  }

  update({ view }: Addressed): void {
    const { state, why, active, total, failures, weight, effectiveWeight, maxConnections, backup } = view;
    const rate = this.#parts.store.rate(this.#key, total, performance.now());
    if (this.#shown !== state) {
      this.#shown = state;
      this.#state.replaceChildren(stateMark(state), state);
      this.#button.className = `backend is-${state}`;
    }
    const limit = maxConnections === 0 ? "" : `/${maxConnections}`;
    const share = effectiveWeight === weight || state !== "up" ? "" : ` (now ${effectiveWeight.toFixed(1)})`;
    const parts = [
      `${formatRate(rate)}/s`,
      `${active}${limit} open`,
      ...(failures === 0 ? [] : [`${failures} failed`]),
      `weight ${weight}${share}`,
      ...(backup ? ["backup"] : []),
    ];
    setText(this.#numbers, parts.join(" · "));
    setAttributes(this.#button, { title: why });
    const full = maxConnections > 0 ? active / maxConnections : rate === 0 ? 0 : Math.log10(1 + rate) / 4;
    this.#meter.style.setProperty("--fill", `${Math.round(100 * Math.min(1, full))}%`);
  }
}

/** Backends in trouble first, then the busiest. */
function byAttention(a: Addressed, b: Addressed): number {
  return STATES.indexOf(a.view.state) - STATES.indexOf(b.view.state) ||
    b.view.active - a.view.active || a.view.position - b.view.position;
}
