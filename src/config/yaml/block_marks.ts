import { markFlow, skipProperties, takeQuoted } from "./flow_marks.ts";
import { addChild, type Mark } from "./text_cursor.ts";
import { TextCursor } from "./text_cursor.ts";

/** The keys and list items of a YAML text and the lines on which they begin, as far as they can be known. */
export function markBlocks(text: string): Mark {
  return new BlockMarker(text).read();
}

/** Where tabs stand in the indentation of block style, which YAML does not allow: the first line of each kind. */
export interface TabLines {
  /** In front of a key or a list item. Parsers that take it count it as they like. */
  readonly structure?: number;
  /** In front of anything. It may be a text of several lines, where it does no harm. */
  readonly any?: number;
}

/** Finds tabs that indent. Those within brackets, as in JSON, do not. */
export function findTabs(text: string): TabLines {
  const marker = new BlockMarker(text);
  marker.read();
  return marker.tabs;
}

/** A mapping or list in block style that the lines that follow may go on with. */
interface OpenBlock {
  readonly indent: number;
  readonly list: boolean;
  readonly mark: Mark;
  /** Its newest child: where what is indented further belongs. */
  last: Mark;
}

class BlockMarker {
  readonly tabs: { -readonly [key in keyof TabLines]: TabLines[key] } = {};
  readonly #cursor: TextCursor;
  readonly #root: Mark = { line: 1, children: new Map() };
  readonly #open: OpenBlock[] = [];

  constructor(text: string) {
    this.#cursor = new TextCursor(text.replace(/^\ufeff/, ""));
  }

  read(): Mark {
    while (!this.#cursor.atEnd) this.#readLine();
    return this.#root;
  }

  #readLine(): void {
    const cursor = this.#cursor;
    const start = cursor.at;
    if (cursor.take(/%|\.\.\.(?=\s|$)/y) !== undefined) return cursor.skipLine();
    cursor.take(/---(?=\s|$)/y);
    cursor.take(/ +/y);
    if (cursor.sees(/\t[ \t]*[^\s#]/y)) this.#noteTab();
    // What a block scalar has to be indented further than.
    let owner = -1;
    let mark = this.#open.at(-1)?.last ?? this.#root;
    let column = cursor.at - start;
    while (cursor.take(/-(?=\s|$)/y) !== undefined) {
      mark = this.#addItem(column);
      owner = column;
      cursor.take(/ +/y);
      column = cursor.at - start;
    }
    const key = cursor.attempt(() => this.#takeKey());
    if (key !== undefined) {
      mark = this.#addKey(key, column);
      owner = column;
    }
    this.#readValue(mark, owner);
    cursor.skipLine();
  }

  #noteTab(): void {
    const { line } = this.#cursor;
    this.tabs.any ??= line;
    const opensItem = this.#cursor.sees(/[ \t]+-(?=\s|$)/y);
    this.#cursor.attempt(() => {
      this.#cursor.take(/[ \t]+/y);
      if (opensItem || this.#takeKey() !== undefined) this.tabs.structure ??= line;
      return undefined;
    });
  }

  #addItem(column: number): Mark {
    this.#closeBlocks((block) => block.indent > column);
    const top = this.#open.at(-1);
    // A list may stand in the same column as the key that it belongs to.
    const goesOn = top !== undefined && top.list && top.indent === column;
    const list = goesOn ? top : this.#openBlock({ indent: column, list: true });
    return list.last = addChild(list.mark, { key: list.mark.children.size, line: this.#cursor.line });
  }

  #addKey(key: string, column: number): Mark {
    this.#closeBlocks((block) => block.indent > column || (block.indent === column && block.list));
    const top = this.#open.at(-1);
    const goesOn = top !== undefined && top.indent === column;
    const mapping = goesOn ? top : this.#openBlock({ indent: column, list: false });
    return mapping.last = addChild(mapping.mark, { key, line: this.#cursor.line });
  }

  #closeBlocks(isOver: (block: OpenBlock) => boolean): void {
    for (let top = this.#open.at(-1); top !== undefined && isOver(top); top = this.#open.at(-1)) {
      this.#open.pop();
    }
  }

  #openBlock({ indent, list }: { indent: number; list: boolean }): OpenBlock {
    const mark = this.#open.at(-1)?.last ?? this.#root;
    const block = { indent, list, mark, last: mark };
    this.#open.push(block);
    return block;
  }

  /** A key with its colon, or `undefined` when what stands here is none. */
  #takeKey(): string | undefined {
    const plain = /[^\s{}[\],&*!|>%@`"'#](?:[^\s#:]|:(?=\S)|(?<=\S)#|[ \t](?!#))*?(?=:(?:\s|$))/y;
    const key = takeQuoted(this.#cursor) ?? this.#cursor.take(plain)?.trimEnd();
    return this.#cursor.take(/[ \t]*:(?=\s|$)/y) === undefined ? undefined : key;
  }

  #readValue(mark: Mark, owner: number): void {
    skipProperties(this.#cursor);
    if (this.#cursor.sees(/[{[]/y)) return markFlow(this.#cursor, mark);
    if (takeQuoted(this.#cursor) !== undefined) return;
    if (this.#cursor.take(/[|>][-+\d]*(?=\s|$)/y) === undefined) return;
    // A block scalar goes to the last line that is empty, or indented further than what it belongs to.
    const inside = new RegExp(`\\n(?: {${owner + 1},}|[ \\t\\r]*(?=\\n|$))[^\\n]*`, "y");
    this.#cursor.take(/[^\n]*/y);
    while (this.#cursor.take(inside) !== undefined);
  }
}
