import { RepeatedText } from "../core/repeated_text.ts";
import type { FieldTable } from "./field_table.ts";
import { badMessage } from "./http_error.ts";
import { fieldId } from "./known_fields.ts";
import type { ByteRange } from "./name_table.ts";
import type { RequestTarget } from "./target.ts";
import { normalHost, UriAuthority } from "./uri_authority.ts";

const HOST = fieldId("host");

/** What a request calls the server: in a URL as its target, else in Host (RFC 9112 section 3.3). */
export class RequestAuthority {
  readonly #fields: FieldTable;
  readonly #target: RequestTarget;
  readonly #hostField = new UriAuthority();
  readonly #text = new RepeatedText();
  /** The authority that `#host` is of. */
  #hostOf = "";
  #host = "";

  /** Reads nothing yet. Both belong to the request, and are read before this is asked. */
  constructor(fields: FieldTable, target: RequestTarget) {
    this.#fields = fields;
    this.#target = target;
  }

  /**
   * Looks at Host.
   *
   * @throws {HttpError} 400 where it is missing in HTTP/1.1, is there twice, or is no host with or without a port.
   */
  readHost(minor: 0 | 1): void {
    this.#hostField.clear();
    const index = this.#fields.indexOf(HOST);
    if (index === -1) {
      if (minor === 1) throw badMessage("request", "Host is missing");
      return;
    }
    if (this.#fields.isRepeated(HOST)) throw badMessage("request", "Host is there twice");
    if (!this.#hostField.parse(this.#fields.bytes, this.#valueOf(index))) {
      throw badMessage("request", "Host is not a host with or without a port");
    }
  }

  /** As the client wrote it; empty without one. */
  get text(): string {
    const { start, end } = this.#range();
    return this.#text.read(this.#fields.bytes, start, end);
  }

  /** The host without its port, as it is compared with routes. */
  get host(): string {
    const { text } = this;
    if (text === this.#hostOf) return this.#host;
    const { start } = this.#range();
    this.#host = normalHost(this.#fields.bytes, { start, end: this.#parts().hostEnd });
    this.#hostOf = text;
    return this.#host;
  }

  /** The port behind the host; -1 without one. */
  get port(): number {
    return this.#parts().port;
  }

  #parts(): UriAuthority {
    return this.#target.form === "absolute" ? this.#target.authority : this.#hostField;
  }

  /** Both positions are equal where there is none. */
  #range(): ByteRange {
    if (this.#target.form === "absolute") {
      return { start: this.#target.authorityStart, end: this.#target.authorityEnd };
    }
    const index = this.#fields.indexOf(HOST);
    return index === -1 ? { start: 0, end: 0 } : this.#valueOf(index);
  }

  #valueOf(index: number): ByteRange {
    return { start: this.#fields.valueStart(index), end: this.#fields.valueEnd(index) };
  }
}
