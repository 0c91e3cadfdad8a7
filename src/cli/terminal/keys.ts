/** A key that was pressed: a printable character, or the name of another key. */
export type Key =
  | { readonly char: string }
  | {
    readonly name:
      | "up"
      | "down"
      | "left"
      | "right"
      | "page-up"
      | "page-down"
      | "home"
      | "end"
      | "enter"
      | "escape"
      | "backspace"
      | "tab"
      | "ctrl-c";
  };

type KeyName = Extract<Key, { name: string }>["name"];

/** What terminals send for keys, in the normal and in the application mode of cursor keys. */
const SEQUENCES: ReadonlyMap<string, KeyName> = new Map([
  ["[A", "up"],
  ["OA", "up"],
  ["[B", "down"],
  ["OB", "down"],
  ["[C", "right"],
  ["OC", "right"],
  ["[D", "left"],
  ["OD", "left"],
  ["[H", "home"],
  ["OH", "home"],
  ["[1~", "home"],
  ["[F", "end"],
  ["OF", "end"],
  ["[4~", "end"],
  ["[5~", "page-up"],
  ["[6~", "page-down"],
]);
const CONTROLS: ReadonlyMap<number, KeyName> = new Map([
  [0x03, "ctrl-c"],
  [0x08, "backspace"],
  [0x09, "tab"],
  [0x0a, "enter"],
  [0x0d, "enter"],
  [0x7f, "backspace"],
]);
/** Whole sequences that begin with the escape character: CSI and SS3. */
// deno-lint-ignore no-control-regex
const SEQUENCE = /^\x1b(\[[0-9;?]*[@-~]|O[@-~])/;
// deno-lint-ignore no-control-regex
const BEGUN = /^\x1b(?:\[[0-9;?]*|O)?$/;

/**
 * Makes keys of what a terminal sends, in pieces of any size. An escape character alone is a key only when nothing
 * follows it: the caller calls {@linkcode KeyReader.flush} when nothing has come for a moment.
 */
export class KeyReader {
  readonly #decoder = new TextDecoder();
  #rest = "";

  /** Whether a sequence has begun and not ended. */
  get pending(): boolean {
    return this.#rest !== "";
  }

  /** Takes bytes, and returns the keys that are complete. */
  push(bytes: Uint8Array): Key[] {
    this.#rest += this.#decoder.decode(bytes, { stream: true });
    const keys: Key[] = [];
    while (this.#rest !== "" && !BEGUN.test(this.#rest)) {
      const key = this.#next();
      if (key !== undefined) keys.push(key);
    }
    return keys;
  }

  /** Nothing follows what is pending: it is the key Escape. */
  flush(): Key[] {
    if (!this.pending) return [];
    this.#rest = "";
    return [{ name: "escape" }];
  }

  #next(): Key | undefined {
    const [whole, sequence] = SEQUENCE.exec(this.#rest) ?? [];
    if (whole !== undefined) {
      this.#rest = this.#rest.slice(whole.length);
      const name = SEQUENCES.get(sequence!);
      return name === undefined ? undefined : { name };
    }
    const code = this.#rest.codePointAt(0)!;
    const char = String.fromCodePoint(code);
    this.#rest = this.#rest.slice(char.length);
    if (code === 0x1b) return { name: "escape" }; // What follows is a key of its own.
    const name = CONTROLS.get(code);
    if (name !== undefined) return { name };
    return code < 0x20 ? undefined : { char };
  }
}
