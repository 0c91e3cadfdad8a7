import { UriAuthority } from "./uri_authority.ts";
import { badMessage } from "./http_error.ts";
import type { ByteRange } from "./name_table.ts";
import { LOWER, QUESTION, SLASH } from "./octets.ts";

/** The forms of a target, RFC 9112 section 3.2, but for that of CONNECT, which is not served. */
export type TargetForm =
  /** A path, perhaps with a query. */
  | "origin"
  /** A URL of the scheme http or https; its host counts in the place of Host. */
  | "absolute"
  /** `*`, of the server as a whole. */
  | "asterisk";

const ASTERISK = 0x2a;
const SCHEMES = ["http://", "https://"].map((text) => new TextEncoder().encode(text));

/** A target whose octets and percent-encoding are known to be good. */
export interface TargetRange extends ByteRange {
  /** The method is OPTIONS. */
  readonly isOptions: boolean;
}

/** Tells the form of a target, and where its parts are. Positions are those of the bytes that it is read from. */
export class RequestTarget {
  /** Its form. */
  form: TargetForm = "origin";
  /** Of a URL: where its authority begins. */
  authorityStart = 0;
  /** Of a URL: behind its authority. */
  authorityEnd = 0;
  /** Where the path begins. It ends at the query; it may be empty in a URL, and stands for `/` then. */
  pathStart = 0;
  /** Of a URL: what its authority says. */
  readonly authority: UriAuthority = new UriAuthority();

  /** @throws {HttpError} 400 for a target that is of none of the forms. */
  read(bytes: Uint8Array, target: TargetRange): void {
    const { start, end, isOptions } = target;
    this.pathStart = start;
    if (bytes[start] === SLASH) {
      this.form = "origin";
    } else if (bytes[start] === ASTERISK && end === start + 1) {
      this.form = "asterisk";
      if (!isOptions) throw badMessage("request", "the target * is for OPTIONS alone");
    } else {
      this.form = "absolute";
      this.#readUrl(bytes, target);
    }
  }

  #readUrl(bytes: Uint8Array, { start, end }: TargetRange): void {
    const scheme = SCHEMES.find((scheme) => scheme.every((octet, i) => LOWER[bytes[start + i]!] === octet));
    if (scheme === undefined) throw badMessage("request", "the target is neither a path nor a URL of http");
    this.authorityStart = start + scheme.length;
    let at = this.authorityStart;
    while (at < end && bytes[at] !== SLASH && bytes[at] !== QUESTION) at++;
    this.authorityEnd = at;
    this.pathStart = at;
    if (!this.authority.parse(bytes, { start: this.authorityStart, end: at })) {
      throw badMessage("request", "the URL of the target has no good host and port");
    }
  }
}
