import type { BodyKind } from "./body_framing.ts";
import type { FieldTable } from "./field_table.ts";
import type { TargetForm } from "./target.ts";

/** Fields in their order: names in lower case, each character of a value stands for a byte. */
export type HttpFields = readonly (readonly [name: string, value: string])[];

/** The head of a request, as a {@linkcode RequestParser} tells it. */
export interface ParsedRequestHead {
  /** As it was sent: methods are case-sensitive. */
  readonly method: string;
  /** As it was sent. */
  readonly target: string;
  /** The form of the target. */
  readonly form: TargetForm;
  /**
   * The path in its normal form: unreserved octets decoded, hexadecimal digits in capitals, dot segments resolved; `*`
   * for the server as a whole.
   */
  readonly path: string;
  /** With its `?`, as it was sent; empty without one. */
  readonly query: string;
  /** Host and port, from the target or else from Host; empty without one, in HTTP/1.0. */
  readonly authority: string;
  /** The version of the protocol. */
  readonly version: "1.0" | "1.1";
  /** All fields, those for one connection alone among them. */
  readonly fields: HttpFields;
  /** How the end of the body is marked. */
  readonly body: Exclude<BodyKind, "until-close">;
  /** The length of the body in bytes, if it is known. */
  readonly contentLength?: number;
  /** Whether the client would send another request on this connection. */
  readonly keepAlive: boolean;
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean;
  /** The protocols that the client would change to, in lower case. */
  readonly upgrade: readonly string[];
}

/** The head of a response, as a {@linkcode ResponseParser} tells it. */
export interface ParsedResponseHead {
  /** 100 to 599. With 1xx but 101, another head follows. */
  readonly status: number;
  /** May be empty. Each character stands for a byte. */
  readonly reason: string;
  /** The version of the protocol. */
  readonly version: "1.0" | "1.1";
  /** All fields, those for one connection alone among them. */
  readonly fields: HttpFields;
  /** How the end of the body is marked. */
  readonly body: BodyKind;
  /** The length of the body in bytes, if it is known. */
  readonly contentLength?: number;
  /** Whether the connection may carry another request when the body has been read. */
  readonly reusable: boolean;
}

/** What a parser calls, in the order in which things come. What these throw comes out of `push`. */
export interface ParserEvents<Head> {
  /** A head is complete. */
  onHead(head: Head): void;
  /** Some of the body, without the framing of chunks; never empty. It belongs to the callee. */
  onData?(data: Uint8Array): void;
  /** The message is complete. `trailers` are the fields behind the body that may be used; mostly there are none. */
  onEnd?(trailers: HttpFields): void;
}

/** Copies the fields out of the bytes of a head; of trailer fields, those that may be used. */
export function listFields(table: FieldTable | undefined, { kept }: { kept: boolean }): HttpFields {
  const fields: [string, string][] = [];
  if (table === undefined) return fields;
  for (let i = 0; i < table.count; i++) {
    if (!kept || !table.isDropped(i)) fields.push([table.name(i), table.value(i)]);
  }
  return fields;
}
