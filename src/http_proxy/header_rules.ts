import { Buffer } from "node:buffer";
import type { FieldRules } from "./options.ts";
import { badTemplate, splitTemplate, type TemplatePart, unknownVariableFault } from "./template.ts";

/** A field to write: its name as it is written, and its value with a character for each byte. */
export type Field = readonly [name: string, value: string];

/** The variables of a field's value. */
export const FIELD_VARIABLES = [
  "client.ip",
  "client.port",
  "client.identity",
  "request.id",
  "scheme",
  "host",
  "method",
  "path",
  "query",
] as const;

/**
 * What the variables stand for; each character stands for a byte. A field with a variable that stands for nothing is
 * not written.
 */
export type FieldValues = Readonly<Record<typeof FIELD_VARIABLES[number], string | undefined>>;

/** Which message a rule is for. */
export type RuleSide = "request" | "response";

/** They frame a message or are about one connection, so they are the proxy's own. */
const CONNECTION_FIELDS = [
  "connection",
  "content-length",
  "http2-settings",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
const REQUEST_FIELDS = ["expect", "host"];

const TOKEN = /^[\w!#$%&'*+.^`|~-]+$/;
// deno-lint-ignore no-control-regex
const BREAKING = /[\x00-\x08\x0a-\x1f\x7f]/;

/**
 * What is wrong with the name of a field that a rule sets, adds or removes.
 *
 * @returns `undefined` for a good one.
 */
export function faultOfFieldName(name: string, side: RuleSide): string | undefined {
  if (!TOKEN.test(name)) return "it is no name of a field";
  const lower = canonicalName(name);
  if (lower === "host" && side === "request") return "Host is set by hostHeader";
  const isOwn = CONNECTION_FIELDS.includes(lower) || (side === "request" && REQUEST_FIELDS.includes(lower));
  return isOwn ? `${name} is the proxy's own: it frames messages or belongs to one connection` : undefined;
}

/**
 * What is wrong with the value of a field that a rule sets or adds.
 *
 * @returns `undefined` for a good one.
 */
export function faultOfFieldValue(value: string): string | undefined {
  if (BREAKING.test(value) || !value.isWellFormed()) return "it has control characters";
  if (value.trim() !== value) return "it has white space around it";
  return unknownVariableFault(value, FIELD_VARIABLES);
}

/** Text as bytes of UTF-8, one character for each byte. */
export function byteString(text: string): string {
  // deno-lint-ignore no-control-regex
  return /^[\x00-\x7f]*$/.test(text) ? text : Buffer.from(text.toWellFormed(), "utf8").toString("latin1");
}

/** A value as it may stand in a field; `undefined` for one that would break a line. */
export function fieldValue(text: string): string | undefined {
  return BREAKING.test(text) ? undefined : byteString(text);
}

/** A name as names are compared here: in lower case, with hyphens for underscores, as backends may read it. */
export function canonicalName(name: string): string {
  return name.toLowerCase().replaceAll("_", "-");
}

/** The rules of a route for one side, compiled. */
export class CompiledRules {
  /** Fields that are not passed on, whatever the rules make of them: {@linkcode canonicalName}s. */
  readonly dropped: ReadonlySet<string>;
  readonly #dynamic: boolean;
  readonly #fields: readonly { readonly name: string; readonly parts: readonly TemplatePart[] }[];
  readonly #constant: readonly Field[];

  /** @throws {CulvertError} `bad_template`, for names and values that can't be used. */
  constructor({ set = {}, add = {}, remove = [] }: FieldRules, side: RuleSide) {
    const written = [...Object.entries(set), ...Object.entries(add)];
    for (const name of [...written.map(([name]) => name), ...remove]) {
      check(name, faultOfFieldName(name, side));
    }
    for (const [, value] of written) check(value, faultOfFieldValue(value));
    this.dropped = new Set([...Object.keys(set), ...remove].map(canonicalName));
    this.#fields = written.map(([name, value]) => ({ name, parts: splitTemplate(byteString(value)) }));
    this.#dynamic = this.#fields.some(({ parts }) => parts.some((part) => "variable" in part));
    this.#constant = this.#dynamic ? [] : written.map(([name, value]) => [name, byteString(value)]);
  }

  /** The fields to write. Without variables it is the same list each time. */
  fields(values: FieldValues): readonly Field[] {
    if (!this.#dynamic) return this.#constant;
    const fields: Field[] = [];
    for (const { name, parts } of this.#fields) {
      const value = fill(parts, values);
      if (value !== undefined && !BREAKING.test(value)) fields.push([name, value]);
    }
    return fields;
  }
}

function check(text: string, fault: string | undefined): void {
  if (fault !== undefined) throw badTemplate(text, fault);
}

function fill(parts: readonly TemplatePart[], values: FieldValues): string | undefined {
  let text = "";
  for (const part of parts) {
    const value = "text" in part ? part.text : values[part.variable as keyof FieldValues];
    if (value === undefined) return undefined;
    text += value;
  }
  return text;
}
