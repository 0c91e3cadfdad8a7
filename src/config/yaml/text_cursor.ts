/** A place in the text of a document: where a key or a list item begins, and what stands under it. */
export interface Mark {
  /** Counted from 1. */
  readonly line: number;
  readonly children: Map<string | number, Mark>;
}

/** Adds the mark of a key or list item, without children so far, to what it stands under. */
export function addChild(parent: Mark, { key, line }: { key: string | number; line: number }): Mark {
  const child: Mark = { line, children: new Map() };
  parent.children.set(key, child);
  return child;
}
/** A position in a text that moves forward and counts the lines that it passes. */
export class TextCursor {
  readonly #text: string;
  #at = 0;
  #line = 1;

  constructor(text: string) {
    this.#text = text;
  }

  /** Characters from the start of the text. */
  get at(): number {
    return this.#at;
  }

  /** Counted from 1. */
  get line(): number {
    return this.#line;
  }

  get atEnd(): boolean {
    return this.#at >= this.#text.length;
  }

  /** The next character; empty at the end. */
  get next(): string {
    return this.#text.charAt(this.#at);
  }

  /** Whether `pattern`, a sticky one, matches here. */
  sees(pattern: RegExp): boolean {
    pattern.lastIndex = this.#at;
    return pattern.test(this.#text);
  }

  /** What `pattern`, a sticky one, matches here, and goes behind it. `undefined` when it does not match. */
  take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#text)?.[0];
    if (text === undefined) return undefined;
    this.#at += text.length;
    for (let end = text.indexOf("\n"); end >= 0; end = text.indexOf("\n", end + 1)) this.#line++;
    return text;
  }

  /** Goes to the start of the next line. */
  skipLine(): void {
    this.take(/[^\n]*\n?/y);
  }

  skipToEnd(): void {
    this.#at = this.#text.length;
  }

  /** Calls `read`, and goes back to where it was when that finds nothing. */
  attempt(read: () => string | undefined): string | undefined {
    const [at, line] = [this.#at, this.#line];
    const result = read();
    if (result === undefined) [this.#at, this.#line] = [at, line];
    return result;
  }
}
