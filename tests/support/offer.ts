import type { Connection } from "../../src/net/connection.ts";
import { stampedBlocks } from "./stamped.ts";
import { untilStill } from "./wait.ts";

const GIB = 1024 * 1024 * 1024;

/** Bytes on offer, and how far they were taken. */
export class Offer {
  readonly #total: number;
  /** What `write` has said so far. */
  taken = 0;

  /** @param total how many bytes there are; one gibibyte if not given */
  constructor(total = GIB) {
    this.#total = total;
  }

  /** Sends everything, and then the end of the stream. */
  async send(connection: Connection): Promise<void> {
    this.taken = 0;
    for (const block of stampedBlocks(this.#total, 1)) {
      for (let sent = 0; sent < block.length;) {
        const count = await connection.write(block.subarray(sent));
        sent += count;
        this.taken += count;
      }
    }
    await connection.closeWrite();
  }

  /** Resolves when something has been taken, and then nothing more for half a second. */
  stalled(): Promise<void> {
    return untilStill(() => this.taken, { what: "the sender to be stopped" });
  }
}
