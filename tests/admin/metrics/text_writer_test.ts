import { assertEquals } from "@std/assert";
import type { MetricFamily, Subject } from "../../../src/admin/metrics/metric_family.ts";
import { TextWriter } from "../../../src/admin/metrics/text_writer.ts";
import { runAtOnce } from "../../../src/core/slices.ts";

/** The text of one family with these values, by the label `of`. */
function write<T>(family: Partial<MetricFamily<T>> & Pick<MetricFamily<T>, "read">, ...values: T[]): string {
  const writer = new TextWriter();
  const subjects: Subject<T>[] = values.map((value, i) => ({ labels: { of: String(i) }, value }));
  runAtOnce(writer.write([{ name: "x", type: "gauge", help: "X.", ...family }], subjects));
  return new TextDecoder().decode(writer.finish());
}

const HEAD = "# HELP x X.\n# TYPE x gauge\n";

Deno.test("a family has its head once, then a line for each value", () => {
  assertEquals(write({ read: (value: number) => value }, 1, 2.5), `${HEAD}x{of="0"} 1\nx{of="1"} 2.5\n`);
});

Deno.test("a family without subjects or values has its head alone", () => {
  assertEquals(write({ read: (value: number) => value }), HEAD);
  assertEquals(write({ read: () => undefined }, 1), HEAD);
});

Deno.test("a value without labels has no braces", () => {
  const writer = new TextWriter();
  runAtOnce(
    writer.write([{ name: "x", type: "gauge", help: "X.", read: () => 1 }], [{ labels: {}, value: 0 }]),
  );
  assertEquals(new TextDecoder().decode(writer.finish()), `${HEAD}x 1\n`);
});

Deno.test("labels of a sample come before those of its subject, in their own order", () => {
  const read = () => [{ value: 1, labels: { b: "1", a: "2" } }];
  assertEquals(write({ read }, 0), `${HEAD}x{b="1",a="2",of="0"} 1\n`);
});

Deno.test("a histogram has its buckets, the one for infinity, the sum and the count", () => {
  const read = () => ({ bounds: [0.5, 1], counts: [1, 3], sum: 4.25, count: 4 });
  assertEquals(
    write({ type: "histogram", read }, 0).split("\n").slice(1),
    [
      "# TYPE x histogram",
      'x_bucket{le="0.5",of="0"} 1',
      'x_bucket{le="1",of="0"} 3',
      'x_bucket{le="+Inf",of="0"} 4',
      'x_sum{of="0"} 4.25',
      'x_count{of="0"} 4',
      "",
    ],
  );
});

Deno.test("numbers are written as the format has them", () => {
  const values = [0, -1, 2 ** 53, 1e21, 1e-7, Infinity, -Infinity, NaN];
  const lines = write({ read: (value: number) => value }, ...values).split("\n").slice(2, -1);
  assertEquals(
    lines.map((line) => line.split(" ")[1]),
    ["0", "-1", "9007199254740992", "1e+21", "1e-7", "+Inf", "-Inf", "NaN"],
  );
});

Deno.test("backslashes and line feeds in a help text are escaped, quotes are not", () => {
  const [help] = write({ help: 'a "b" \\ c\nd', read: () => 1 }).split("\n");
  assertEquals(help, String.raw`# HELP x a "b" \\ c\nd`);
});

Deno.test("control and format characters in a label are escaped as in the log", () => {
  const read = (value: string) => [{ value: 1, labels: { a: value } }];
  const labelOf = (value: string) => /a="(.*)",of/.exec(write({ read }, value))![1];
  assertEquals(labelOf("\x1b[2J\u202e\ud800"), String.raw`\\u001b[2J\\u202e\\ud800`);
  assertEquals(labelOf('"\\\n'), String.raw`\"\\\n`);
  assertEquals(labelOf("ü 漢 😀"), "ü 漢 😀");
});

Deno.test("text longer than one piece is complete and in order", () => {
  const values = Array.from({ length: 20_000 }, (_, i) => i);
  const lines = write({ read: (value: number) => value }, ...values).trimEnd().split("\n").slice(2);
  assertEquals(lines, values.map((value) => `x{of="${value}"} ${value}`));
});
