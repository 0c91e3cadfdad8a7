import { CulvertError } from "../core/errors.ts";

/** Which kind of message is read, and so what a fault in it means. */
export type MessageSide = "request" | "response";

/** The stable names of what can be wrong with a message. */
export type HttpErrorCode =
  /** 400: outside the grammar, or open to more than one reading. */
  | "bad_request"
  /** 405: CONNECT, which a reverse proxy does not serve. */
  | "method_not_allowed"
  /** 408: the head or the body did not come in time. */
  | "request_timeout"
  /** 411: a body without a length, where one is wanted. */
  | "length_required"
  /** 413: a body over its bound. */
  | "body_too_large"
  /** 414: the request line does not fit into the bound of a head. */
  | "target_too_long"
  /** 417: an expectation other than `100-continue`. */
  | "bad_expectation"
  /** 431: the head is over its bound. */
  | "head_too_large"
  /** 431: more fields than allowed. */
  | "too_many_fields"
  /** 501: a transfer coding other than `chunked`. */
  | "unknown_coding"
  /** 505: another version of HTTP. */
  | "bad_version"
  /** 502: an answer outside the grammar, or open to more than one reading. */
  | "bad_response";

/**
 * A message that must not be acted on. `status` is the answer that a client gets; the connection that the message
 * came from can't be used again, as it is not known where the next message would begin.
 *
 * @example
 * ```ts
 * import { HttpError, RequestParser } from "@culvert/culvert";
 *
 * const parser = new RequestParser({ onHead() {} });
 * try {
 *   parser.push(new TextEncoder().encode("GET / HTTP/1.1\nHost: a\n\n"));
 * } catch (error) {
 *   if (error instanceof HttpError) console.log(error.code, error.status, error.message); // 400: a bare line feed
 * }
 * ```
 */
export class HttpError extends CulvertError {
  /** The name of the class, for logs. */
  override name = "HttpError";
  /** A stable name for the kind of fault. */
  declare readonly code: HttpErrorCode;
  /** The status code for the client: 400 to 431 for a fault of a request, 502 for one of a response. */
  readonly status: number;

  /** `message` says what is wrong in plain words, and quotes nothing that could harm a log. */
  constructor(code: HttpErrorCode, message: string, options: ErrorOptions & { status: number }) {
    super(code, message, options);
    this.status = options.status;
  }
}

/** A message outside the grammar: 400 for a request, 502 for a response. `reason` goes on after a colon. */
export function badMessage(side: MessageSide, reason: string): HttpError {
  if (side === "request") {
    return new HttpError("bad_request", `Cannot read the request: ${reason}`, { status: 400 });
  }
  return new HttpError("bad_response", `Cannot read the response: ${reason}`, { status: 502 });
}

/** A request that is refused with another status than 400. */
export function refusedRequest(code: HttpErrorCode, status: number, reason: string): HttpError {
  return new HttpError(code, `Cannot serve the request: ${reason}`, { status });
}

/** A head over its bound: 431 for a request, 502 for a response. */
export function headTooLarge(side: MessageSide, maxBytes: number): HttpError {
  const reason = `its head has more than ${maxBytes} bytes`;
  return side === "request" ? refusedRequest("head_too_large", 431, reason) : badMessage(side, reason);
}

/** More fields than allowed: 431 for a request, 502 for a response. */
export function tooManyFields(side: MessageSide, maxFields: number): HttpError {
  const reason = `it has more than ${maxFields} fields`;
  return side === "request" ? refusedRequest("too_many_fields", 431, reason) : badMessage(side, reason);
}

/** A body over its bound: 413. */
export function bodyTooLarge(maxBytes: number): HttpError {
  return refusedRequest("body_too_large", 413, `its body has more than ${maxBytes} bytes`);
}

/** An octet, for an error: `0x0a`. */
export function showOctet(octet: number): string {
  return `0x${octet.toString(16).padStart(2, "0")}`;
}
