import { addChild, type Mark } from "./text_cursor.ts";
import type { TextCursor } from "./text_cursor.ts";

/** How deep collections are followed. What is deeper has the line of what encloses it. */
const MAX_DEPTH = 100;

/**
 * Marks the keys and items of the flow collection (`{a: 1, b: [2, 3]}`, JSON) that begins at the cursor, and goes
 * behind it. Where it does not understand the text it gives up, and the cursor is at the end of the text.
 */
export function markFlow(cursor: TextCursor, mark: Mark): void {
  new FlowMarker(cursor).markCollection(mark, 0);
}

/** A text in double or single quotes, without them, and goes behind it. `undefined` when there is none here. */
export function takeQuoted(cursor: TextCursor): string | undefined {
  const text = cursor.take(/"(?:[^"\\]|\\[^])*"|'(?:[^']|'')*'/y);
  if (text === undefined) return undefined;
  const inner = text.slice(1, -1);
  if (text.startsWith("'")) return inner.replaceAll("''", "'");
  // Keys with escapes are read as JSON. YAML knows more escapes; with one of those the key stays unknown.
  return inner.includes("\\") ? fromJson(text) : inner;
}

/** Goes over white space, tags and anchors in front of a value on the same line. */
export function skipProperties(cursor: TextCursor): void {
  while (cursor.take(/[ \t]+|[&!][^\s,[\]{}]*/y) !== undefined);
}

class FlowMarker {
  readonly #cursor: TextCursor;

  constructor(cursor: TextCursor) {
    this.#cursor = cursor;
  }

  markCollection(mark: Mark, depth: number): void {
    if (depth > MAX_DEPTH) return this.#cursor.skipToEnd();
    const list = this.#cursor.take(/[{[]/y) === "[";
    for (let index = 0;; index++) {
      this.#skipSpace();
      while (this.#cursor.take(/,/y) !== undefined) this.#skipSpace();
      if (this.#cursor.take(/[}\]]/y) !== undefined || this.#cursor.atEnd) return;
      const start = this.#cursor.at;
      if (list) this.#markItem(addChild(mark, { key: index, line: this.#cursor.line }), depth);
      else this.#markEntry(mark, depth);
      if (this.#cursor.at === start) return this.#cursor.skipToEnd();
    }
  }

  #markItem(item: Mark, depth: number): void {
    this.#markValue(item, depth);
    this.#skipSpace();
    // `[a: 1]` is a list of one mapping, whose key has the line of its item.
    if (this.#cursor.take(/:/y) !== undefined) this.#markValue({ line: 0, children: new Map() }, depth);
  }

  #markEntry(mark: Mark, depth: number): void {
    const line = this.#cursor.line;
    skipProperties(this.#cursor);
    const key = takeQuoted(this.#cursor) ?? this.#takePlain() ?? "";
    const child = addChild(mark, { key, line });
    this.#skipSpace();
    if (this.#cursor.take(/:/y) !== undefined) this.#markValue(child, depth);
  }

  #markValue(mark: Mark, depth: number): void {
    this.#skipSpace();
    skipProperties(this.#cursor);
    this.#skipSpace();
    if (this.#cursor.sees(/[{[]/y)) this.markCollection(mark, depth + 1);
    else takeQuoted(this.#cursor) ?? this.#takePlain();
  }

  /** Up to what ends a plain text within brackets, or `: `. It may go over several lines. */
  #takePlain(): string | undefined {
    return this.#cursor.take(/(?:[^\s,[\]{}:#]|:(?![\s,[\]{}]|$)|\s+(?![\s#:])|(?<=\S)#)+/y)?.trim();
  }

  /** White space, line ends and comments. */
  #skipSpace(): void {
    while (this.#cursor.take(/\s+|(?<=\s|^)#[^\n]*/y) !== undefined);
  }
}

function fromJson(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return text;
  }
}
