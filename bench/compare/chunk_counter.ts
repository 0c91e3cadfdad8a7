const LF = 10;
/** Longer than any size line or trailer field that a proxy of the comparison writes. */
const MAX_LINE_BYTES = 1024;

/**
 * Counts the bytes of a chunked body (RFC 9112, section 7.1). It is simple and not the proxy's own, so that a proxy is
 * not checked by itself. `push` throws where the body is no chunked one, or bytes follow it.
 */
export class ChunkCounter {
  /** Bytes of data so far. */
  count = 0;
  /** Whether the last chunk and the trailers have been read. */
  ended = false;
  #line = "";
  /** Of the chunk that is being read. */
  #left = 0;
  #awaits: "size" | "end of data" | "trailer" = "size";

  push(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.ended) throw new Error("there are bytes behind a chunked body");
      if (this.#left === 0) {
        const end = bytes.indexOf(LF, at);
        const until = end < 0 ? bytes.length : end + 1;
        this.#addToLine(bytes.subarray(at, until));
        at = until;
        continue;
      }
      const count = Math.min(this.#left, bytes.length - at);
      this.#left -= count;
      this.count += count;
      at += count;
    }
  }

  #addToLine(bytes: Uint8Array): void {
    this.#line += new TextDecoder("latin1").decode(bytes);
    if (this.#line.length > MAX_LINE_BYTES) throw new Error("a line of a chunked body is too long");
    if (!this.#line.endsWith("\n")) return;
    const line = this.#line;
    this.#line = "";
    if (!line.endsWith("\r\n")) throw new Error("a line of a chunked body does not end with CRLF");
    this.#readLine(line.slice(0, -2));
  }

  #readLine(line: string): void {
    if (this.#awaits === "trailer") {
      this.ended = line === "";
    } else if (this.#awaits === "end of data") {
      if (line !== "") throw new Error("a chunk is longer than its size");
      this.#awaits = "size";
    } else {
      const size = /^([0-9a-f]{1,13})(;|$)/i.exec(line)?.[1];
      if (size === undefined) throw new Error(`a chunk has the size "${line}"`);
      this.#left = parseInt(size, 16);
      this.#awaits = this.#left === 0 ? "trailer" : "end of data";
    }
  }
}
