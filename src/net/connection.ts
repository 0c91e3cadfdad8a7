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
  /**
   * Writes some of `bytes` and resolves to how many. Waits while the peer does not read. The bytes are the caller's
   * again when the promise settles: it may change them, or give their memory back.
   */
  write(bytes: Uint8Array): Promise<number>;
  /** Ends the writing half: the peer reads an end of stream. Reading goes on. */
  closeWrite(): Promise<void>;
  /** Ends both halves and gives the resource back. What is under way rejects. Throws if already closed. */
  close(): void;
  /**
   * Ends both halves at once, as `close` does, without a notice: a peer that can tell an abort from an end (by TLS,
   * with its close_notify) does not learn that this was an end. Absent: `close` is all that there is.
   */
  abort?(): void;
}

/** Ends a connection by its `abort`, or by its `close` where it has none. Throws if already closed. */
export function abortConnection(connection: Connection): void {
  if (connection.abort === undefined) connection.close();
  else connection.abort();
}

/** Closes a connection that may have been closed already by another owner. */
export function closeQuietly(connection: Connection): void {
  try {
    connection.close();
  } catch {
    // Closed already.
  }
}

/** As {@linkcode abortConnection}, for a connection that may have been closed already. */
export function abortQuietly(connection: Connection): void {
  try {
    abortConnection(connection);
  } catch {
    // Closed already.
  }
}

/** Writes all of `bytes`. */
export async function writeAll(connection: Connection, bytes: Uint8Array): Promise<void> {
  let sent = await connection.write(bytes);
  while (sent < bytes.length) sent += await connection.write(bytes.subarray(sent));
}
