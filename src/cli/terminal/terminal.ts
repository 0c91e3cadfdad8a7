/** A terminal that shows one screen after the other. */
export interface Terminal {
  /** Columns and rows. */
  readonly size: { readonly columns: number; readonly rows: number };
  /** Shows these lines in the place of what is there. None may be wider than the screen. */
  draw(lines: readonly string[]): void;
}

const ESC = "\x1b[";
/** The alternate screen, without cursor and without wrapping: what was there before comes back (xterm, ECMA-48). */
const ENTER = `${ESC}?1049h${ESC}?25l${ESC}?7l`;
const LEAVE = `${ESC}?7h${ESC}?25h${ESC}?1049l`;
const FALLBACK = { columns: 80, rows: 24 };
const encoder = new TextEncoder();

/** The terminal of the program. It is as it was before when it is disposed of, whatever happens. */
export class ProgramTerminal implements Terminal, Disposable {
  #entered = false;
  readonly #restore = () => this[Symbol.dispose]();

  /** Takes the terminal over: keys come one by one, and are not shown. */
  constructor() {
    Deno.stdin.setRaw(true);
    this.#entered = true;
    // Errors that nothing catches end the program without disposing of anything.
    globalThis.addEventListener("unload", this.#restore);
    globalThis.addEventListener("error", this.#restore);
    globalThis.addEventListener("unhandledrejection", this.#restore);
    write(ENTER);
  }

  get size(): { columns: number; rows: number } {
    try {
      return Deno.consoleSize();
    } catch {
      return FALLBACK; // Its other side has gone.
    }
  }

  draw(lines: readonly string[]): void {
    if (!this.#entered) return;
    // One write, and nothing is cleared before it is written over: the screen does not flicker.
    const rows = lines.map((line) => `${line}${ESC}K`);
    write(`${ESC}H${rows.join("\r\n")}${ESC}J`);
  }

  [Symbol.dispose](): void {
    if (!this.#entered) return;
    this.#entered = false;
    globalThis.removeEventListener("unload", this.#restore);
    globalThis.removeEventListener("error", this.#restore);
    globalThis.removeEventListener("unhandledrejection", this.#restore);
    write(LEAVE);
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal has gone.
    }
  }
}

function write(text: string): void {
  const bytes = encoder.encode(text);
  try {
    for (let sent = 0; sent < bytes.length;) sent += Deno.stdout.writeSync(bytes.subarray(sent));
  } catch {
    // The terminal has gone: SIGHUP ends the program.
  }
}
