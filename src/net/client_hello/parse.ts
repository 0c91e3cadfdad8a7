import { latin1 } from "../../core/latin1.ts";
import { ByteCursor } from "../../core/byte_cursor.ts";
import { badClientHello } from "./records.ts";
import { HelloAssembler } from "./records.ts";
import { quoteText } from "../../core/escape_text.ts";
import { faultOfServerName } from "./server_name.ts";

/** What a client says of itself and of what it wants, before anything is encrypted. */
export interface ClientHello {
  /**
   * The name of the server that it wants, in lower case and without a dot at its end; absent if it gives none, or
   * none that is a host name.
   */
  readonly serverName?: string;
  /**
   * Why the server name that it gives is none to route by, such as `the server name "127.0.0.1" is an IP address`;
   * absent if it gives none, or a host name.
   */
  readonly serverNameFault?: string;
  /** The application protocols that it offers, a character for each byte; empty if it offers none. */
  readonly alpn: readonly string[];
  /** The versions of TLS that it offers, such as 0x0303 (1.2) and 0x0304 (1.3), without GREASE (RFC 8701). */
  readonly versions: readonly number[];
  /**
   * Whether an encrypted hello is in it, or one made up (GREASE), which cannot be distinguished. `serverName` is
   * the name outside of it, which is the one to route by.
   */
  readonly encryptedHello: boolean;
}

/** What the first bytes of a connection are. */
export type ClientHelloParse =
  /** There must be `atLeast` bytes in all before it is worth while to look again. */
  | { readonly kind: "incomplete"; readonly atLeast: number }
  /** The records that carry the hello take the first `length` bytes. */
  | { readonly kind: "hello"; readonly hello: ClientHello; readonly length: number };

/** Types of extensions. */
const EXTENSION = { serverName: 0, alpn: 16, supportedVersions: 43, encryptedHello: 0xfe0d };
const HOST_NAME = 0;
const RANDOM_BYTES = 32;
const MAX_SESSION_ID_BYTES = 32;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * Reads the ClientHello (RFC 8446, section 4.1.2, and those before it) at the start of `bytes`, which are all
 * that has come so far, in TLS records. A hello takes 16 KiB at most. Nothing of it is decided upon but its
 * form and its name.
 *
 * @throws {CulvertError} `bad_client_hello`, as soon as the bytes can't become one.
 */
export function parseClientHello(bytes: Uint8Array): ClientHelloParse {
  const assembler = new HelloAssembler();
  const atLeast = assembler.advance(bytes);
  if (atLeast > 0) return { kind: "incomplete", atLeast };
  return { kind: "hello", hello: parseHelloMessage(assembler.join(bytes)), length: assembler.length };
}

/**
 * Reads a ClientHello that is complete and has been taken out of its records, with its header of four bytes.
 *
 * @throws {CulvertError} `bad_client_hello`
 */
export function parseHelloMessage(message: Uint8Array): ClientHello {
  const cursor = new ByteCursor(message, { fail: badClientHello, offset: 4 });
  const version = cursor.uint(2, "its version");
  cursor.take(RANDOM_BYTES, "its random");
  if (cursor.vector(1, "the session id").length > MAX_SESSION_ID_BYTES) {
    throw badClientHello(`the session id is longer than ${MAX_SESSION_ID_BYTES} bytes`);
  }
  const ciphers = cursor.vector(2, "the cipher suites").length;
  if (ciphers === 0 || ciphers % 2 !== 0) throw badClientHello(`the cipher suites take ${ciphers} bytes`);
  if (cursor.vector(1, "the compression methods").length === 0) {
    throw badClientHello("there is no compression method");
  }
  const hello: Mutable<ClientHello> = { alpn: [], versions: [version], encryptedHello: false };
  // Before TLS 1.2 there may be none.
  if (cursor.left > 0) parseExtensions(hello, cursor.nested(2, "the extensions"));
  cursor.end("it");
  return hello;
}

function parseExtensions(hello: Mutable<ClientHello>, cursor: ByteCursor): void {
  const seen = new Set<number>();
  while (cursor.left > 0) {
    const type = cursor.uint(2, "an extension's type");
    if (seen.has(type)) throw badClientHello(`the extension ${type} comes twice`);
    seen.add(type);
    const extension = cursor.nested(2, `the extension ${type}`);
    if (type === EXTENSION.serverName) Object.assign(hello, parseServerNames(extension));
    else if (type === EXTENSION.alpn) hello.alpn = parseAlpn(extension);
    else if (type === EXTENSION.supportedVersions) hello.versions = parseVersions(extension);
    else if (type === EXTENSION.encryptedHello) hello.encryptedHello = true;
  }
}

/**
 * RFC 6066, section 3. Only host names have ever been defined, and there may be one. A dot at its end is not part of
 * it, though some clients send one.
 */
function parseServerNames(extension: ByteCursor): Pick<ClientHello, "serverName" | "serverNameFault"> {
  const list = extension.nested(2, "the list of server names");
  extension.end("the server name extension");
  if (list.left === 0) return { serverNameFault: "the list of server names is empty" };
  const type = list.uint(1, "the server name's type");
  const sent = latin1(list.vector(2, "the server name"));
  if (list.left > 0) return { serverNameFault: "there is more than one server name" };
  if (type !== HOST_NAME) return { serverNameFault: `the server name is of type ${type}` };
  const name = sent.endsWith(".") ? sent.slice(0, -1) : sent;
  const fault = faultOfServerName(name);
  if (fault !== undefined) return { serverNameFault: `the server name ${quoteText(sent)} is ${fault}` };
  return { serverName: name.toLowerCase() };
}

/** RFC 7301, section 3.1. */
function parseAlpn(extension: ByteCursor): string[] {
  const list = extension.nested(2, "the list of protocols");
  extension.end("the ALPN extension");
  const protocols: string[] = [];
  while (list.left > 0) {
    const protocol = list.vector(1, "a protocol's name");
    if (protocol.length === 0) throw badClientHello("a protocol's name is empty");
    protocols.push(latin1(protocol));
  }
  if (protocols.length === 0) throw badClientHello("the list of protocols is empty");
  return protocols;
}

/** RFC 8446, section 4.2.1. */
function parseVersions(extension: ByteCursor): number[] {
  const list = extension.nested(1, "the list of versions");
  extension.end("the versions extension");
  const versions: number[] = [];
  if (list.left === 0) throw badClientHello("the list of versions is empty");
  while (list.left > 0) {
    const version = list.uint(2, "a version");
    if (!isGrease(version)) versions.push(version);
  }
  return versions;
}

/** Values that clients throw in so that unknown ones are tolerated: 0x0a0a, 0x1a1a, and so on. */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >> 8 === (value & 0xff);
}
