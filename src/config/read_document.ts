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
  if (error instanceof RangeError) return { kind: "syntax", path: "", expected: "YAML that is less deep" };
  // Its message goes on with the position and an excerpt, which are told in another way here.
  const [reason = ""] = describeError(error).split(/ at line \d+, column \d+/);
  const expected = `YAML (${reason})`;
  const { line, column } = positionOf(error);
  const lines = text.split("\n");
  if (line === undefined || column === undefined) return { kind: "syntax", path: "", expected };
  // What is missing at the end of the text is reported on the line after the last one.
  if (text.slice(text.lastIndexOf("\n") + 1).trim() === "" && line >= lines.length || line > lines.length) {
    return { kind: "syntax", path: "", value: "the end of the text", expected, line: lastLine(lines) };
  }
  return { kind: "syntax", path: "", value: showValue(lines[line - 1]?.trim()), expected, line, column };
}

function lastLine(lines: readonly string[]): number {
  return Math.max(1, lines.findLastIndex((line) => line.trim() !== "") + 1);
}

function positionOf(error: unknown): { line?: number; column?: number } {
  if (!(error instanceof SyntaxError) || !("line" in error) || !("column" in error)) return {};
  const { line, column } = error;
  return typeof line === "number" && typeof column === "number" ? { line, column } : {};
}
