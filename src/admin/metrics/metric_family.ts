import type { HistogramSnapshot } from "../../core/histogram.ts";

/** The head of a metric family in the text format. */
export interface MetricHead {
  /** In the base unit, which the name ends in; the name of a counter ends in `_total`. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One sentence. */
  readonly help: string;
}

/** Label values by label name. Their order is the order in the text. */
export type Labels = Readonly<Record<string, string>>;

/** One of several values that a family has for one subject. */
export interface Sample {
  readonly value: number;
  /** The labels besides those of the subject. Their values must come from a small set. */
  readonly labels: Labels;
}

/** A metric family, and how its values are read from a subject, such as one backend. */
export interface MetricFamily<T> extends MetricHead {
  /** One value, several with labels of their own, or `undefined` for none; a histogram for a histogram. */
  read(subject: T): number | readonly Sample[] | HistogramSnapshot | undefined;
}

/** What a family is read from, with the labels that identify it. */
export interface Subject<T> {
  /** Unique among the subjects of the family. Values may be any text. */
  readonly labels: Labels;
  readonly value: T;
}

/** A time of the status as the metrics have it: in seconds since 1970. */
export function unixTime(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time) / 1000;
}
