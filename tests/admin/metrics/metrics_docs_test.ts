import { assert, assertEquals, assertGreater } from "@std/assert";
import { renderMetrics } from "../../../src/admin/metrics/metrics.ts";
import { output, run } from "../../support/child.ts";
import { TemporaryFolder } from "../../support/folder.ts";
import { testWith } from "../../support/installed.ts";
import { SMALL_STATUS } from "../fake_target.ts";
import { difficultStatus, FULL_STATUS, targetWith } from "./metrics_fixture.ts";

const DOCS = Deno.readTextFileSync(new URL("../../../docs/metrics.md", import.meta.url));

interface Described {
  readonly type: string;
  readonly labels: string[];
}

/** What the reference says of each metric. */
function documented(): Map<string, Described> {
  const metrics = new Map<string, Described>();
  for (const line of DOCS.split("\n").filter((line) => line.startsWith("| `culvert_"))) {
    const [, name, type, labels, unit, meaning] = line.split("|").map((cell) => cell.trim());
    const names = [...labels!.matchAll(/`([a-z_]+)`/g)].map(([, label]) => label!);
    assert(unit !== undefined && meaning !== undefined && meaning.length > 5, line);
    assert(!metrics.has(name!.slice(1, -1)), `twice: ${name}`);
    metrics.set(name!.slice(1, -1), { type: type!, labels: names.sort() });
  }
  return metrics;
}

/** What the program says of each, where there is something to tell of everything. */
function told(text: string): Map<string, Described> {
  const metrics = new Map<string, Described>();
  for (const [, name, type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const parts = type === "histogram" ? "(?:_bucket|_sum|_count)" : "";
    const lines = [...text.matchAll(new RegExp(`^${name}${parts}(?:\\{(.*)\\})? \\S+$`, "gm"))];
    assertGreater(lines.length, 0, `${name} has no value`);
    const labels = lines.flatMap(([, list = ""]) =>
      [...list.matchAll(/([a-z_]+)="/g)].map(([, label]) => label!)
    );
    metrics.set(name!, {
      type: type!,
      labels: [...new Set(labels)].filter((label) => label !== "le").sort(),
    });
  }
  return metrics;
}

async function fullText(): Promise<string> {
  return new TextDecoder().decode(await renderMetrics(targetWith(FULL_STATUS)));
}

/** The examples in YAML of this name. */
function examples(name: string): string[] {
  const found = [...DOCS.matchAll(new RegExp(`\`\`\`yaml ${name}\n(.*?)\`\`\``, "gs"))];
  return found.map(([, text]) => text!);
}

Deno.test("the reference has every metric with its type and labels, and none that does not exist", async () => {
  assertEquals(told(await fullText()), documented());
});

Deno.test("every metric is there, with its type, whether or not it has a value", async () => {
  const types = (text: string) => [...text.matchAll(/^# TYPE .*$/gm)].map(([line]) => line);
  const small = new TextDecoder().decode(await renderMetrics(targetWith(SMALL_STATUS)));
  assertEquals(types(small), types(await fullText()));
});

Deno.test("names are as Prometheus wants them", () => {
  for (const [name, { type }] of documented()) {
    assert(/^culvert_[a-z]+(_[a-z]+)*$/.test(name), name);
    assertEquals(name.endsWith("_total"), type === "counter", name);
    assert(!/millis|kilo|_ms$|minutes|percent/.test(name), name);
  }
});

Deno.test("the alerts name metrics and labels that there are", () => {
  const metrics = documented();
  const rules = examples("rules.yml");
  assertEquals(rules.length, 1);
  const named = [...rules[0]!.matchAll(/culvert_[a-z_]+/g)].map(([name]) => name);
  assertGreater(named.length, 5);
  assertEquals(named.filter((name) => !metrics.has(name)), []);
  const labels = new Set([...metrics.values()].flatMap(({ labels }) => labels));
  const used = [...rules[0]!.matchAll(/\$labels\.([a-z_]+)/g)].map(([, label]) => label!);
  assertEquals(used.filter((label) => !labels.has(label)), []);
});

testWith(["promtool"], "promtool finds nothing wrong with the text", async () => {
  for (const status of [FULL_STATUS, SMALL_STATUS, difficultStatus()]) {
    const input = new TextDecoder().decode(await renderMetrics(targetWith(status)));
    const { code, stdout, stderr } = await run("promtool", ["check", "metrics"], { input });
    assertEquals([code, stdout, stderr], [0, "", ""]);
  }
  const { code, stdout, stderr } = await run("promtool", ["check", "metrics"], {
    input: (await fullText()).replace("# TYPE culvert_ready gauge", "# TYPE culvert_ready counter"),
  });
  assertEquals(
    [code !== 0, (stdout + stderr).includes("culvert_ready")],
    [true, true],
    "it looks at nothing",
  );
});

testWith(
  ["promtool"],
  "promtool takes the alerts and the scrape configurations of the reference",
  async () => {
    await using folder = new TemporaryFolder();
    const rules = folder.file("rules.yml");
    await Deno.writeTextFile(rules, examples("rules.yml")[0]!);
    await output("promtool", ["check", "rules", rules]);
    const configs = examples("prometheus.yml");
    assertEquals(configs.length, 2);
    for (const text of configs) {
      const file = folder.file("prometheus.yml");
      await Deno.writeTextFile(file, text);
      await output("promtool", ["check", "config", "--syntax-only", file]);
    }
  },
);
