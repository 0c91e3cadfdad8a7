import { latin1 } from "../../core/latin1.ts";
import { badPrelude, type PreludeStream, refusedByBackend, withoutTls } from "./prelude_stream.ts";
import type { StartTlsProtocol } from "./protocol.ts";

// MySQL and MariaDB: "Connection Phase" of the client/server protocol. A packet is a length of three bytes, a sequence
// number, and as many bytes; numbers are little-endian.

const HEADER_BYTES = 4;
/** What comes before the password in a HandshakeResponse41, and all that an SSLRequest has. */
const SSL_REQUEST_BYTES = 32;
const MAX_GREETING_BYTES = 1024;
/** A user, a database, an answer to the challenge and attributes, which clients choose. */
const MAX_RESPONSE_BYTES = 8192;

const CLIENT_PROTOCOL_41 = 0x0200;
const CLIENT_SSL = 0x0800;
const CLIENT_SECURE_CONNECTION = 0x8000;
const CLIENT_PLUGIN_AUTH = 0x80000;
const PROTOCOL_10 = 10;
const ERR = 0xff;
const MAX_PACKET = 0x1000000;
const UTF8MB4 = 45;

/** A packet with its header. */
export type MysqlPacket = Uint8Array<ArrayBuffer>;

/**
 * What a check says; the TLS of a client's connection is begun with what the client says of itself, by
 * {@linkcode readSslRequest}, {@linkcode sslRequestOf} and {@linkcode withTls}.
 */
export const mysql: StartTlsProtocol = {
  async request(stream) {
    const greeting = await readGreeting(stream, { tls: true });
    const request = new Uint8Array(HEADER_BYTES + SSL_REQUEST_BYTES);
    const view = new DataView(request.buffer);
    const flags = CLIENT_PROTOCOL_41 | CLIENT_SSL | CLIENT_SECURE_CONNECTION | CLIENT_PLUGIN_AUTH;
    request.set([SSL_REQUEST_BYTES, 0, 0, 1]);
    view.setUint32(HEADER_BYTES, flags, true);
    view.setUint32(HEADER_BYTES + 4, MAX_PACKET, true);
    request[HEADER_BYTES + 8] = UTF8MB4;
    await stream.write(request);
    return greeting;
  },
};

/**
 * The packet that a server greets with. Nothing may follow it: the server waits for the client then.
 *
 * @param options `tls`: whether the server must offer TLS.
 * @throws {TlsHandshakeError} `starttls-refused` if it refuses, or offers no TLS where it must; `bad-starttls`.
 */
export async function readGreeting(stream: PreludeStream, { tls }: { tls: boolean }): Promise<MysqlPacket> {
  const packet = await readPacket(stream, { sequence: 0, max: MAX_GREETING_BYTES });
  const [first] = packet.subarray(HEADER_BYTES);
  if (first === ERR) throw refusedByBackend(latin1(packet.subarray(HEADER_BYTES + 3)));
  if (first !== PROTOCOL_10) throw badPrelude("expected a greeting of MySQL, of the protocol's version 10");
  stream.requireEmpty();
  if (tls && (packet[flagsAt(packet) + 1]! & CLIENT_SSL >> 8) === 0) {
    throw refusedByBackend("a greeting without TLS");
  }
  return packet;
}

/** The greeting, offering TLS or not. */
export function offering(greeting: MysqlPacket, tls: boolean): MysqlPacket {
  const packet = greeting.slice();
  setTls(packet, { at: flagsAt(packet), tls });
  return packet;
}

/**
 * The client's request for TLS, which is an answer to the greeting cut short. It is not answered, so TLS follows it at
 * once: what has been read behind it is for TLS, and for nothing else. A client that goes on without TLS gets an error.
 *
 * @throws {TlsHandshakeError} `no-starttls` or `bad-starttls`.
 */
export async function readSslRequest(stream: PreludeStream): Promise<MysqlPacket> {
  const packet = await readPacket(stream, { sequence: 1, max: MAX_RESPONSE_BYTES });
  const wantsTls = hasTls(packet);
  if (wantsTls && packet.length === HEADER_BYTES + SSL_REQUEST_BYTES) return packet;
  if (wantsTls) throw badPrelude("a request for TLS with something behind it");
  await stream.writeLast(
    errorPacket(2, { code: 3159, state: "08004", message: "TLS is required: use --ssl" }),
  );
  throw withoutTls("a HandshakeResponse");
}

/**
 * The client's whole answer to the greeting: with the sequence number 1, or 2 behind its request for TLS.
 *
 * @throws {TlsHandshakeError} `bad-starttls`.
 */
export async function readResponse(stream: PreludeStream, sequence: 1 | 2): Promise<MysqlPacket> {
  const packet = await readPacket(stream, { sequence, max: MAX_RESPONSE_BYTES });
  if (packet.length <= HEADER_BYTES + SSL_REQUEST_BYTES || (hasTls(packet) !== (sequence === 2))) {
    throw badPrelude("expected a HandshakeResponse of MySQL");
  }
  return packet;
}

/** The request for TLS that a client would have sent before this answer. */
export function sslRequestOf(response: MysqlPacket): MysqlPacket {
  const request = response.slice(0, HEADER_BYTES + SSL_REQUEST_BYTES);
  request.set([SSL_REQUEST_BYTES, 0, 0, 1]);
  setTls(request, { at: HEADER_BYTES, tls: true });
  return request;
}

/** The answer as it is behind a request for TLS, or without one. */
export function withTls(response: MysqlPacket, tls: boolean): MysqlPacket {
  const packet = response.slice();
  packet[3] = tls ? 2 : 1;
  setTls(packet, { at: HEADER_BYTES, tls });
  return packet;
}

async function readPacket(
  stream: PreludeStream,
  { sequence, max }: { sequence: number; max: number },
): Promise<MysqlPacket> {
  const [low = 0, middle = 0, high = 0, given] = await stream.peek(HEADER_BYTES);
  const length = low + middle * 0x100 + high * 0x10000;
  if (given !== sequence) throw badPrelude(`expected the packet ${sequence} of MySQL, got ${given}`);
  if (length === 0 || length > max) throw badPrelude(`a packet of ${length} bytes, expected 1 to ${max}`);
  return (await stream.take(HEADER_BYTES + length)).slice();
}

/** Whether the client's packet asks for TLS. */
function hasTls(packet: MysqlPacket): boolean {
  if (packet.length < HEADER_BYTES + SSL_REQUEST_BYTES) throw badPrelude("an answer of MySQL is cut short");
  const flags = new DataView(packet.buffer).getUint32(HEADER_BYTES, true);
  if ((flags & CLIENT_PROTOCOL_41) === 0) throw badPrelude("it speaks the protocol of MySQL before 4.1");
  return (flags & CLIENT_SSL) !== 0;
}

/** Where the lower half of the server's flags stands: behind version, thread, the challenge's beginning and a zero. */
function flagsAt(greeting: MysqlPacket): number {
  const end = greeting.indexOf(0, HEADER_BYTES + 1);
  const at = end + 1 + 4 + 8 + 1;
  if (end < 0 || at + 2 > greeting.length) throw badPrelude("a greeting of MySQL is cut short");
  return at;
}

function setTls(packet: MysqlPacket, { at, tls }: { at: number; tls: boolean }): void {
  const high = CLIENT_SSL >> 8;
  packet[at + 1] = tls ? packet[at + 1]! | high : packet[at + 1]! & ~high;
}

function errorPacket(
  sequence: number,
  { code, state, message }: { code: number; state: string; message: string },
): Uint8Array {
  const text = `#${state}${message}`;
  const packet = new Uint8Array(HEADER_BYTES + 3 + text.length);
  packet.set([3 + text.length, 0, 0, sequence, ERR, code & 0xff, code >> 8]);
  packet.set(new TextEncoder().encode(text), HEADER_BYTES + 3);
  return packet;
}
