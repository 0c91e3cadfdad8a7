import type { Config, PolicyTest } from "../../config/config.ts";
import type { FileFault } from "../../config/file_faults.ts";
import type { Path } from "../../config/problem/problem.ts";
import type { ConfigReading } from "../../config/reading.ts";
import { CulvertError } from "../../core/errors.ts";
import type { Credentials } from "../credentials/credentials.ts";
import { Explainer } from "./explain.ts";
import type { Explanation, Step } from "./imagined.ts";
import { readChainFile } from "./read_chain.ts";

/** The files that policy tests name, which only `culvert check` reads. */
export function policyTestPaths({ tests = [] }: Config): string[] {
  return [...new Set(tests.map(({ certPath }) => certPath).filter((path) => path !== undefined))];
}

/** Runs the policy tests of a good configuration. Returns those that fail, and how many there are. */
export async function runPolicyTests(
  reading: ConfigReading,
  credentials: Credentials,
): Promise<{ count: number; faults: FileFault[] }> {
  const { tests = [] } = reading.config!;
  const faults: FileFault[] = [];
  if (tests.length === 0) return { count: 0, faults };
  await using explainer = await Explainer.create(reading, credentials);
  for (const [index, test] of tests.entries()) {
    const fault = await runTest(test, { explainer, path: ["tests", index] });
    if (fault !== undefined) faults.push(fault);
  }
  return { count: tests.length, faults };
}

async function runTest(
  { certPath, expect, ...imagined }: PolicyTest,
  { explainer, path }: { explainer: Explainer; path: Path },
): Promise<FileFault | undefined> {
  let chain: readonly Uint8Array[] | undefined;
  try {
    if (certPath !== undefined) chain = await readChainFile(certPath);
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
    return { path, cannot: "use", why: error.message };
  }
  const explanation = await explainer.explain({ ...imagined, chain });
  const differences = Object.entries(expect).filter(([key, value]) =>
    explanation[key as keyof typeof expect] !== value
  );
  if (differences.length === 0) return undefined;
  const texts = differences.map(([key, value]) => {
    const got = explanation[key as keyof typeof expect];
    return `expected ${key} ${value}, got ${got ?? "none"}`;
  });
  const name = imagined.name === undefined ? "" : `"${imagined.name}" `;
  return {
    path,
    cannot: "use",
    why: `test ${name}failed: ${texts.join("; ")}${lastStep(explanation)}`,
  };
}

/** The step that has decided. */
function lastStep({ steps }: Explanation): string {
  const step: Step | undefined = steps.find(({ passed }) => !passed) ?? steps.at(-1);
  return step === undefined ? "" : ` (${step.name}: ${step.text})`;
}
