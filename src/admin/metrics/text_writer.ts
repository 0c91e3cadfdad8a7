import { concat } from "@std/bytes/concat";
import { escapeText } from "../../core/escape_text.ts";
import type { HistogramSnapshot } from "../../core/histogram.ts";
import type { Steps } from "../../core/slices.ts";
import type { Labels, MetricFamily, Subject } from "./metric_family.ts";

/** Text that needs no escaping in a label value. */
const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;
/** Text is encoded in pieces of about this many characters. */
const PIECE_CHARS = 64 * 1024;
/** Subjects between two pauses: less than 0.1 ms of work. */
const SUBJECTS_PER_STEP = 64;

const encoder = new TextEncoder();

/**
 * Writes metric families in the text format of Prometheus, version 0.0.4
 * (https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format). The order is that of the calls, of
 * the subjects and of their labels. A family may be written only once.
 */
export class TextWriter {
  readonly #pieces: Uint8Array[] = [];
  #text = "";

  /** Writes these families for these subjects, family by family. */
  *write<T>(families: readonly MetricFamily<T>[], subjects: readonly Subject<T>[]): Steps<void> {
    const labels: string[] = [];
    for (const [index, subject] of subjects.entries()) {
      labels.push(formatLabels(subject.labels));
      if (index % SUBJECTS_PER_STEP === 0) yield;
    }
    for (const family of families) {
      this.#text += `# HELP ${family.name} ${
        escapeHelp(family.help)
      }\n# TYPE ${family.name} ${family.type}\n`;
      for (const [index, { value }] of subjects.entries()) {
        this.#writeSubject(family.name, { labels: labels[index]!, value: family.read(value) });
        if (index % SUBJECTS_PER_STEP === 0) yield;
      }
    }
  }

  /** What has been written, in UTF-8. */
  finish(): Uint8Array {
    this.#encode();
    return concat(this.#pieces);
  }

  #writeSubject(
    name: string,
    { labels, value }: { labels: string; value: ReturnType<MetricFamily<unknown>["read"]> },
  ): void {
    if (value === undefined) return;
    if (typeof value === "number") this.#writeSample(name, { labels, value });
    else if ("bounds" in value) this.#writeHistogram(name, { labels, value });
    else {
      for (const sample of value) {
        this.#writeSample(name, { labels: join(formatLabels(sample.labels), labels), value: sample.value });
      }
    }
  }

  #writeHistogram(
    name: string,
    { labels, value: { bounds, counts, sum, count } }: { labels: string; value: HistogramSnapshot },
  ): void {
    for (const [index, bound] of bounds.entries()) {
      this.#writeSample(`${name}_bucket`, { labels: join(`le="${bound}"`, labels), value: counts[index]! });
    }
    this.#writeSample(`${name}_bucket`, { labels: join(`le="+Inf"`, labels), value: count });
    this.#writeSample(`${name}_sum`, { labels, value: sum });
    this.#writeSample(`${name}_count`, { labels, value: count });
  }

  #writeSample(name: string, { labels, value }: { labels: string; value: number }): void {
    const series = labels === "" ? name : `${name}{${labels}}`;
    this.#text += `${series} ${formatValue(value)}\n`;
    if (this.#text.length >= PIECE_CHARS) this.#encode();
  }

  #encode(): void {
    this.#pieces.push(encoder.encode(this.#text));
    this.#text = "";
  }
}

function join(own: string, shared: string): string {
  return shared === "" ? own : `${own},${shared}`;
}

function formatLabels(labels: Labels): string {
  return Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(value)}"`).join(",");
}

/**
 * A value in which the format's own characters are escaped. Other control and format characters, which could send
 * commands to a terminal, are written as in the log, `\u001b`.
 */
function escapeLabel(value: string): string {
  if (PLAIN.test(value)) return value;
  return value.split("\n").map((line) => escapeText(line).replaceAll(/[\\"]/g, "\\$&")).join("\\n");
}

function escapeHelp(help: string): string {
  return help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function formatValue(value: number): string {
  if (value === Infinity) return "+Inf";
  return value === -Infinity ? "-Inf" : String(value);
}
