import { parse } from "@std/yaml";
import { describeError } from "../../core/errors.ts";
import { findTabs } from "./block_marks.ts";
import { ConfigError, type Problem } from "../problem/problem.ts";
import { showValue } from "../problem/show_value.ts";
import { runAtOnce, type Steps } from "../../core/slices.ts";
import { parseInParts } from "./parse_in_parts.ts";
import { withoutOldNumbers } from "./yaml_numbers.ts";

/**
 * Parses one YAML document, and so JSON too. What only YAML 1.1 takes for a number is a text.
 *
 * @param name What the message calls the text.
 * @throws {ConfigError} With the line and the column, where the text is no YAML.
 */
export function readDocument(text: string, name: string): unknown {
  return runAtOnce(readDocumentSteps(text, name));
}

/** As {@linkcode readDocument}, in steps: a good text in block style is parsed in parts. */
export function* readDocumentSteps(text: string, name: string): Steps<unknown> {
  // Tabs in the indentation would be found in the whole text only.
  const parsed = text.includes("\t") ? undefined : yield* parseInParts(text);
  yield;
  return parsed === undefined ? readAtOnce(text, name) : parsed.document;
}

function readAtOnce(text: string, name: string): unknown {
  let document: unknown;
  try {
    document = parse(text);
  } catch (error) {
    throw new ConfigError(name, [tabBefore(error, text) ?? toProblem(error, text)], { cause: error });
  }
  // The parser takes tabs for nothing, so what they indent ends up elsewhere.
  const { structure } = text.includes("\t") ? findTabs(text) : {};
  if (structure !== undefined) throw new ConfigError(name, [tabProblem(text, structure)]);
  return withoutOldNumbers(document, text);
}

/** The error that the parser reports later than its cause. */
function tabBefore(error: unknown, text: string): Problem | undefined {
  const { any } = findTabs(text);
  const { line } = positionOf(error);
  return any === undefined || any > line ? undefined : tabProblem(text, any);
}

function tabProblem(text: string, line: number): Problem {
  const written = text.split("\n")[line - 1] ?? "";
  return {
    kind: "syntax",
    path: "",
    expected: "YAML (tab in the indentation, where only spaces count)",
    value: showValue(written.trim()),
    line,
    column: written.indexOf("\t") + 1,
  };
}

function toProblem(error: unknown, text: string): Problem {
  // The parser calls itself for each level, so what is too deep for it ends the stack.
  // The position and the excerpt of the message are reported in another way here.
  const [said = ""] = describeError(error).split(/ at line \d+, column -?\d+|\n/);
  const reason = error instanceof RangeError ? "it is too deep" : said;
  const problem = { kind: "syntax", path: "", expected: `YAML (${reason})` } as const;
  const { line, column } = positionOf(error);
  if (line < 1) return problem;
  const lines = text.split("\n");
  const last = Math.max(1, lines.findLastIndex((each) => each.trim() !== "") + 1);
  // What is missing at the end of the text is found missing behind its last line.
  if (line > last) return { ...problem, value: "the end of the text", line: last };
  const value = showValue(lines[line - 1]?.trim());
  // Of a key that is there twice, the parser sometimes counts the column from a later line.
  return column < 1 ? { ...problem, value, line } : { ...problem, value, line, column };
}

/** Counted from 1; 0 if it is unknown. */
function positionOf(error: unknown): { line: number; column: number } {
  if (!(error instanceof SyntaxError) || !("line" in error) || !("column" in error)) {
    return { line: 0, column: 0 };
  }
  return { line: Number(error.line), column: Number(error.column) };
}
