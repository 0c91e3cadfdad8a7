import { parse } from "@std/yaml";
import type { Steps } from "../../core/slices.ts";
import { withoutOldNumbers } from "./yaml_numbers.ts";

/** A part of about so many characters is parsed at a time, which takes two milliseconds. */
const PART_LENGTH = 8192;
/** So many lines are looked at between two pauses. */
const LINES_A_STEP = 1000;
/** Empty lines and comments. */
const BLANK_LINES = /^(?: *(?:#[^\n]*)?\r?\n)*/;
/** A key with its value on the lines that follow. */
const KEY_LINE = /^ *([A-Za-z][\w.-]*): *(?:#[^\n]*)?\r?\n/;
/** A list item that is a mapping, up to its first key. */
const ITEM_OF_KEYS = /^( *)-( +[A-Za-z][\w.-]*:\s)/;
/** Several documents, and directives. */
const MARKERS = /^(?:%|\.\.\.)|\n(?:%|---|\.\.\.)/;

/** One of the parts cannot be used by itself. */
class NotInParts extends Error {}

/**
 * Parses a YAML text as the parser does, entry by entry of its mappings and lists in block style, as far as these are
 * long. Each part is YAML by itself: in block style, a line in the column of the entries begins an entry, whatever comes
 * before it. `undefined` if the text cannot be parsed in parts, such as for an alias whose anchor is in another part, or
 * an error: only the parser of the whole text tells the error, and where it is.
 */
export function* parseInParts(
  text: string,
  { partLength = PART_LENGTH } = {},
): Steps<{ readonly document: unknown } | undefined> {
  if (MARKERS.test(text)) return undefined;
  try {
    return { document: yield* parseBlock(text, partLength) };
  } catch (error) {
    if (error instanceof NotInParts || error instanceof SyntaxError || error instanceof RangeError) {
      return undefined;
    }
    throw error;
  }
}

function* parseBlock(text: string, partLength: number): Steps<unknown> {
  if (text.length <= partLength) return parsePart(text);
  const entries = yield* splitEntries(text);
  yield;
  if (entries.length === 1) return yield* parseEntry(entries[0]!, partLength);
  const values: unknown[] = [];
  for (let from = 0; from < entries.length;) {
    let to = from + 1;
    let { length } = entries[from]!;
    while (to < entries.length && length + entries[to]!.length <= partLength) {
      length += entries[to++]!.length;
    }
    values.push(yield* parseBlock(entries.slice(from, to).join(""), partLength));
    yield;
    from = to;
  }
  return join(values);
}

/** Parses a long entry: a mapping of one key, or a list of one item. */
function* parseEntry(entry: string, partLength: number): Steps<unknown> {
  const text = entry.replace(BLANK_LINES, "");
  if (ITEM_OF_KEYS.test(text)) return [yield* parseBlock(text.replace(ITEM_OF_KEYS, "$1 $2"), partLength)];
  const [line, key] = KEY_LINE.exec(text) ?? [];
  if (line === undefined || key === undefined) return parsePart(text);
  const value = yield* parseBlock(text.slice(line.length), partLength);
  // What stands there is not in the column of a value, or is a text of several lines.
  if (typeof value !== "object" || value === null) throw new NotInParts();
  return { [key]: value };
}

/** The entries of the outermost mapping or list, with the lines in front of the first one. */
function* splitEntries(text: string): Steps<string[]> {
  const entries: string[] = [];
  const indent = /^ */.exec(text.replace(BLANK_LINES, ""))![0];
  const column = indent.length;
  let start = 0;
  let isList: boolean | undefined;
  let lines = 0;
  for (let at = 0; at < text.length; at = text.indexOf("\n", at) + 1 || text.length) {
    if (++lines % LINES_A_STEP === 0) yield;
    if (!text.startsWith(indent, at)) continue;
    const first = text[at + column];
    if (first === undefined || " \t\r\n#".includes(first)) continue;
    if (first === "?" || first === ":") throw new NotInParts(); // A key and its value may be two entries.
    const isItem = first === "-" && /\s/.test(text[at + column + 1] ?? "\n");
    if (isList === undefined) isList = isItem;
    else if (isItem === isList) {
      entries.push(text.slice(start, at));
      start = at;
    }
  }
  entries.push(text.slice(start));
  return entries;
}

function parsePart(text: string): unknown {
  return withoutOldNumbers(parse(text), text);
}

/** Several lists as one, or several mappings, whose keys must differ. */
function join(values: readonly unknown[]): unknown {
  if (values.every(Array.isArray)) return values.flat();
  const keys = new Map<string, unknown>();
  for (const value of values) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw new NotInParts();
    for (const [key, each] of Object.entries(value)) {
      if (keys.has(key) || key === "__proto__") throw new NotInParts();
      keys.set(key, each);
    }
  }
  return Object.fromEntries(keys);
}
