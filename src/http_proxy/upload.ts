import type { BodyReader } from "../http/body.ts";
import { maxLastChunkBytes, writeLastChunk } from "../http/write_chunk.ts";
import { writeAll } from "../net/connection.ts";
import type { BackendConnection } from "./connections.ts";
import type { Source } from "./source.ts";

/** What an {@linkcode Upload} works with. */
export interface UploadOptions {
  readonly client: Source;
  readonly body: BodyReader;
  readonly to: BackendConnection;
  /** The end of a body in chunks, once it is complete. */
  readonly lastChunk: () => Uint8Array;
  /** Called with what is about to be sent. */
  readonly onBytes: (bytes: Uint8Array) => void;
  /** Called whenever bytes have moved. */
  readonly onProgress: () => void;
  /** Called once when the client's side has failed: with the fault, or `undefined` where the client has left. */
  readonly onClientFailure: (error: Error | undefined) => void;
}

/** Carries the body of a request to the backend, while its answer may be under way already. */
export class Upload {
  /** Nothing more is carried: the body is complete, or one of the two has failed. */
  over = false;
  /** Whether it waits for the client rather than for the backend. */
  readsClient = false;
  readonly #options: UploadOptions;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  /** Carries until the body is complete, one side fails, or {@linkcode Upload.stop}. Never rejects. */
  async run(): Promise<void> {
    const { client, body, onProgress, onClientFailure } = this.#options;
    try {
      while (!this.over) {
        if (client.input.length > 0) {
          const done = body.read(client.input);
          if (!await this.#send(client.input.bytes.subarray(body.passStart, body.passEnd))) return;
          if (done) break;
          onProgress();
          // What is left are trailer fields that wait for their end.
        }
        this.readsClient = true;
        const came = await client.fill();
        this.readsClient = false;
        onProgress();
        if (!came && !this.over) {
          this.over = true;
          return onClientFailure(undefined);
        }
      }
      if (!this.over && body.needsEnd) await this.#send(this.#options.lastChunk());
    } catch (error) {
      this.over = true;
      return onClientFailure(error as Error);
    }
    this.over = true;
    onProgress();
  }

  /** Carries no more. What is being written or read goes on to its end. */
  stop(): void {
    this.over = true;
  }

  /** Whether the backend has taken it. If not, what it has answered is still to be read. */
  async #send(bytes: Uint8Array): Promise<boolean> {
    if (bytes.length === 0) return true;
    this.#options.onBytes(bytes);
    try {
      await writeAll(this.#options.to.connection, bytes);
      return !this.over;
    } catch {
      this.over = true;
      return false;
    }
  }
}

/** The last chunk, with the trailer fields that are passed on. */
export function lastChunk({ trailers }: BodyReader): Uint8Array {
  const bytes = new Uint8Array(maxLastChunkBytes(trailers));
  return bytes.subarray(0, writeLastChunk(bytes, { at: 0, trailers }));
}
