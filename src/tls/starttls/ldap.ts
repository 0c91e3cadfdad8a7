import { concat } from "@std/bytes/concat";
import { TlsHandshakeError } from "../session/handshake_errors.ts";
import { badPrelude, type PreludeStream, refusedByBackend, withoutTls } from "./prelude_stream.ts";
import type { StartTlsProtocol } from "./protocol.ts";

// LDAP: StartTLS, RFC 4511, section 4.14. Messages are BER with definite lengths.

const OID = new TextEncoder().encode("1.3.6.1.4.1.1466.20037");
const MAX_MESSAGE_BYTES = 4096;
const SUCCESS = 0;
const CONFIDENTIALITY_REQUIRED = 13;

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTET_STRING = 0x04;
const ENUMERATED = 0x0a;
const REQUEST_NAME = 0x80;
const RESPONSE_NAME = 0x8a;
const UNBIND = 0x42;
const ABANDON = 0x50;
const EXTENDED_REQUEST = 0x77;
const EXTENDED_RESPONSE = 0x78;

/** The tag of the response to each request that has one. */
const RESPONSES: ReadonlyMap<number, number> = new Map([
  [0x60, 0x61], // bind
  [0x63, 0x65], // search: its end
  [0x66, 0x67], // modify
  [0x68, 0x69], // add
  [0x4a, 0x6b], // delete
  [0x6c, 0x6d], // modify DN
  [0x6e, 0x6f], // compare
  [EXTENDED_REQUEST, EXTENDED_RESPONSE],
]);

/** Requests that a client may send before TLS. */
const MAX_REQUESTS = 20;

/** LDAP: the extended operation StartTLS. */
export const ldap: StartTlsProtocol = {
  async offer(stream) {
    for (let count = 0; count < MAX_REQUESTS; count++) {
      const { id, tag, content } = await readMessage(stream);
      if (tag === UNBIND) throw new TlsHandshakeError("aborted");
      if (tag === ABANDON) continue;
      const response = RESPONSES.get(tag);
      if (response === undefined) throw badPrelude(`expected a request of LDAP, got the tag ${tag}`);
      if (tag === EXTENDED_REQUEST && isStartTls(content)) {
        stream.requireEmpty();
        return await stream.write(message(id, startTlsResponse()));
      }
      await stream.write(
        message(id, element(response, ...result(CONFIDENTIALITY_REQUIRED, "TLS is required"))),
      );
      // The password is out already; nothing else is to follow it.
      if (tag === 0x60) throw withoutTls("a bind");
    }
    throw badPrelude(`more than ${MAX_REQUESTS} requests before TLS`);
  },

  async request(stream) {
    const id = element(INTEGER, new Uint8Array([1]));
    await stream.write(message(id, element(EXTENDED_REQUEST, element(REQUEST_NAME, OID))));
    const { id: answered, tag, content } = await readMessage(stream);
    if (tag !== EXTENDED_RESPONSE || !same(answered, id)) {
      throw badPrelude("expected the response to StartTLS");
    }
    const code = readElement(content, 0);
    if (code.tag !== ENUMERATED || code.content.length !== 1) throw badPrelude("a response without a result");
    if (code.content[0] !== SUCCESS) throw refusedByBackend(`the result code ${code.content[0]}`);
    stream.requireEmpty();
    return undefined;
  },
};

interface Message {
  /** The element of the message's number, with tag and length. */
  readonly id: Uint8Array;
  /** What it is. */
  readonly tag: number;
  readonly content: Uint8Array;
}

async function readMessage(stream: PreludeStream): Promise<Message> {
  const [tag, first = 0] = await stream.peek(2);
  if (tag !== SEQUENCE) throw badPrelude("expected a message of LDAP");
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 4) throw badPrelude("a message without a definite length");
  const head = await stream.peek(2 + lengthBytes);
  const length = lengthBytes === 0 ? first : head.subarray(2).reduce((sum, byte) => sum * 256 + byte, 0);
  if (length > MAX_MESSAGE_BYTES) throw badPrelude(`a message has more than ${MAX_MESSAGE_BYTES} bytes`);
  // A copy: the stream's view is good until its next call only.
  const bytes = (await stream.take(2 + lengthBytes + length)).slice(2 + lengthBytes);
  const id = readElement(bytes, 0);
  if (id.tag !== INTEGER || id.content.length > 4) throw badPrelude("a message without a number");
  const operation = readElement(bytes, id.end);
  return { id: bytes.subarray(0, id.end), tag: operation.tag, content: operation.content };
}

function readElement(bytes: Uint8Array, start: number): { tag: number; content: Uint8Array; end: number } {
  const [tag, first] = [bytes[start], bytes[start + 1]];
  if (tag === undefined || first === undefined || first === 0x80) throw badPrelude("a message is cut short");
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (lengthBytes > 4) throw badPrelude("a length is too long");
  const from = start + 2 + lengthBytes;
  const length = lengthBytes === 0
    ? first
    : bytes.subarray(start + 2, from).reduce((sum, byte) => sum * 256 + byte, 0);
  const end = from + length;
  if (from > bytes.length || end > bytes.length) throw badPrelude("a message is cut short");
  return { tag, content: bytes.subarray(from, end), end };
}

function isStartTls(content: Uint8Array): boolean {
  const name = readElement(content, 0);
  return name.tag === REQUEST_NAME && same(name.content, OID);
}

function startTlsResponse(): Uint8Array {
  return element(EXTENDED_RESPONSE, ...result(SUCCESS, ""), element(RESPONSE_NAME, OID));
}

/** Result code, matched DN and diagnostic message. */
function result(code: number, text: string): Uint8Array[] {
  return [
    element(ENUMERATED, new Uint8Array([code])),
    element(OCTET_STRING),
    element(OCTET_STRING, new TextEncoder().encode(text)),
  ];
}

function message(id: Uint8Array, operation: Uint8Array): Uint8Array {
  return element(SEQUENCE, id, operation);
}

/** One element with at most 127 bytes of content: nothing longer is written here. */
function element(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concat([Uint8Array.of(tag, length), ...parts]);
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
