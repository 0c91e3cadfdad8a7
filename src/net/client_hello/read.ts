import { enlarge } from "../../core/enlarge.ts";
import { CulvertError } from "../../core/errors.ts";
import { type ClientHello, parseHelloMessage } from "./parse.ts";
import { badClientHello, OversizedHelloError } from "./records.ts";
import type { Connection } from "../connection.ts";
import { HelloAssembler, MAX_CLIENT_HELLO_RECORDS_BYTES } from "./records.ts";

/** Options of {@linkcode readClientHello}. */
export interface ReadClientHelloOptions {
  /** What to read into; larger ones are made as need be, up to 32 KiB. @default a new one of 2 KiB */
  readonly buffer?: Uint8Array;
}

/** What {@linkcode readClientHello} has found. */
export interface ReadClientHello {
  /** What the client says of itself. */
  readonly hello: ClientHello;
  /**
   * All that has been read, the hello's records first, to go on untouched. A view of the buffer that was
   * handed in (or of a larger one): copy it before the buffer is used for something else.
   */
  readonly bytes: Uint8Array;
}

/** What {@linkcode prereadClientHello} has found. */
export interface ClientHelloPreread {
  /** What the client says of itself; absent: its first bytes are no ClientHello that can be read. */
  readonly hello?: ClientHello;
  /** Why there is no `hello`. */
  readonly fault?: CulvertError;
  /** As in {@linkcode ReadClientHello}. */
  readonly bytes: Uint8Array;
}

const BUFFER_BYTES = 2048;

/**
 * Reads the ClientHello that a connection must begin with, in whatever pieces and records it comes. What it
 * takes is bounded: 16 KiB for the hello, 32 KiB with the headers of its records; and memory follows what has
 * come, not what has been announced.
 *
 * The caller owns the connection and sees to the deadline: closing the connection makes this reject.
 *
 * @throws {CulvertError} `bad_client_hello` for anything else than a hello, an end of the stream within it
 * included; `no_client_hello` if the stream ends before its first byte; or what the connection's `read` throws.
 */
export async function readClientHello(
  connection: Connection,
  options: ReadClientHelloOptions = {},
): Promise<ReadClientHello> {
  const { hello, fault, bytes } = await prereadClientHello(connection, options);
  if (hello === undefined) throw fault;
  return { hello, bytes };
}

/**
 * The same for a connection that need not begin with a ClientHello: what can't become one is no error, and all that
 * has been read of it is in `bytes`. It resolves as soon as that is known, most often at the first byte.
 *
 * @throws {CulvertError} `bad_client_hello` for a hello that is larger than the bounds, or cut short by the end of the
 * stream; `no_client_hello` if the stream ends before its first byte; or what the connection's `read` throws.
 */
export async function prereadClientHello(
  connection: Connection,
  options: ReadClientHelloOptions = {},
): Promise<ClientHelloPreread> {
  const assembler = new HelloAssembler();
  let buffer = options.buffer ?? new Uint8Array(BUFFER_BYTES);
  let filled = 0;
  for (;;) {
    if (filled === buffer.length) {
      const sizeBytes = Math.max(2 * filled, BUFFER_BYTES);
      buffer = enlarge(buffer, Math.min(sizeBytes, MAX_CLIENT_HELLO_RECORDS_BYTES));
    }
    const count = await connection.read(buffer.subarray(filled));
    if (count === null) throw endsEarly(filled);
    filled += count;
    const bytes = buffer.subarray(0, filled);
    try {
      if (assembler.advance(bytes) === 0) return { hello: parseHelloMessage(assembler.join(bytes)), bytes };
    } catch (error) {
      if (!(error instanceof CulvertError) || error instanceof OversizedHelloError) throw error;
      return { fault: error, bytes };
    }
  }
}

/** A connection that ends without a byte has an error of its own: TCP health checks do that. */
function endsEarly(bytes: number): CulvertError {
  if (bytes > 0) return badClientHello(`the stream ends after ${bytes} bytes`);
  return new CulvertError("no_client_hello", "Cannot read the ClientHello: the stream ends before it");
}
