import { escapeText } from "../../core/escape_text.ts";

/** One of several values that a metric has for one thing. */
export interface Part {
  readonly value: number;
  /** What tells it from the others. Of each label there are only so many. */
  readonly labels: Readonly<Record<string, string | number>>;
  /** Of a histogram: which part it is. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
}

/** What every metric says of itself. */
export interface MetricHead {
  /** Begins with `culvert_`, has the base unit that it is in, and ends in `_total` if it is a counter. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** What it means, in a sentence. */
  readonly help: string;
}

/** A metric, and how it is read off a thing of one kind. */
export interface Reading<T> extends MetricHead {
  /** Its value, or several with labels of their own; `undefined`: none. */
  read(thing: T): number | readonly Part[] | undefined;
}

/** A thing that is told of, with the labels that it is known by. */
export interface Labelled<T> {
  /** Of no other thing of the kind. Their values may be any text. */
  readonly labels: Readonly<Record<string, string>>;
  readonly thing: T;
}

/** One value of a metric. */
export interface Sample extends Omit<Part, "labels"> {
  readonly labels?: Part["labels"];
  /** The labels of the thing: for all its metrics the same object, so that they are written once. */
  readonly of: Readonly<Record<string, string>>;
}

/** A metric of one scrape. */
export interface Metric extends MetricHead {
  /** What there is to tell; to be asked for when its turn has come. */
  samples(): readonly Sample[];
}

/** The metrics of a kind of things. */
export function metricsOf<T>(
  readings: readonly Reading<T>[],
  things: readonly Labelled<T>[],
): readonly Metric[] {
  const shown = things.map(({ labels, thing }) => ({ labels: escapeLabels(labels), thing }));
  return readings.map(({ name, type, help, read }) => ({
    name,
    type,
    help,
    samples: () => shown.flatMap(({ labels, thing }) => samplesOf(read(thing), labels)),
  }));
}

/** A time of the status as metrics have it: in seconds since 1970. */
export function timestamp(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time) / 1000;
}

/**
 * Paths and names may come from elsewhere: what would move a cursor or hide in a terminal is escaped, as in the log. A
 * line feed is left to the text format, which has an escape of its own for it.
 */
function escapeLabels(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(labels).map(([name, value]) => [name, value.split("\n").map(escapeText).join("\n")]),
  );
}

function samplesOf(found: ReturnType<Reading<unknown>["read"]>, of: Sample["of"]): readonly Sample[] {
  if (found === undefined) return [];
  return typeof found === "number" ? [{ value: found, of }] : found.map((part) => ({ ...part, of }));
}
