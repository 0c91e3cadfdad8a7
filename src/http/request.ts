import { latin1 } from "../core/latin1.ts";
import { RepeatedText } from "../core/repeated_text.ts";
import { type BodyKind, readContentLength, readTransferEncoding } from "./body_framing.ts";
import { ConnectionOptions, readConnectionOptions } from "./connection_options.ts";
import { DEFAULT_HEAD_LIMITS, FieldSection, type HeadLimits } from "./field_section.ts";
import type { FieldTable } from "./field_table.ts";
import { badMessage, headTooLarge, refusedRequest } from "./http_error.ts";
import type { InputBuffer } from "./input_buffer.ts";
import { fieldId } from "./known_fields.ts";
import { NameTable } from "./name_table.ts";
import { mergeSlashes, normalPath, type NormalPathOptions } from "./normal_path.ts";
import { CR, LF } from "./octets.ts";
import {
  dropHopByHop,
  dropLookalikes,
  readExpectation,
  readTrailersAccepted,
  readUpgrade,
} from "./request_fields.ts";
import { RequestAuthority } from "./request_authority.ts";
import { RequestLine, TargetMarks } from "./request_line.ts";
import { RequestTarget, type TargetForm } from "./target.ts";

/** Options of a {@linkcode RequestHead}. */
export interface RequestHeadOptions extends HeadLimits, NormalPathOptions {
  /** Whether fields whose names are known ones with underscores for hyphens are passed on. @default {"drop"} */
  readonly underscores?: "drop" | "allow";
}

const METHODS = [
  "",
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "DELETE",
  "PATCH",
  "OPTIONS",
  "TRACE",
  "CONNECT",
  "PRI",
] as const;
const methods = new NameTable(METHODS, { caseSensitive: true });
const OPTIONS_METHOD = METHODS.indexOf("OPTIONS");
const TRACE_METHOD = METHODS.indexOf("TRACE");
const CONNECT_METHOD = METHODS.indexOf("CONNECT");
/** Of the preface of HTTP/2, and of no request (RFC 9113 section 3.4). */
const PRI_METHOD = METHODS.indexOf("PRI");
const UPGRADE = fieldId("upgrade");

/**
 * The head of an HTTP/1.0 or 1.1 request, read strictly and in one pass (RFC 9112). One object serves any number of
 * requests, one after the other; what it tells holds until {@linkcode RequestHead.begin}, and strings that have not
 * been asked for yet can be had until the bytes are moved or overwritten.
 *
 * Fields that must not be passed on are marked in {@linkcode RequestHead.fields}: those for one connection alone, those
 * that Connection names, lookalikes of known names, an upgrade or an expectation that is none.
 */
export class RequestHead {
  /** The fields. */
  readonly fields: FieldTable;
  /** How many bytes the head has, without an empty line in front of it. */
  length = 0;
  /** The second digit of the version: 0 or 1. */
  minor: 0 | 1 = 1;
  /** How the end of the body is marked. */
  bodyKind: Exclude<BodyKind, "until-close"> = "none";
  /** The body's length if it is known, else 0. */
  contentLength = 0;
  /** Whether the client would send another request on this connection. */
  keepAlive = false;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  expectsContinue = false;
  /** Whether the client takes trailer fields: TE says so. TE itself is never passed on. */
  acceptsTrailers = false;
  /** The protocols that the client would change to, in lower case, joined by a comma; empty without an upgrade. */
  upgrade = "";
  readonly #maxBytes: number;
  readonly #underscores: "drop" | "allow";
  readonly #pathOptions: NormalPathOptions;
  readonly #line = new RequestLine();
  readonly #section: FieldSection;
  readonly #target = new RequestTarget();
  readonly #authority: RequestAuthority;
  #inFields = false;
  #skippedLine = false;
  #methodId = 0;
  #path: string | undefined;
  readonly #pathText = new RepeatedText();

  /** Reads nothing yet. */
  constructor(options: RequestHeadOptions = {}) {
    this.#maxBytes = options.headerSize ?? DEFAULT_HEAD_LIMITS.headerSize;
    this.#underscores = options.underscores ?? "drop";
    this.#pathOptions = { encodedSlashes: options.encodedSlashes ?? "reject" };
    this.#section = new FieldSection({ ...options, side: "request" });
    this.fields = this.#section.fields;
    this.#authority = new RequestAuthority(this.fields, this.#target);
  }

  /** Forgets the last request, and expects the next one. */
  begin(): void {
    this.#line.begin();
    this.#inFields = false;
    this.#skippedLine = false;
    this.#path = undefined;
    this.length = 0;
  }

  /**
   * Reads on. `input` begins with the head, and may have been moved or have grown since the last time. One empty line
   * in front of the head is skipped. When the head is complete, it is taken from `input`, and body or next request
   * begin there.
   *
   * @returns whether the head is complete.
   * @throws {HttpError} for anything that must not be acted on, at its first wrong byte where it is one byte.
   */
  parse(input: InputBuffer): boolean {
    if (!this.#inFields && !this.#parseLine(input)) return false;
    if (!this.#section.parse(input)) return false;
    this.#examine();
    this.length = this.#section.at;
    input.start += this.length;
    return true;
  }

  /** Whether anything of the head has come yet. */
  get begun(): boolean {
    return this.#line.at > 0;
  }

  /** The method, as it was sent: methods are case-sensitive. */
  get method(): string {
    if (this.#methodId !== 0) return METHODS[this.#methodId]!;
    const { bytes, base } = this.fields;
    return latin1(bytes, base, base + this.#line.methodEnd);
  }

  /** The form of the target. */
  get form(): TargetForm {
    return this.#target.form;
  }

  /** The target as it was sent. */
  get target(): string {
    const { bytes, base } = this.fields;
    return latin1(bytes, base + this.#line.targetStart, base + this.#line.targetEnd);
  }

  /**
   * The path in its normal form, as it is forwarded; see {@linkcode normalPath}. `*` for the server as a whole.
   */
  get path(): string {
    return this.#path ??= this.#readPath();
  }

  /** The path as it is compared with routes: {@linkcode RequestHead.path} with runs of slashes as one slash. */
  get routePath(): string {
    return mergeSlashes(this.path);
  }

  /** The query with its `?`, byte for byte as it was sent; empty without one. */
  get query(): string {
    const { bytes, base } = this.fields;
    return latin1(bytes, base + this.#line.pathEnd, base + this.#line.targetEnd);
  }

  /** Host and port as the client wrote them, in the target or else in Host; empty without one, in HTTP/1.0. */
  get authority(): string {
    return this.#authority.text;
  }

  /** The host without its port, as it is compared with routes; see `normalHost`. */
  get host(): string {
    return this.#authority.host;
  }

  /** The port that the client wrote behind the host; -1 without one. */
  get port(): number {
    return this.#authority.port;
  }

  #parseLine(input: InputBuffer): boolean {
    if (!this.#skippedLine && this.#line.at === 0 && input.length > 0 && input.bytes[input.start] === CR) {
      if (input.length === 1) return false;
      if (input.bytes[input.start + 1] !== LF) {
        throw badMessage("request", "a carriage return without a line feed");
      }
      input.start += 2;
      this.#skippedLine = true;
    }
    const line = this.#line;
    if (!line.parse(input, Math.min(input.end, input.start + this.#maxBytes))) {
      if (line.at < this.#maxBytes) return false;
      if (!line.hasMethod) throw headTooLarge("request", this.#maxBytes);
      throw refusedRequest("target_too_long", 414, `its first line has more than ${this.#maxBytes} bytes`);
    }
    this.#section.begin(line.at);
    this.#inFields = true;
    return true;
  }

  /** Looks at the whole, once. */
  #examine(): void {
    const { fields } = this;
    this.minor = this.#line.minor as 0 | 1;
    this.#methodId = methods.find(fields.bytes, {
      start: fields.base,
      end: fields.base + this.#line.methodEnd,
    });
    dropLookalikes(fields, this.#underscores);
    this.#authority.readHost(this.minor);
    this.#readBodyKind();
    this.#readTarget();
    const options = readConnectionOptions(fields);
    if ((options & ConnectionOptions.malformed) !== 0) {
      throw badMessage("request", "Connection is not a list of names");
    }
    dropHopByHop(fields);
    this.#readWishes(options);
  }

  #readBodyKind(): void {
    const chunked = readTransferEncoding(this.fields, { side: "request", minor: this.minor });
    const length = readContentLength(this.fields, "request");
    this.contentLength = Math.max(length, 0);
    this.bodyKind = chunked ? "chunked" : length > 0 ? "length" : "none";
    if (this.#methodId === TRACE_METHOD && this.bodyKind !== "none") {
      throw badMessage("request", "TRACE with a body");
    }
  }

  #readTarget(): void {
    if (this.#methodId === CONNECT_METHOD) {
      throw refusedRequest("method_not_allowed", 405, "CONNECT is not for a reverse proxy");
    }
    if (this.#methodId === PRI_METHOD) {
      throw refusedRequest("bad_version", 505, "PRI is for HTTP/2, expected HTTP/1.1");
    }
    const { bytes, base } = this.fields;
    const { targetStart, targetEnd, marks } = this.#line;
    const isOptions = this.#methodId === OPTIONS_METHOD;
    this.#target.read(bytes, { start: base + targetStart, end: base + targetEnd, isOptions });
    if ((marks & (TargetMarks.percent | TargetMarks.dot)) !== 0) this.#path = this.#readPath();
  }

  /** What the client wants, apart from an answer. */
  #readWishes(options: number): void {
    const { fields } = this;
    const closes = (options & ConnectionOptions.close) !== 0;
    this.keepAlive = !closes && (this.minor === 1 || (options & ConnectionOptions.keepAlive) !== 0);
    const hasBody = this.bodyKind !== "none";
    this.expectsContinue = readExpectation(fields, hasBody && this.minor === 1);
    this.acceptsTrailers = readTrailersAccepted(fields);
    // An upgrade with a body would leave open where the one ends and the other protocol begins.
    this.upgrade = hasBody || this.minor === 0 ? "" : readUpgrade(fields, options);
    if (this.upgrade === "") fields.dropAll(UPGRADE);
  }

  #readPath(): string {
    const { bytes, base } = this.fields;
    const { pathStart, form } = this.#target;
    const end = base + this.#line.pathEnd;
    if (pathStart === end) {
      // RFC 9112 section 3.2.4: of OPTIONS, it is the server as a whole that is meant.
      const whole = this.#methodId === OPTIONS_METHOD && this.#line.pathEnd === this.#line.targetEnd;
      return whole ? "*" : "/";
    }
    const path = this.#pathText.read(bytes, pathStart, end);
    const usual = (this.#line.marks & (TargetMarks.percent | TargetMarks.dot)) === 0;
    return usual || form === "asterisk" ? path : normalPath(path, this.#pathOptions);
  }
}
