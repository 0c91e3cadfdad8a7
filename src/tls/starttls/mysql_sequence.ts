import { abortConnection, type Connection, writeAll } from "../../net/connection.ts";

const HEADER_BYTES = 4;
const OK = 0x00;
const ERR = 0xff;

/** Where one direction is between two packets. */
class Packets {
  /** Bytes of the header that have been seen. */
  #header = 0;
  #length = 0;
  /** Bytes of the packet that are still to come. */
  #left = 0;
  #isFirst = false;

  /**
   * Goes through `bytes`. `onSequence` may change a sequence number; `onFirst` gets the first byte of each packet,
   * and says with `true` that nothing behind it is of interest.
   */
  pass(bytes: Uint8Array, on: { sequence(value: number): number; first(byte: number): boolean }): void {
    for (let at = 0; at < bytes.length;) {
      if (this.#left > 0) {
        if (this.#isFirst && on.first(bytes[at]!)) return;
        this.#isFirst = false;
        const count = Math.min(this.#left, bytes.length - at);
        this.#left -= count;
        at += count;
        continue;
      }
      if (this.#header < HEADER_BYTES - 1) this.#length += bytes[at]! << 8 * this.#header;
      else bytes[at] = on.sequence(bytes[at]!);
      at++;
      if (++this.#header < HEADER_BYTES) continue;
      this.#left = this.#length;
      this.#header = this.#length = 0;
      this.#isFirst = true;
    }
  }
}

/**
 * A connection to a MySQL server whose login has one packet more, or one less, than the client's: a request for TLS that
 * only one of the two sides has sent. Changes the sequence numbers of both directions up to the end of the login. With
 * every command they begin at 0 again, and bytes go through as they are.
 */
export class MysqlSequence implements Connection {
  readonly #bare: Connection;
  readonly #shift: 1 | -1;
  readonly #fromServer = new Packets();
  readonly #fromClient = new Packets();
  #done = false;

  /**
   * Owns `bare`, which `close` closes.
   *
   * @param shift What is added to the server's numbers for the client.
   */
  constructor(bare: Connection, shift: 1 | -1) {
    this.#bare = bare;
    this.#shift = shift;
  }

  async read(buffer: Uint8Array): Promise<number | null> {
    const count = await this.#bare.read(buffer);
    if (this.#done || count === null) return count;
    this.#fromServer.pass(buffer.subarray(0, count), {
      sequence: (value) => value + this.#shift & 0xff,
      // Other packets of a login begin otherwise: its plugins escape these two.
      first: (byte) => this.#done = byte === OK || byte === ERR,
    });
    return count;
  }

  async write(bytes: Uint8Array): Promise<number> {
    if (this.#done) return await this.#bare.write(bytes);
    const shifted = bytes.slice();
    this.#fromClient.pass(shifted, {
      // The number 0 begins a command, which was sent before the end of the login has been seen.
      sequence: (value) => value === 0 ? 0 : value - this.#shift & 0xff,
      first: () => false,
    });
    await writeAll(this.#bare, shifted);
    return bytes.length;
  }

  closeWrite(): Promise<void> {
    return this.#bare.closeWrite();
  }

  close(): void {
    this.#bare.close();
  }

  abort(): void {
    abortConnection(this.#bare);
  }
}
