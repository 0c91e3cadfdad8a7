import { abortConnection, type Connection } from "./connection.ts";

/**
 * A connection some of whose first bytes have been read already: they are read again, before all that
 * follows. Once they are gone every method is one call to the connection underneath, and {@linkcode
 * bareConnection} gives that connection itself, for carrying the bulk.
 */
export class PrefixedConnection implements Connection {
  /** The connection underneath. Must not be read until the whole prefix has been forwarded. */
  readonly bare: Connection;
  #prefix: Uint8Array | undefined;

  /** Owns `bare`, which `close` closes, and keeps `prefix` (without a copy) until it has been read. */
  constructor(bare: Connection, prefix: Uint8Array) {
    this.bare = bare;
    this.#prefix = prefix.length === 0 ? undefined : prefix;
  }

  /** Whether all of the prefix has been read, so that the bare connection may be used. */
  get passedOn(): boolean {
    return this.#prefix === undefined;
  }

  read(buffer: Uint8Array): Promise<number | null> {
    const prefix = this.#prefix;
    if (prefix === undefined) return this.bare.read(buffer);
    const count = Math.min(prefix.length, buffer.length);
    buffer.set(prefix.subarray(0, count));
    this.#prefix = count === prefix.length ? undefined : prefix.subarray(count);
    return Promise.resolve(count);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.bare.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.bare.closeWrite();
  }

  close(): void {
    this.#prefix = undefined;
    this.bare.close();
  }

  abort(): void {
    this.#prefix = undefined;
    abortConnection(this.bare);
  }
}

/**
 * What to read and write from here on: the connection underneath, if nothing comes before what it has to say.
 */
export function bareConnection(connection: Connection): Connection {
  while (connection instanceof PrefixedConnection && connection.passedOn) connection = connection.bare;
  return connection;
}
