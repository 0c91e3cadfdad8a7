import { CulvertError } from "../../core/errors.ts";

/** Where a value stands in a document: keys of mappings and indexes of lists, from the outside in. */
export type Path = readonly (string | number)[];

/** The longest key that is written out in full. */
const MAX_KEY = 40;

/** `services[0].listen[1]`. A key that is no plain word is quoted: `upstreams["my db"].balance`. */
export function formatPath(path: Path): string {
  let text = "";
  for (const step of path) {
    if (typeof step === "number") text += `[${step}]`;
    else if (!/^[\w-]+$/.test(step) || step.length > MAX_KEY) text += `[${JSON.stringify(shortenKey(step))}]`;
    else text += text === "" ? step : `.${step}`;
  }
  return text;
}

function shortenKey(key: string): string {
  return key.length > MAX_KEY ? `${key.slice(0, MAX_KEY - 1)}…` : key;
}

/**
 * What is wrong: the text is no YAML, a key that does not exist, one that must be there, its value, or the file that it
 * names. `more` stands for all that is wrong besides, if there are too many to report; it comes last.
 */
export type ProblemKind = "syntax" | "unknown_key" | "missing" | "bad_value" | "bad_file" | "more";

/** One thing that is wrong with a configuration. */
export interface Problem {
  /** What kind of problem it is. */
  readonly kind: ProblemKind;
  /** Where, such as `services[0].listen[1]`; empty for the document as a whole. */
  readonly path: string;
  /**
   * What stands there, shortened to about 60 characters. Absent when nothing does. For `bad_file`, what is wrong with
   * the file: `cannot read "server.pem": no such file`; for `more`, how many problems there are besides.
   */
  readonly value?: string;
  /** What should stand there: `a whole number from 0 to 65535`. */
  readonly expected: string;
  /** The known key or name that was probably meant. */
  readonly nearest?: string;
  /** Counted from 1. If the exact line is unknown, that of the nearest enclosing key. */
  readonly line?: number;
  /** Counted from 1; only where the text is no YAML. */
  readonly column?: number;
}

/**
 * Thrown for a configuration that can't be used, with everything that is wrong with it. `code` is `bad_config`;
 * the message has one line for each problem:
 *
 *     proxy.yaml:12: services[0].lisen: unknown key; did you mean "listen"?
 *     proxy.yaml:14: upstreams.db.backends[0].weight: expected a whole number from 0 to 65535, got "heavy"
 */
export class ConfigError extends CulvertError {
  /** The name of the class. */
  override name = "ConfigError";
  /** In the order of the lines, at least one. */
  readonly problems: readonly Problem[];

  /** `file` is the name that the message shows. */
  constructor(file: string, problems: readonly Problem[], options?: ErrorOptions) {
    super("bad_config", problems.map((problem) => formatProblem(problem, file)).join("\n"), options);
    this.problems = problems;
  }
}

/** One line about a problem, with `file` and the line in front of it. */
export function formatProblem(problem: Problem, file: string): string {
  const column = problem.column === undefined ? "" : `:${problem.column}`;
  const line = problem.line === undefined ? "" : `:${problem.line}${column}`;
  const path = problem.path === "" ? "" : `${problem.path}: `;
  return `${file}${line}: ${path}${describe(problem)}`;
}

function describe({ kind, value, expected, nearest }: Problem): string {
  const hint = nearest === undefined ? "" : `; did you mean ${JSON.stringify(nearest)}?`;
  if (kind === "unknown_key") return `unknown key${hint || `; expected ${expected}`}`;
  if (kind === "missing") return `missing; expected ${expected}`;
  if (kind === "bad_file") return value ?? expected;
  if (kind === "more") return `and ${value} more`;
  const got = value === undefined ? "" : `, got ${value}`;
  return `expected ${expected}${got}${hint}`;
}
