import { latin1 } from "../core/latin1.ts";
import { type BodyKind, readContentLength, readTransferEncoding } from "./body_framing.ts";
import { ConnectionOptions, readConnectionOptions } from "./connection_options.ts";
import { DEFAULT_HEAD_LIMITS, FieldSection, type HeadLimits } from "./field_section.ts";
import type { FieldTable } from "./field_table.ts";
import { badMessage, headTooLarge } from "./http_error.ts";
import type { InputBuffer } from "./input_buffer.ts";
import { fieldId } from "./known_fields.ts";
import { dropHopByHop, dropLookalikes, readUpgrade } from "./request_fields.ts";
import { StatusLine } from "./status_line.ts";

const CONTENT_LENGTH = fieldId("content-length");
const TRANSFER_ENCODING = fieldId("transfer-encoding");
const UPGRADE = fieldId("upgrade");

/**
 * The head of an HTTP/1.0 or 1.1 response, read as strictly as a request. One object serves any number of responses,
 * one after the other, as {@linkcode RequestHead} does.
 *
 * Fields that must not be passed on are marked in {@linkcode ResponseHead.fields}.
 */
export class ResponseHead {
  /** The fields. */
  readonly fields: FieldTable;
  /** How many bytes the head has. */
  length = 0;
  /** The second digit of the version: 0 or 1. */
  minor: 0 | 1 = 1;
  /** 100 to 599. */
  status = 0;
  /** How the end of the body is marked. */
  bodyKind: BodyKind = "none";
  /** The body's length if it is known, else 0. */
  contentLength = 0;
  /** Whether the connection may carry another request once the body has been read whole. */
  reusable = false;
  readonly #maxBytes: number;
  readonly #line = new StatusLine();
  readonly #section: FieldSection;
  #inFields = false;
  #method = "GET";
  #asked = "";

  /** Reads nothing yet. */
  constructor(limits: HeadLimits = {}) {
    this.#maxBytes = limits.headerSize ?? DEFAULT_HEAD_LIMITS.headerSize;
    this.#section = new FieldSection({ ...limits, side: "response" });
    this.fields = this.#section.fields;
  }

  /**
   * Forgets the last response, and expects one to a request of this method. `upgrade` are the protocols that the
   * request asked for, as {@linkcode RequestHead.upgrade} tells them.
   */
  begin(method: string, upgrade = ""): void {
    this.#method = method;
    this.#asked = upgrade;
    this.beginNext();
  }

  /** Behind an interim response: expects the next one to the same request. */
  beginNext(): void {
    this.#line.begin();
    this.#inFields = false;
    this.length = 0;
  }

  /**
   * Reads on. `input` begins with the head, and may have been moved or have grown since the last time. When the head
   * is complete, it is taken from `input`.
   *
   * @returns whether the head is complete. With {@linkcode ResponseHead.isInterim}, another one follows: `beginNext`.
   * @throws {HttpError} 502 for anything that must not be acted on.
   */
  parse(input: InputBuffer): boolean {
    if (!this.#inFields) {
      if (!this.#line.parse(input, Math.min(input.end, input.start + this.#maxBytes))) {
        if (this.#line.at >= this.#maxBytes) throw headTooLarge("response", this.#maxBytes);
        return false;
      }
      this.#section.begin(this.#line.at);
      this.#inFields = true;
    }
    if (!this.#section.parse(input)) return false;
    this.#examine();
    this.length = this.#section.at;
    input.start += this.length;
    return true;
  }

  /** Whether the final response is still to come: 1xx but 101. */
  get isInterim(): boolean {
    return this.status < 200 && this.status !== 101;
  }

  /** Whether the connection has changed to the protocol that was asked for: 101. */
  get isUpgrade(): boolean {
    return this.status === 101;
  }

  /** What the server calls the status; may be empty. Each character stands for a byte. */
  get reason(): string {
    const { bytes, base } = this.fields;
    return latin1(bytes, base + this.#line.reasonStart, base + this.#line.reasonEnd);
  }

  #examine(): void {
    const { fields } = this;
    this.minor = this.#line.minor as 0 | 1;
    this.status = this.#line.status;
    const options = readConnectionOptions(fields);
    dropLookalikes(fields, "allow");
    dropHopByHop(fields);
    this.#readBody(options);
    const upgrade = readUpgrade(fields, options);
    if (this.status !== 101) fields.dropAll(UPGRADE);
    else this.#checkUpgrade(upgrade);
  }

  /** RFC 9112 section 6.3. */
  #readBody(options: number): void {
    const { fields, status, minor } = this;
    const chunked = readTransferEncoding(fields, { side: "response", minor });
    const length = readContentLength(fields, "response");
    const never = status < 200 || status === 204;
    const none = never || status === 304 || this.#method === "HEAD";
    this.contentLength = none ? 0 : Math.max(length, 0);
    this.bodyKind = none || length === 0
      ? "none"
      : chunked
      ? "chunked"
      : length > 0
      ? "length"
      : "until-close";
    const keeps = minor === 1 || (options & ConnectionOptions.keepAlive) !== 0;
    const closes = (options & (ConnectionOptions.close | ConnectionOptions.malformed)) !== 0;
    this.reusable = keeps && !closes && this.bodyKind !== "until-close";
    if (!never) return;
    // There is no body, whatever these say (RFC 9110 section 8.6); a server that says so may send one.
    if (chunked || length > 0) this.reusable = false;
    fields.dropAll(CONTENT_LENGTH);
    fields.dropAll(TRANSFER_ENCODING);
  }

  #checkUpgrade(upgrade: string): void {
    this.reusable = false;
    if (this.#asked === "" || this.minor === 0) {
      throw badMessage("response", "it changes the protocol, which was not asked for");
    }
    const asked = this.#asked.split(",");
    if (upgrade === "" || !upgrade.split(",").every((protocol) => asked.includes(protocol))) {
      throw badMessage("response", "it changes to a protocol that was not asked for");
    }
  }
}
