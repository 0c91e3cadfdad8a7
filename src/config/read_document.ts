import { parse } from "@std/yaml";
import { describeError } from "../core/errors.ts";
import { ConfigError, type Problem } from "./problem.ts";
import { showValue } from "./show_value.ts";

/**
 * Parses one YAML document, and so JSON too.
 *
 * @param name What the message calls the text.
 * @throws {ConfigError} With the line and the column, where the text is no YAML.
 */
export function readDocument(text: string, name: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    throw new ConfigError(name, [toProblem(error, text)], { cause: error });
  }
}

function toProblem(error: unknown, text: string): Problem {
  // The parser calls itself for each level, so what is too deep for it ends the stack.
  const reason = error instanceof RangeError ? "it is too deep" : reasonOf(error);
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

/** The parser's message without the position and the excerpt, which are told in another way here. */
function reasonOf(error: unknown): string {
  const [reason = ""] = describeError(error).split(/ at line \d+, column -?\d+|\n/);
  return reason;
}

/** Counted from 1; 0 where it is not told. */
function positionOf(error: unknown): { line: number; column: number } {
  if (!(error instanceof SyntaxError) || !("line" in error) || !("column" in error)) {
    return { line: 0, column: 0 };
  }
  return { line: Number(error.line), column: Number(error.column) };
}
