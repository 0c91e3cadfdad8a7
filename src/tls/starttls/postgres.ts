import { latin1 } from "../../core/latin1.ts";
import { badPrelude, type PreludeStream, refusedByBackend, withoutTls } from "./prelude_stream.ts";
import type { StartTlsProtocol } from "./protocol.ts";

// PostgreSQL: frontend/backend protocol, "SSL Session Encryption" and "Message Formats".

const REQUEST_BYTES = 8;
const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const TLS_HANDSHAKE = 0x16;
const YES = new Uint8Array([0x53]); // S
const NO = new Uint8Array([0x4e]); // N

/** PostgreSQL: an SSLRequest, answered with one byte; or TLS from the first byte on, as since version 17. */
export const postgres: StartTlsProtocol = {
  alpn: "postgresql",

  async offer(stream) {
    for (let gssRefused = false;; gssRefused = true) {
      const [first] = await stream.peek(1);
      if (first === TLS_HANDSHAKE) return;
      const code = await readRequest(stream);
      if (code === SSL_REQUEST) {
        stream.requireEmpty();
        return await stream.write(YES);
      }
      if (code !== GSSENC_REQUEST || gssRefused) throw await refuse(stream, code);
      // The client waits for the answer, and then asks for TLS.
      stream.requireEmpty();
      await stream.write(NO);
    }
  },

  async request(stream) {
    const message = new Uint8Array(REQUEST_BYTES);
    const view = new DataView(message.buffer);
    view.setUint32(0, REQUEST_BYTES);
    view.setUint32(4, SSL_REQUEST);
    await stream.write(message);
    const answer = latin1(await stream.take(1));
    // What follows an E (an error) can't be trusted, and is not read (CVE-2024-10977).
    if (answer !== "S") throw refusedByBackend(answer);
    stream.requireEmpty();
    return undefined;
  },
};

/** The code of a message without a type: of a request, or the protocol's version in a StartupMessage. */
async function readRequest(stream: PreludeStream): Promise<number> {
  const head = await stream.take(REQUEST_BYTES);
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const [length, code] = [view.getUint32(0), view.getUint32(4)];
  const isRequest = code === SSL_REQUEST || code === GSSENC_REQUEST;
  const isKnown = isRequest || code === CANCEL_REQUEST || code >>> 16 === 3;
  if (!isKnown || (isRequest && length !== REQUEST_BYTES)) {
    throw badPrelude(`expected an SSLRequest of PostgreSQL, got ${head.toHex()}`);
  }
  return code;
}

/** Tells a client that goes on without TLS. There is no answer to a CancelRequest. */
async function refuse(stream: PreludeStream, code: number): Promise<Error> {
  if (code === CANCEL_REQUEST) return withoutTls("a CancelRequest");
  if (code === GSSENC_REQUEST) return badPrelude("it asked for GSSAPI encryption twice");
  await stream.writeLast(errorResponse("28000", "TLS is required: connect with sslmode=require or above"));
  return withoutTls("a StartupMessage");
}

/** An ErrorResponse. */
function errorResponse(code: string, message: string): Uint8Array {
  const fields = `SFATAL\0VFATAL\0C${code}\0M${message}\0\0`;
  const bytes = new Uint8Array(5 + fields.length);
  bytes[0] = 0x45; // E
  new DataView(bytes.buffer).setUint32(1, 4 + fields.length);
  bytes.set(new TextEncoder().encode(fields), 5);
  return bytes;
}
