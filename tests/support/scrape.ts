import { assertEquals } from "@std/assert";
import type { Culvert } from "./program.ts";

/** The values of a scrape by their series, such as `culvert_state{state="ready"}`. */
export type Series = ReadonlyMap<string, number>;

/** What a label's value may be in the text, between its quotes. */
const LINE = /^([a-z_:][a-z0-9_:]*(?:\{(?:[a-z_]+="(?:[^"\\]|\\.)*",?)+\})?) (\S+)$/;

/** Reads the text format of Prometheus, strictly; every series must be there once. */
export function parseMetrics(text: string): Series {
  assertEquals(text.at(-1), "\n");
  const series = new Map<string, number>();
  for (const line of text.trimEnd().split("\n")) {
    if (line.startsWith("# ")) continue;
    const [, name, value] = LINE.exec(line) ?? [];
    assertEquals(
      [name !== undefined, Number.isNaN(Number(value?.replace("Inf", "Infinity")))],
      [true, false],
      line,
    );
    assertEquals(series.has(name!), false, `twice: ${name}`);
    series.set(name!, Number(value));
  }
  return series;
}

/** Asks a running program for its metrics, on a connection of its own. */
export async function scrape(culvert: Culvert): Promise<Series> {
  const { listener } = culvert.found({ message: "admin API" }).at(-1)!;
  using client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const response = await fetch(`http://${listener}/metrics`, { client });
  const text = await response.text();
  assertEquals([response.status, response.headers.get("content-type")], [
    200,
    "text/plain; version=0.0.4; charset=utf-8",
  ]);
  return parseMetrics(text);
}
