import { enlarge } from "../core/enlarge.ts";
import { CulvertError, describeError } from "../core/errors.ts";
import type { BufferPool } from "../net/buffers.ts";
import type { Connection } from "../net/connection.ts";
import { HelloAssembler, MAX_CLIENT_HELLO_RECORDS_BYTES } from "../net/client_hello/records.ts";
import { TlsHandshakeError } from "./session/handshake_errors.ts";

/** Options of {@linkcode prereadHello}. */
export interface PrereadHelloOptions {
  /** Lends the first buffer, of 1 KiB. */
  readonly buffers: BufferPool;
  /** What was read from the connection already. */
  readonly ahead?: Uint8Array | undefined;
}

/** A complete ClientHello, and what has been read behind it. */
export interface HelloPreread extends Disposable {
  /** All that has been read. Valid until this is disposed of. */
  readonly bytes: Uint8Array;
}

/** One more byte than a ClientHello may have: a read must not be given an empty buffer. */
const MAX_BUFFER_BYTES = MAX_CLIENT_HELLO_RECORDS_BYTES + 1;
const HANDSHAKE_RECORD = 22;
const MAJOR_VERSION = 3;
const HTTP_REQUEST = /^(?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PRI) \S/;
/** As much as tells an HTTP request from other text. */
const TEXT_BYTES = 16;

/**
 * Reads a client's ClientHello (RFC 8446 section 4.1.2) before there is a TLS engine, which takes 1 ms of processor
 * time to make: a client that says nothing, or half of its hello, costs a read and a buffer. What can't become a
 * ClientHello is refused at its first byte, one of more than 16 KiB as soon as its length is known.
 *
 * The caller owns the connection and sees to the deadline: closing the connection makes this reject.
 *
 * @throws {TlsHandshakeError} `not-tls`, `bad-message`, or `aborted` where the stream ends before; and whatever the
 * connection's `read` throws.
 */
export async function prereadHello(
  connection: Connection,
  options: PrereadHelloOptions,
): Promise<HelloPreread> {
  const { buffers, ahead } = options;
  const lent = buffers.take();
  const giveBack = () => buffers.give(lent);
  try {
    const bytes = await read(connection, { buffer: lent, ahead });
    return { bytes, [Symbol.dispose]: giveBack };
  } catch (error) {
    giveBack();
    throw error;
  }
}

async function read(
  connection: Connection,
  { buffer: lent, ahead }: { buffer: Uint8Array; ahead: Uint8Array | undefined },
): Promise<Uint8Array> {
  const assembler = new HelloAssembler();
  let buffer = lent;
  let filled = 0;
  if (ahead !== undefined) {
    if (isComplete(assembler, ahead)) return ahead;
    buffer = enlarge(ahead, Math.min(Math.max(ahead.length, lent.length), MAX_BUFFER_BYTES));
    filled = ahead.length;
  }
  for (;;) {
    if (filled === buffer.length) buffer = enlarge(buffer, Math.min(2 * filled, MAX_BUFFER_BYTES));
    const count = await connection.read(buffer.subarray(filled));
    if (count === null) throw new TlsHandshakeError("aborted");
    filled += count;
    const bytes = buffer.subarray(0, filled);
    if (isComplete(assembler, bytes)) return bytes;
  }
}

function isComplete(assembler: HelloAssembler, bytes: Uint8Array): boolean {
  try {
    return assembler.advance(bytes) === 0;
  } catch (error) {
    if (!(error instanceof CulvertError)) throw error;
    const isTls = bytes[0] === HANDSHAKE_RECORD && (bytes.length === 1 || bytes[1] === MAJOR_VERSION);
    if (isTls) throw new TlsHandshakeError("bad-message", { detail: describeError(error), cause: error });
    const isHttp = HTTP_REQUEST.test(new TextDecoder().decode(bytes.subarray(0, TEXT_BYTES)));
    const detail = isHttp ? "it sent a plain HTTP request instead of TLS" : describeError(error);
    throw new TlsHandshakeError("not-tls", { detail, cause: error });
  }
}
