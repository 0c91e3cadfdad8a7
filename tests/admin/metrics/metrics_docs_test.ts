import { assert, assertEquals, assertGreater } from "@std/assert";
import { output } from "../../support/child.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { testWith } from "../../support/installed.ts";
import { SMALL_STATUS } from "../fake_target.ts";
import { FULL_STATUS, metricsText } from "./metrics_fixture.ts";

const RULES = Deno.readTextFileSync(new URL("../../../deploy/prometheus/alerts.yaml", import.meta.url));
const DOCS = Deno.readTextFileSync(new URL("../../../docs/metrics.md", import.meta.url));

interface Description {
  readonly type: string;
  readonly labels: readonly string[];
  readonly help: string;
}

/** The tables of the reference. */
function documented(): Map<string, Description> {
  const metrics = new Map<string, Description>();
  for (const line of DOCS.split("\n").filter((line) => /^\| `(culvert|process)_/.test(line))) {
    const [, name, type, labels, help] = line.split("|").map((cell) => cell.trim());
    const names = [...labels!.matchAll(/`([a-z_]+)`/g)].map(([, label]) => label!);
    assert(!metrics.has(name!.slice(1, -1)), `twice: ${name}`);
    metrics.set(name!.slice(1, -1), { type: type!, labels: names.sort(), help: help! });
  }
  return metrics;
}

/** The metrics of a program that has a value for each. */
async function written(): Promise<Map<string, Description>> {
  const metrics = new Map<string, Description>();
  const text = await metricsText(FULL_STATUS);
  for (const [, name, help, type] of text.matchAll(/^# HELP (\S+) (.+)\n# TYPE \S+ (\S+)$/gm)) {
    const parts = type === "histogram" ? "(?:_bucket|_sum|_count)" : "";
    const lines = [...text.matchAll(new RegExp(`^${name}${parts}(?:\\{(.*)\\})? \\S+$`, "gm"))];
    assertGreater(lines.length, 0, `${name} has no value`);
    const labels = lines.flatMap(([, list = ""]) =>
      [...list.matchAll(/([a-z_]+)="/g)].map(([, label]) => label!)
    );
    const names = [...new Set(labels)].filter((label) => label !== "le").sort();
    metrics.set(name!, { type: type!, labels: names, help: help! });
  }
  return metrics;
}

/** The examples in YAML of this name. */
function examples(name: string): string[] {
  const found = [...DOCS.matchAll(new RegExp(`\`\`\`yaml ${name}\n(.*?)\`\`\``, "gs"))];
  return found.map(([, text]) => text!);
}

Deno.test("the reference has exactly the metrics of the program, with type, labels and help text", async () => {
  assertEquals(documented(), await written());
});

Deno.test("every metric has its type in each scrape, with or without a value", async () => {
  const types = (text: string) => [...text.matchAll(/^# TYPE .*$/gm)].map(([line]) => line);
  const small = await metricsText(SMALL_STATUS);
  assertEquals(types(small), types(await metricsText(FULL_STATUS)));
});

Deno.test("names follow the conventions of Prometheus", () => {
  for (const [name, { type }] of documented()) {
    assert(/^(culvert|process)_[a-z]+(_[a-z]+)*$/.test(name), name);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    assert(!/millis|kilo|_ms$|minutes|percent/.test(name), name);
  }
});

Deno.test("the alerts use existing metrics and labels", () => {
  const metrics = documented();
  const named = [...RULES.matchAll(/culvert_[a-z_]+/g)].map(([name]) => name);
  assertGreater(named.length, 5);
  assertEquals(named.filter((name) => !metrics.has(name.replace(/_bucket$/, ""))), []);
  const labels = new Set([...metrics.values()].flatMap(({ labels }) => labels));
  const used = [...RULES.matchAll(/\$labels\.([a-z_]+)/g)].map(([, label]) => label!);
  assertEquals(used.filter((label) => !labels.has(label)), []);
});

testWith(
  ["promtool"],
  "promtool accepts the scrape configurations of the reference",
  async () => {
    await using folder = new TemporaryFolder();
    const configs = examples("prometheus.yml");
    assertEquals(configs.length, 2);
    for (const text of configs) {
      const file = folder.file("prometheus.yml");
      await Deno.writeTextFile(file, text);
      await output("promtool", ["check", "config", "--syntax-only", file]);
    }
  },
);
