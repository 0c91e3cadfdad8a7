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
    buffer = enlarge(ahead, Math.max(ahead.length, lent.length));
    filled = ahead.length;
  }
  for (;;) {
    if (filled === buffer.length) buffer = enlarge(buffer, 2 * filled);
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
    const detail = isHttp
      ? "it has sent a plain HTTP request, and TLS is expected here"
      : describeError(error);
    throw new TlsHandshakeError("not-tls", { detail, cause: error });
  }
}

function enlarge(bytes: Uint8Array, sizeBytes: number): Uint8Array {
  // One more than a hello may have: the reader is not to wait with a full buffer.
  const larger = new Uint8Array(Math.min(sizeBytes, MAX_CLIENT_HELLO_RECORDS_BYTES + 1));
  larger.set(bytes);
  return larger;
}
