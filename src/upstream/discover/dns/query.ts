import { decodeResponse, type DnsQuestion, type DnsResponse, encodeQuery, questionKey } from "./message.ts";
import { DnsError } from "../errors.ts";

/** One question under way: what is sent, and what counts as its answer. */
export class DnsQuery {
  /** What is asked. */
  readonly question: DnsQuestion;
  /** The message to send. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #id: number;

  /**
   * Its id can't be guessed.
   *
   * @throws {DnsError} `dns_malformed` when the name is none.
   */
  constructor(question: DnsQuestion) {
    this.question = question;
    this.#id = crypto.getRandomValues(new Uint16Array(1))[0]!;
    this.bytes = encodeQuery(this.#id, question);
  }

  /**
   * Reads a message as the answer.
   *
   * @throws {DnsError} `dns_malformed` when it can't be read, or answers something else.
   */
  read(message: Uint8Array): DnsResponse {
    const response = decodeResponse(message);
    if (response.id !== this.#id || response.question !== questionKey(this.question)) {
      throw new DnsError("dns_malformed", "Cannot use a DNS message: it answers another question");
    }
    return response;
  }
}
