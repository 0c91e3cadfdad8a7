import { decodeResponse, type DnsQuestion, type DnsResponse, encodeQuery, questionKey } from "./message.ts";
import { DnsError } from "../errors.ts";

/** A question under way: the message to send, and the check of its answer. */
export class DnsQuery {
  /** The question. */
  readonly question: DnsQuestion;
  /** The message to send. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly #id: number;

  /**
   * Takes a random id.
   *
   * @throws {DnsError} `dns_malformed` if the name is not valid.
   */
  constructor(question: DnsQuestion) {
    this.question = question;
    this.#id = crypto.getRandomValues(new Uint16Array(1))[0]!;
    this.bytes = encodeQuery(this.#id, question);
  }

  /**
   * Decodes a message as the answer.
   *
   * @throws {DnsError} `dns_malformed` if it can't be decoded or answers another question.
   */
  read(message: Uint8Array): DnsResponse {
    const response = decodeResponse(message);
    if (response.id !== this.#id || response.question !== questionKey(this.question)) {
      throw new DnsError("dns_malformed", "Cannot use a DNS message: it answers another question");
    }
    return response;
  }
}
