import { CulvertError } from "../../core/errors.ts";

/** One step of a script: a text in UTF-8, or hexadecimal digits with optional spaces. */
export type ScriptStep =
  | { readonly send: string }
  | { readonly sendHex: string }
  | { readonly expect: string }
  | { readonly expectHex: string };

/** A compiled step. */
export interface CompiledStep {
  /** Whether it sends or expects. */
  readonly kind: "send" | "expect";
  /** The bytes that are sent or expected. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The number of the step from 1, for errors. */
  readonly number: number;
  /** The text of the step, for errors. */
  readonly text: string;
}

/** The most bytes that are read for an expected text, itself included. */
export const MAX_EXPECT_BYTES = 64 * 1024;
const KEYS = ["send", "sendHex", "expect", "expectHex"] as const;

/**
 * Compiles a script, and checks it.
 *
 * @throws {CulvertError} `bad_script`, naming the step.
 */
export function compileScript(steps: readonly ScriptStep[]): readonly CompiledStep[] {
  const compiled = steps.map((step, index) => compileStep(step, index + 1));
  if (!compiled.some(({ kind }) => kind === "expect")) {
    throw bad("it expects nothing, so it could never fail");
  }
  return compiled;
}

/**
 * Parses hexadecimal digits, two for each byte. White space is ignored.
 *
 * @throws {CulvertError} `bad_hex`
 */
export function parseHex(text: string): Uint8Array<ArrayBuffer> {
  const digits = text.replaceAll(/\s/g, "");
  const wrong = /[^0-9A-Fa-f]/u.exec(digits)?.[0];
  if (wrong !== undefined) throw badHex(text, `${JSON.stringify(wrong)} is no hexadecimal digit`);
  if (digits.length % 2 === 1) throw badHex(text, `${digits.length} digits do not make whole bytes`);
  return Uint8Array.fromHex(digits);
}

function compileStep(step: ScriptStep, number: number): CompiledStep {
  // The type is not guaranteed, as the step may come from a document.
  const given: [string, unknown][] = typeof step === "object" && step !== null ? Object.entries(step) : [];
  const [key, text] = given[0] ?? [];
  if (given.length !== 1 || key === undefined || !KEYS.some((known) => known === key)) {
    throw bad(`it must be one of ${KEYS.join(", ")}`, number);
  }
  if (typeof text !== "string") throw bad(`${key} must be a text`, number);
  const kind = key.startsWith("send") ? "send" : "expect";
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = key.endsWith("Hex") ? parseHex(text) : new TextEncoder().encode(text);
  } catch (cause) {
    throw bad((cause as Error).message, number);
  }
  if (bytes.length === 0) throw bad(`there is nothing to ${kind}`, number);
  if (kind === "expect" && bytes.length > MAX_EXPECT_BYTES) {
    throw bad(`no more than ${MAX_EXPECT_BYTES} bytes can be expected`, number);
  }
  return { kind, bytes, number, text };
}

function bad(why: string, step?: number): CulvertError {
  const what = step === undefined ? "the script" : `step ${step} of the script`;
  return new CulvertError("bad_script", `Cannot use ${what}: ${why}`);
}

function badHex(text: string, why: string): CulvertError {
  return new CulvertError("bad_hex", `Cannot read ${JSON.stringify(text)} as hexadecimal: ${why}`);
}
