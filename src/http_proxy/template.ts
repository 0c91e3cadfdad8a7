import { CulvertError } from "../core/errors.ts";

/** A part of a template: a text, or the name of a variable. */
export type TemplatePart = { readonly text: string } | { readonly variable: string };

const VARIABLE = /\{([A-Za-z][\w.]*)\}/g;

/** Splits a text with variables such as `{client.ip}`. Other braces stand for themselves. */
export function splitTemplate(text: string): TemplatePart[] {
  const parts: TemplatePart[] = [];
  let at = 0;
  for (const match of text.matchAll(VARIABLE)) {
    if (match.index > at) parts.push({ text: text.slice(at, match.index) });
    parts.push({ variable: match[1]! });
    at = match.index + match[0].length;
  }
  if (at < text.length) parts.push({ text: text.slice(at) });
  return parts;
}

/** The first variable of a template that is none of `known`. */
export function unknownVariable(text: string, known: readonly string[]): string | undefined {
  for (const [, name = ""] of text.matchAll(VARIABLE)) if (!known.includes(name)) return name;
  return undefined;
}

/** What is wrong with a template, for an error. */
export function unknownVariableFault(text: string, known: readonly string[]): string | undefined {
  const name = unknownVariable(text, known);
  return name === undefined
    ? undefined
    : `{${name}} is no variable; there are ${known.map((one) => `{${one}}`).join(", ")}`;
}

/** Thrown for a template that can't be used. */
export function badTemplate(text: string, fault: string): CulvertError {
  return new CulvertError("bad_template", `Cannot use ${JSON.stringify(text)}: ${fault}`);
}
