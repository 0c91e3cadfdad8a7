import { assertEquals, assertGreater } from "@std/assert";
import { output, run } from "../../support/child.ts";
import { testWith } from "../../support/installed.ts";
import { parseMetrics } from "../../support/scrape.ts";
import { SMALL_STATUS } from "../fake_target.ts";
import { DIFFICULT, difficultStatus, FULL_STATUS, metricsText } from "./metrics_fixture.ts";

const PYTHON_CLIENT = "/usr/lib/python3/dist-packages/prometheus_client/parser.py";

/** Reads metrics with Prometheus' Python client and prints its families as JSON. */
const READ = `
import json, sys
from prometheus_client.parser import text_string_to_metric_families
families = text_string_to_metric_families(sys.stdin.read())
print(json.dumps([[f.name, f.type, f.documentation, [[s.name, s.labels, str(s.value)] for s in f.samples]] for f in families]))
`;

type Family = [name: string, type: string, help: string, samples: [string, Record<string, string>, string][]];

async function readByPython(text: string): Promise<Family[]> {
  return JSON.parse(await output("/usr/bin/python3", ["-c", READ], { input: text }));
}

testWith(["promtool"], "promtool accepts the metrics", async () => {
  for (const status of [FULL_STATUS, SMALL_STATUS, difficultStatus()]) {
    const input = await metricsText(status);
    const { code, stdout, stderr } = await run("promtool", ["check", "metrics"], { input });
    assertEquals([code, stdout, stderr], [0, "", ""]);
  }
  const { code, stdout, stderr } = await run("promtool", ["check", "metrics"], {
    input: (await metricsText(FULL_STATUS)).replace(
      "# TYPE culvert_ready gauge",
      "# TYPE culvert_ready counter",
    ),
  });
  assertEquals([code !== 0, (stdout + stderr).includes("culvert_ready")], [true, true], "nothing is checked");
});

testWith(
  ["/usr/bin/python3", PYTHON_CLIENT],
  "Prometheus' Python client reads every family and value",
  async () => {
    const text = await metricsText(FULL_STATUS);
    const families = await readByPython(text);
    // The client drops the suffix of a counter's name.
    const heads = families.map(([name, type, help]) =>
      `${type === "counter" ? `${name}_total` : name} ${type} ${help}`
    );
    const written = [...text.matchAll(/^# HELP (\S+) (.+)\n# TYPE \S+ (\S+)$/gm)];
    assertEquals(heads, written.map(([, name, help, type]) => `${name} ${type} ${help}`));
    const samples = families.flatMap(([, , , samples]) => samples);
    const series = new Map(samples.map(([name, labels, value]) => {
      const list = Object.entries(labels).map(([label, value]) => `${label}="${value}"`).join(",");
      return [list === "" ? name : `${name}{${list}}`, Number(value)];
    }));
    assertEquals(series.size, samples.length);
    assertEquals(series, parseMetrics(text));
  },
);

testWith(["/usr/bin/python3", PYTHON_CLIENT], "Prometheus' Python client reads escaped labels", async () => {
  const families = await readByPython(await metricsText(difficultStatus()));
  const values = families.flatMap(([, , , samples]) => samples).flatMap(([, labels]) =>
    Object.values(labels)
  );
  assertGreater(values.filter((value) => value === DIFFICULT).length, 20);
  const others = values.filter((value) => value !== DIFFICULT && value.includes("quoted"));
  assertEquals(new Set(others), new Set([`unix:/${DIFFICULT}`]));
});
