/// <reference lib="dom" />
import uPlot from "uplot";
import { HISTORY_FIELDS, type HistoryField } from "../../live/history.ts";
import { el, setAttributes, setText } from "./dom.ts";
import { formatBytes, formatMs, formatRate } from "./format.ts";

/** A line of a chart. */
interface Line {
  readonly field: HistoryField;
  readonly label: string;
  /** The name of a colour of the style sheet. */
  readonly colour: string;
  /** Dashes tell lines apart without colours. */
  readonly dash?: readonly number[];
}

/** One chart. */
interface ChartSpec {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  /** Shown while there is nothing to draw. */
  readonly empty: string;
}

const CHARTS: readonly ChartSpec[] = [
  {
    title: "Throughput",
    lines: [
      { field: "bytesDown", label: "to clients", colour: "--line-1" },
      { field: "bytesUp", label: "to backends", colour: "--line-2", dash: [6, 3] },
    ],
    format: (value) => `${formatBytes(value)}/s`,
    empty: "nothing carried yet",
  },
  {
    title: "Per second",
    lines: [
      { field: "connections", label: "connections", colour: "--line-1" },
      { field: "requests", label: "requests", colour: "--line-2", dash: [6, 3] },
      { field: "refused", label: "refused", colour: "--line-3", dash: [2, 2] },
      { field: "failed", label: "failed", colour: "--line-4", dash: [8, 3, 2, 3] },
    ],
    format: formatRate,
    empty: "no connections yet",
  },
  {
    title: "Connect time",
    lines: percentileLines("connect"),
    format: formatMs,
    empty: "no backend connected in this time",
  },
  {
    title: "Request latency",
    lines: percentileLines("request"),
    format: formatMs,
    empty: "no requests in this time",
  },
];

const WINDOW_SECONDS = 900;
const HEIGHT = 132;

/** The charts of the last 15 minutes. */
export class Charts {
  readonly #charts: Chart[];

  constructor(parent: Element) {
    this.#charts = CHARTS.map((spec) => new Chart(parent, spec));
  }

  /** Shows a history, whose columns are as {@linkcode HISTORY_FIELDS}. */
  update(columns: readonly (readonly (number | null)[])[]): void {
    for (const chart of this.#charts) chart.update(columns);
  }

  /** The colours have changed. */
  restyle(): void {
    for (const chart of this.#charts) chart.restyle();
  }
}

class Chart {
  readonly #spec: ChartSpec;
  readonly #figure: HTMLElement;
  readonly #canvas: HTMLElement;
  readonly #values: HTMLElement[] = [];
  readonly #empty: HTMLElement;
  #plot: uPlot | undefined;
  #data: uPlot.AlignedData = [[]];
  #describedAtMs = 0;

  constructor(parent: Element, spec: ChartSpec) {
    this.#spec = spec;
    const legend = el("ul", { class: "legend" });
    for (const { label, colour, dash } of spec.lines) {
      const value = el("span", { class: "value" }, "–");
      this.#values.push(value);
      const key = el("span", { class: `key key${colour}${dash === undefined ? "" : " dashed"}` });
      legend.append(el("li", {}, key, `${label} `, value));
    }
    this.#canvas = el("div", { class: "plot", role: "img" });
    this.#empty = el("p", { class: "empty" }, spec.empty);
    this.#figure = el("figure", { class: "chart" }, el("figcaption", {}, el("h3", {}, spec.title), legend));
    this.#figure.append(this.#canvas, this.#empty);
    parent.append(this.#figure);
    new ResizeObserver(() => this.#resize()).observe(this.#canvas);
  }

  update(columns: readonly (readonly (number | null)[])[]): void {
    const { lines, format } = this.#spec;
    const of = (field: HistoryField) => columns[HISTORY_FIELDS.indexOf(field)] ?? [];
    const series = lines.map(({ field }) => of(field));
    for (const [index, values] of series.entries()) {
      const last = values.at(-1);
      setText(this.#values[index]!, typeof last === "number" ? format(last) : "–");
    }
    this.#data = [of("time"), ...series] as unknown as uPlot.AlignedData;
    const isEmpty = series.every((values) => values.every((value) => value === null || value === 0));
    this.#empty.hidden = !isEmpty;
    this.#describe(series);
    if (this.#plot === undefined) this.#resize();
    else this.#plot.setData(this.#data);
  }

  restyle(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#resize();
  }

  #resize(): void {
    const width = this.#canvas.clientWidth;
    if (width === 0 || this.#data[0].length === 0) return;
    if (this.#plot === undefined) {
      this.#plot = new uPlot(this.#options(width), this.#data, this.#canvas);
    } else this.#plot.setSize({ width, height: HEIGHT });
  }

  /** For people that do not see the chart; not with each second. */
  #describe(series: readonly (readonly (number | null)[])[]): void {
    if (performance.now() - this.#describedAtMs < 10_000 && this.#describedAtMs > 0) return;
    this.#describedAtMs = performance.now();
    const { title, lines, format } = this.#spec;
    const parts = lines.map(({ label }, index) => {
      const values = series[index]!.filter((value) => value !== null);
      if (values.length === 0) return `${label}: no values`;
      return `${label}: now ${format(values.at(-1)!)}, at most ${format(Math.max(...values))}`;
    });
    setAttributes(this.#canvas, { "aria-label": `${title}, last 15 minutes. ${parts.join("; ")}` });
  }

  #options(width: number): uPlot.Options {
    const style = getComputedStyle(this.#figure);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--muted"),
      font: `11px ${style.fontFamily}`,
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
    };
    const { format, lines } = this.#spec;
    return {
      width,
      height: HEIGHT,
      padding: [6, 4, 0, 0],
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: {
        x: { time: true, range: (_plot, _min, max) => [max - WINDOW_SECONDS, max] },
        y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] },
      },
      axes: [
        { ...axis, size: 22, space: 70, values: (_plot, splits) => splits.map(clockTime) },
        { ...axis, size: 62, space: 34, values: (_plot, splits) => splits.map((value) => format(value)) },
      ],
      series: [
        {},
        ...lines.map(({ label, colour: name, dash }) => ({
          label,
          stroke: colour(name),
          width: 1.5,
          points: { show: false },
          spanGaps: false,
          ...(dash === undefined ? {} : { dash: [...dash] }),
        })),
      ],
    };
  }
}

function percentileLines(what: "connect" | "request"): readonly Line[] {
  return [
    { field: `${what}P50`, label: "50 %", colour: "--line-1" },
    { field: `${what}P95`, label: "95 %", colour: "--line-2", dash: [6, 3] },
    { field: `${what}P99`, label: "99 %", colour: "--line-3", dash: [2, 2] },
  ];
}

function clockTime(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
}
