/** What {@linkcode Llhttp} calls, as llhttp does: texts come in pieces. */
export interface LlhttpEvents {
  onUrl(at: number, length: number): void;
  onField(at: number, length: number): void;
  onValue(at: number, length: number): void;
  onHeadersComplete(): void;
  onBody(at: number, length: number): void;
  onMessageComplete(): void;
}

interface Exports {
  readonly memory: WebAssembly.Memory;
  malloc(size: number): number;
  llhttp_alloc(type: number): number;
  llhttp_reset(parser: number): void;
  llhttp_execute(parser: number, at: number, length: number): number;
  llhttp_finish(parser: number): number;
  llhttp_get_method(parser: number): number;
  llhttp_get_status_code(parser: number): number;
  llhttp_get_error_reason(parser: number): number;
}

const TYPES = { request: 1, response: 2 };
const { default: wasm } = await import("undici/lib/llhttp/llhttp-wasm.js") as {
  default: Uint8Array<ArrayBuffer>;
};
const module = new WebAssembly.Module(wasm);

/**
 * The parser of Node and undici, llhttp, as undici has it in WebAssembly: an independent reader of the same messages,
 * and what ours is measured against. Positions are those of its memory.
 */
export class Llhttp {
  readonly #exports: Exports;
  readonly #parser: number;
  readonly #buffer: number;
  readonly #bytes: Uint8Array;

  /** Room for messages of `maxBytes`. */
  constructor(
    kind: "request" | "response",
    { events, maxBytes }: { events: LlhttpEvents; maxBytes: number },
  ) {
    const goOn = (run: () => void) => {
      run();
      return 0;
    };
    const env = {
      wasm_on_message_begin: () => 0,
      wasm_on_url: (_: number, at: number, length: number) => goOn(() => events.onUrl(at, length)),
      wasm_on_status: () => 0,
      wasm_on_header_field: (_: number, at: number, length: number) => goOn(() => events.onField(at, length)),
      wasm_on_header_value: (_: number, at: number, length: number) => goOn(() => events.onValue(at, length)),
      wasm_on_headers_complete: () => goOn(() => events.onHeadersComplete()),
      wasm_on_body: (_: number, at: number, length: number) => goOn(() => events.onBody(at, length)),
      wasm_on_message_complete: () => goOn(() => events.onMessageComplete()),
    };
    this.#exports = new WebAssembly.Instance(module, { env }).exports as unknown as Exports;
    this.#parser = this.#exports.llhttp_alloc(TYPES[kind]);
    this.#buffer = this.#exports.malloc(maxBytes);
    this.#bytes = new Uint8Array(this.#exports.memory.buffer, this.#buffer, maxBytes);
  }

  /** Expects a new connection. */
  reset(): void {
    this.#exports.llhttp_reset(this.#parser);
  }

  /** Reads the bytes, which are copied into its memory; returns 0 or the number of an error. */
  execute(bytes: Uint8Array): number {
    this.#bytes.set(bytes);
    return this.#exports.llhttp_execute(this.#parser, this.#buffer, bytes.length);
  }

  /** Tells the end of the connection. */
  finish(): number {
    return this.#exports.llhttp_finish(this.#parser);
  }

  /** Each byte at a position as a character. */
  text(at: number, length: number): string {
    const bytes = new Uint8Array(this.#exports.memory.buffer, at, length);
    return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  }
}
