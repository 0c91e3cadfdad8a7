import { abortConnection, type Connection } from "../net/connection.ts";
import type { Source } from "./source.ts";

/** The connection of a {@linkcode Source}: what was read already comes first. */
export class SourceConnection implements Connection {
  readonly #source: Source;
  readonly #releases: boolean;

  /** With `releases`, the source's memory goes back as soon as all that it had read has been read here. */
  constructor(source: Source, { releases }: { releases: boolean }) {
    this.#source = source;
    this.#releases = releases;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const source = this.#source;
    const { input, connection } = source;
    if (source.pending !== undefined) await source.pending;
    if (input.length > 0) {
      const count = Math.min(buffer.length, input.length);
      buffer.set(input.bytes.subarray(input.start, input.start + count));
      input.start += count;
      return count;
    }
    if (source.error !== undefined) throw source.error;
    if (source.ended) return null;
    if (this.#releases) source.release();
    return await connection.read(buffer);
  }

  write(bytes: Uint8Array): Promise<number> {
    return this.#source.connection.write(bytes);
  }

  closeWrite(): Promise<void> {
    return this.#source.connection.closeWrite();
  }

  close(): void {
    this.#source.release();
    this.#source.connection.close();
  }

  abort(): void {
    this.#source.release();
    abortConnection(this.#source.connection);
  }
}
