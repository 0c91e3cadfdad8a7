import type * as v from "valibot";
import type { LineMarks } from "../yaml/line_marks.ts";
import { nearestName } from "../problem/nearest.ts";
import { formatPath, type Path } from "../problem/problem.ts";
import type { Problem, ProblemKind } from "../problem/problem.ts";
import { showValue } from "../problem/show_value.ts";

/** Something wrong in a document, before it is put into words. */
export interface Finding {
  readonly kind: ProblemKind;
  readonly path: Path;
  /** What stands there; for `bad_file`, a text about it; for `more`, how many. */
  readonly value: unknown;
  readonly expected: string;
  readonly nearest?: string;
}

/** So many problems are reported one by one. */
const MAX_PROBLEMS = 100;

/** The findings of a schema. Beyond the number that is reported they are only counted: each costs far more than the value. */
export function fromIssues(issues: readonly v.BaseIssue<unknown>[]): Finding[] {
  const findings = issues.slice(0, MAX_PROBLEMS).map((issue): Finding => {
    const path = (issue.path ?? []).map(({ key }) => typeof key === "number" ? key : String(key));
    const last = issue.path?.at(-1);
    if (issue.type === "never") {
      return unknownKey(path, { value: issue.input, known: issue.message.split(", ") });
    }
    const missing = issue.type === "object_with_rest" && last?.origin === "key";
    const kind = missing ? "missing" : "bad_value";
    // A bad name is a key: what is wrong is not what stands under it. For the rest the issue may have what has
    // been made of the value; the path has it as it is written.
    const value = last === undefined ? issue.input : last.origin === "key" ? last.key : last.value;
    const finding: Finding = { kind, path, value, expected: issue.message };
    return issue.type === "picklist" ? withNearest(finding, wordsOf(issue.expected)) : finding;
  });
  const told = withoutMisspelt(findings);
  return issues.length > MAX_PROBLEMS ? [...told, others(issues.length - MAX_PROBLEMS)] : told;
}

function others(count: number): Finding {
  return { kind: "more", path: [], value: count, expected: "no problem at all" };
}

/** Leaves out the keys that are missing but are there under a name that is nearly the same: that is one problem. */
function withoutMisspelt(findings: readonly Finding[]): Finding[] {
  const meant = findings.map(({ path, nearest = "" }) => formatPath([...path.slice(0, -1), nearest]));
  const misspelt = new Set(meant.filter((_, index) => findings[index]?.kind === "unknown_key"));
  return findings.filter(({ kind, path }) => kind !== "missing" || !misspelt.has(formatPath(path)));
}

/** A key that does not exist, with the known one that was probably meant. */
export function unknownKey(
  path: Path,
  { value, known }: { value: unknown; known: readonly string[] },
): Finding {
  const nearest = nearestName(String(path.at(-1)), known);
  const finding: Finding = { kind: "unknown_key", path, value, expected: `one of ${known.join(", ")}` };
  return nearest === undefined ? finding : { ...finding, nearest };
}

/** The finding, with the one of `names` that was probably meant by its value. */
export function withNearest(finding: Finding, names: readonly string[]): Finding {
  const nearest = typeof finding.value === "string" ? nearestName(finding.value, names) : undefined;
  return nearest === undefined ? finding : { ...finding, nearest };
}

/** The findings as problems, in the order of their lines; of very many, the first ones, and how many there are besides. */
export function toProblems(findings: readonly Finding[], marks: LineMarks): Problem[] {
  const single = findings.filter(({ kind }) => kind !== "more");
  const counted = findings.filter(({ kind }) => kind === "more").map(({ value }) => Number(value));
  const problems = single.slice(0, MAX_PROBLEMS).map((finding) => toProblem(finding, marks));
  problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || comparePaths(a.path, b.path));
  const more = counted.reduce((sum, count) => sum + count, single.length - problems.length);
  if (more > 0) problems.push({ ...others(more), path: "", value: String(more) });
  return problems;
}

function toProblem({ kind, path, value, expected, nearest }: Finding, marks: LineMarks): Problem {
  const line = marks.lineOf(path);
  return {
    kind,
    path: formatPath(path),
    ...(kind === "missing" ? {} : { value: kind === "bad_file" ? String(value) : showValue(value) }),
    expected,
    ...(nearest === undefined ? {} : { nearest }),
    ...(line === undefined ? {} : { line }),
  };
}

const { compare: comparePaths } = new Intl.Collator("en", { numeric: true });

/** The words of a picklist: its issue has them as `"text" | "json"`. */
function wordsOf(expected: string | null): string[] {
  return [...(expected ?? "").matchAll(/"([^"]+)"/g)].map(([, word = ""]) => word);
}
