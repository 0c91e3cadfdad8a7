import { markBlocks } from "./block_marks.ts";
import type { Mark } from "./text_cursor.ts";
import type { Path } from "../problem/problem.ts";

/**
 * Tells the lines of a document's keys and list items, since the YAML parser gives no positions. The marks come
 * from a reader that does not know all of YAML. They are therefore believed only as far as they agree with what
 * the parser made of the same text; from there on, the line of what encloses counts.
 */
export class LineMarks {
  readonly #document: unknown;
  readonly #root: Mark;
  /** What {@linkcode agree} said about a mark: a document with many problems asks often. */
  readonly #agreed = new Map<Mark, boolean>();

  /** `document` is what the parser made of `text`. */
  constructor(text: string, document: unknown) {
    this.#document = document;
    this.#root = markBlocks(text);
  }

  /**
   * The line, counted from 1, of the key or list item at `path`, or of the nearest enclosing one that can be
   * told. `undefined` when none can.
   */
  lineOf(path: Path): number | undefined {
    let mark = this.#root;
    let value = this.#document;
    let line: number | undefined;
    for (const step of path) {
      if (typeof value !== "object" || value === null) return line;
      const collection = value as Collection;
      if (!this.#agree(mark, collection)) return line;
      const child = mark.children.get(step);
      if (child === undefined) return line;
      line = child.line;
      mark = child;
      value = collection[step];
    }
    return line;
  }

  #agree(mark: Mark, value: Collection): boolean {
    const agreed = this.#agreed.get(mark) ?? agree(mark, value);
    this.#agreed.set(mark, agreed);
    return agreed;
  }
}

type Collection = Readonly<Record<string | number, unknown>>;

function agree({ children }: Mark, value: Collection): boolean {
  if (Array.isArray(value)) return children.size === value.length && (children.has(0) || value.length === 0);
  // A merge key (`<<`) brings in keys that stand elsewhere. They have no mark of their own.
  const keys = [...children.keys()].filter((key) => key !== "<<");
  return keys.every((key) => typeof key === "string" && Object.hasOwn(value, key)) &&
    (children.has("<<") || keys.length === Object.keys(value).length);
}
