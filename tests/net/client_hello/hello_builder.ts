import { joined, type Part } from "../hex.ts";

/** What a hello made by hand consists of. Every part may be wrong. */
export interface HelloParts {
  /** @default TLS 1.2 */
  readonly version?: readonly number[];
  /** With its length. @default empty */
  readonly sessionId?: Uint8Array;
  /** With their length. @default one */
  readonly ciphers?: Uint8Array;
  /** With their length. @default none but "null" */
  readonly compression?: Uint8Array;
  /** All extensions, without the length of all; `undefined`: not even a length. */
  readonly extensions?: Uint8Array | undefined;
}

/** A number in network order. */
export function uint(value: number, size: number): number[] {
  return Array.from({ length: size }, (_, i) => Math.floor(value / 256 ** (size - 1 - i)) % 256);
}

/** Contents behind their length. */
export function vector(lengthSize: number, ...parts: Part[]): Uint8Array {
  const contents = joined(...parts);
  return joined(uint(contents.length, lengthSize), contents);
}

/** An extension. */
export function extension(type: number, ...parts: Part[]): Uint8Array {
  return joined(uint(type, 2), vector(2, ...parts));
}

/** The extension with this server name, or names. */
export function serverName(...names: Part[]): Uint8Array {
  return extension(0, vector(2, ...names.map((name) => joined([0], vector(2, name)))));
}

/** A ClientHello message, with its header. */
export function helloMessage(parts: HelloParts = {}): Uint8Array {
  const { version = [3, 3], sessionId = vector(1), ciphers = vector(2, [0x13, 0x01]) } = parts;
  const { compression = vector(1, [0]), extensions } = parts;
  const body = joined(version, new Uint8Array(32), sessionId, ciphers, compression);
  return handshake(1, extensions === undefined ? body : joined(body, vector(2, extensions)));
}

/** A handshake message. */
export function handshake(type: number, body: Uint8Array): Uint8Array {
  return joined([type], vector(3, body));
}

/** A TLS record. */
export function record(type: number, fragment: Uint8Array): Uint8Array {
  return joined([type, 3, 1], vector(2, fragment));
}

/** A handshake message in records of so many bytes at most. */
export function records(message: Uint8Array, size: number): Uint8Array {
  const all: Uint8Array[] = [];
  for (let at = 0; at < message.length; at += size) all.push(record(22, message.subarray(at, at + size)));
  return joined(...all);
}

/** A whole hello in one record. */
export function clientHello(parts: HelloParts = {}): Uint8Array {
  return record(22, helloMessage(parts));
}

/** Takes a handshake out of its records. */
export function handshakeOf(stream: Uint8Array): Uint8Array {
  const fragments: Uint8Array[] = [];
  for (let at = 0; at < stream.length;) {
    const end = at + 5 + stream[at + 3]! * 256 + stream[at + 4]!;
    fragments.push(stream.subarray(at + 5, end));
    at = end;
  }
  return joined(...fragments);
}
