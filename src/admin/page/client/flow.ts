/// <reference lib="dom" />
import type { LiveView, ServiceView, UpstreamView } from "../../live/live_view.ts";
import { el, type Item, KeyedList, setAttributes, setText, svg } from "./dom.ts";
import { formatBytes, formatRate, plural } from "./format.ts";
import { type FlowParts, inOrder, type Named, nameOf } from "./named.ts";
import type { Store } from "./store.ts";
import { UpstreamCard } from "./upstream_card.ts";

/** The picture of the traffic: services, the upstreams that they lead to, and their backends. */
export class Flow {
  readonly #parts: FlowParts;
  readonly #services: KeyedList<Named<ServiceView>>;
  readonly #upstreams: KeyedList<Named<UpstreamView>>;
  readonly #parent: HTMLElement;
  readonly #links = svg("svg", { class: "links", "aria-hidden": "true" });
  readonly #serviceCards = new Map<string, ServiceCard>();
  readonly #upstreamCards = new Map<string, UpstreamCard>();
  readonly #paths = new Map<string, SVGPathElement>();

  constructor(parent: HTMLElement, parts: FlowParts) {
    this.#parent = parent;
    this.#parts = parts;
    const services = el("ul", { class: "services", "aria-label": "Services" });
    const upstreams = el("ul", { class: "upstreams", "aria-label": "Upstreams" });
    parent.append(services, this.#links, upstreams);
    this.#services = new KeyedList(services, ({ name }) => {
      const card = new ServiceCard(name, parts.store);
      this.#serviceCards.set(name, card);
      return card;
    });
    this.#upstreams = new KeyedList(upstreams, ({ name }) => {
      const card = new UpstreamCard(name, parts);
      this.#upstreamCards.set(name, card);
      return card;
    });
    new ResizeObserver(() => this.#draw()).observe(parent);
  }

  /** Shows a state. */
  update({ services, upstreams }: LiveView): void {
    this.#services.update(inOrder(services), nameOf);
    this.#upstreams.update(inOrder(upstreams), nameOf);
    for (const name of this.#serviceCards.keys()) if (!(name in services)) this.#serviceCards.delete(name);
    for (const name of this.#upstreamCards.keys()) {
      if (!(name in upstreams)) this.#upstreamCards.delete(name);
    }
    this.#draw();
  }

  /** Draws a line from each service to each upstream that it leads to; its width and speed show how much goes there. */
  #draw(): void {
    const { view } = this.#parts.store;
    const origin = this.#parent.getBoundingClientRect();
    const isWide = getComputedStyle(this.#links).display !== "none";
    const used = new Set<string>();
    for (const { name, view: { upstreams } } of view === undefined || !isWide ? [] : inOrder(view.services)) {
      const from = this.#serviceCards.get(name)?.element.getBoundingClientRect();
      for (const upstream of upstreams) {
        const to = this.#upstreamCards.get(upstream)?.head.getBoundingClientRect();
        if (from === undefined || to === undefined) continue;
        const key = JSON.stringify([name, upstream]);
        used.add(key);
        this.#drawLink(key, {
          x1: from.right - origin.left,
          y1: from.top - origin.top + Math.min(from.height / 2, 28),
          x2: to.left - origin.left,
          y2: to.top - origin.top + to.height / 2,
          rate: this.#serviceCards.get(name)!.perSecond,
          isBroken: view!.upstreams[upstream]?.available === 0,
        });
      }
    }
    for (const [key, path] of this.#paths) {
      if (used.has(key)) continue;
      path.remove();
      this.#paths.delete(key);
    }
  }

  #drawLink(
    key: string,
    { x1, y1, x2, y2, rate, isBroken }: {
      x1: number;
      y1: number;
      x2: number;
      y2: number;
      rate: number;
      isBroken: boolean;
    },
  ): void {
    let path = this.#paths.get(key);
    if (path === undefined) {
      this.#paths.set(key, path = svg("path"));
      this.#links.append(path);
    }
    const bend = (x2 - x1) / 2;
    const [a, b, c, d] = [x1, y1, x2, y2].map((value) => Math.round(value));
    const width = Math.min(4.5, 1.25 + Math.log10(1 + rate));
    setAttributes(path, {
      d: `M${a} ${b}C${Math.round(x1 + bend)} ${b} ${Math.round(x2 - bend)} ${d} ${c} ${d}`,
      "stroke-width": width.toFixed(1),
      class: isBroken ? "broken" : rate > 0 ? `moving speed-${speedOf(rate)}` : "still",
    });
  }
}

/** The card of a service. */
class ServiceCard implements Item<Named<ServiceView>> {
  readonly element: HTMLElement;
  /** Connections and requests that begin in a second. */
  perSecond = 0;
  readonly #store: Store;
  readonly #name: string;
  readonly #facts = el("p", { class: "facts" });
  readonly #rate = el("strong", { class: "figure" });
  readonly #active = el("span");
  readonly #bytes = el("span");
  readonly #trouble = el("p", { class: "trouble" });

  constructor(name: string, store: Store) {
    this.#name = name;
    this.#store = store;
    this.element = el(
      "li",
      { class: "card service" },
      el("h3", {}, name),
      this.#facts,
      el("p", { class: "numbers" }, this.#rate, this.#active, this.#bytes),
      this.#trouble,
    );
  }

  update({ view }: Named<ServiceView>): void {
    const { listeners, upstreams, requests, active, handshakes, bytesUp, bytesDown, rejected, failed } = view;
    const now = performance.now();
    const rate = (key: string, value: number) => this.#store.rate(`${this.#name} ${key}`, value, now);
    const connections = rate("connections", view.total);
    const perRequest = requests === undefined ? 0 : rate("requests", requests.total);
    this.perSecond = Math.max(connections, perRequest);
    const target = upstreams.length === 0 ? "answers by itself" : `to ${upstreams.join(", ")}`;
    setText(this.#facts, `${requests === undefined ? "tcp" : "http"} on ${listeners.join(", ")}, ${target}`);
    const noun = requests === undefined ? "connections/s" : "requests/s";
    setText(this.#rate, `${formatRate(requests === undefined ? connections : perRequest)} ${noun}`);
    const pending = handshakes === 0 ? "" : ` (${plural(handshakes, "handshake")})`;
    const busy = requests === undefined ? "" : `, ${plural(requests.active, "request")} under way`;
    setText(this.#active, `${plural(active, "connection")} open${pending}${busy}`);
    const [up, down] = [rate("up", bytesUp), rate("down", bytesDown)];
    setText(this.#bytes, `↑ ${formatBytes(up)}/s  ↓ ${formatBytes(down)}/s`);
    const [refusing, failing] = [rate("refused", rejected), rate("failed", failed)];
    const rates = refusing + failing > 0
      ? ` (now ${formatRate(refusing)}/s refused, ${formatRate(failing)}/s failed)`
      : "";
    setText(
      this.#trouble,
      [
        ...(rejected === 0 ? [] : [plural(rejected, "refusal")]),
        ...(failed === 0 ? [] : [plural(failed, "failure")]),
      ].join(", ") + rates,
    );
    this.#trouble.classList.toggle("now", refusing + failing > 0);
  }
}

function speedOf(rate: number): number {
  return Math.min(3, Math.floor(Math.log10(1 + rate)));
}
