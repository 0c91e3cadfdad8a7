/**
 * A duplex byte stream: the one shape of connection that everything here works on. A `Deno.Conn` is one as it
 * stands; TLS, in-memory and web-stream connections are adapted to it.
 *
 * At most one `read` and one `write` may be under way at a time; a read and a write may overlap.
 */
export interface Connection {
  /**
   * Reads at most `buffer.length` bytes into `buffer`. Resolves to the number of bytes, at least 1, or to `null`
   * at the end of the stream. The buffer belongs to the connection until the promise settles.
   */
  read(buffer: Uint8Array): Promise<number | null>;
  /** Writes some of `bytes` and resolves to how many. Waits while the peer does not read. */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the writing half: the peer reads an end of stream. Reading goes on. */
  closeWrite(): Promise<void>;
  /** Ends both halves and gives the resource back. What is under way rejects. Throws if already closed. */
  close(): void;
}
