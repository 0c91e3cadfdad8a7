import { ByteCursor } from "../../core/byte_cursor.ts";
import { crc32c } from "./crc32c.ts";
import { formatIp, ipOfWords } from "../ip.ts";
import {
  badProxyHeader,
  MAX_PROXY_V2_BYTES,
  PROXY_V2_SIGNATURE,
  type ProxyAddress,
  type ProxyEndpoints,
  type ProxyHeader,
  type ProxyParse,
} from "./header.ts";
import { decodeUtf8 } from "./text.ts";
import { parseTlvs } from "./parse_tlvs.ts";

/** Signature, version and command, family and protocol, length. */
export const HEAD_BYTES = 16;
/** What the addresses take, by family: none, IPv4, IPv6, unix. */
export const ADDRESS_BYTES: readonly number[] = [0, 12, 36, 216];
const UNIX_PATH_BYTES = 108;
const ZEROS = new Uint8Array(4);

/**
 * Reads a header of version 2, the binary one (specification, section 2.2).
 *
 * @throws {CulvertError} `bad_proxy_header`, as soon as the bytes can't become one.
 */
export function parseProxyV2(bytes: Uint8Array): ProxyParse {
  checkHead(bytes);
  if (bytes.length < HEAD_BYTES) return { kind: "incomplete", atLeast: HEAD_BYTES };
  const local = bytes[12] === 0x20;
  const family = bytes[13]! >> 4;
  // For `local` the family means nothing, and without a family or a protocol we can't say where TLVs would
  // begin.
  const unknown = family === 0 || (bytes[13]! & 15) === 0;
  const length = HEAD_BYTES + bytes[14]! * 256 + bytes[15]!;
  if (length > MAX_PROXY_V2_BYTES) {
    throw badProxyHeader(`it takes ${length} bytes, more than ${MAX_PROXY_V2_BYTES}`);
  }
  if (!local && !unknown && length - HEAD_BYTES < ADDRESS_BYTES[family]!) {
    const expected = `${ADDRESS_BYTES[family]} bytes of addresses`;
    throw badProxyHeader(`expected ${expected}, found ${length - HEAD_BYTES}`);
  }
  if (bytes.length < length) return { kind: "incomplete", atLeast: length };
  if (local || unknown) {
    return { kind: "header", header: { version: 2, kind: local ? "local" : "unknown", tlvs: {} }, length };
  }
  return { kind: "header", header: parseBody(bytes.subarray(0, length), family), length };
}

/** Checks the first 14 bytes, or as many as there are. */
function checkHead(bytes: Uint8Array): void {
  const there = Math.min(bytes.length, PROXY_V2_SIGNATURE.length);
  for (let i = 0; i < there; i++) {
    if (bytes[i] !== PROXY_V2_SIGNATURE[i]) throw badProxyHeader("the signature of version 2 is broken");
  }
  if (bytes.length <= 12) return;
  const version = bytes[12]! >> 4;
  const command = bytes[12]! & 15;
  if (version !== 2) throw badProxyHeader(`expected version 2 behind the signature, found ${version}`);
  if (command > 1) throw badProxyHeader(`expected the command LOCAL or PROXY, found ${command}`);
  if (bytes.length <= 13 || command === 0) return;
  const family = bytes[13]! >> 4;
  const protocol = bytes[13]! & 15;
  if (family > 3) throw badProxyHeader(`the address family ${family} is not known`);
  if (protocol > 2) throw badProxyHeader(`the transport protocol ${protocol} is not known`);
  if (protocol === 2) throw badProxyHeader("datagrams are announced on a stream");
}

/** `bytes` is all of the header, with room enough for the addresses. */
function parseBody(bytes: Uint8Array, family: number): ProxyHeader {
  const cursor = new ByteCursor(bytes, { fail: badProxyHeader, offset: HEAD_BYTES });
  const endpoints = family === 3 ? readPaths(cursor) : readIps(cursor, family === 1 ? 4 : 16);
  const { tlvs, checksum } = parseTlvs(cursor);
  if (checksum !== undefined && checksum.value !== checksumOf(bytes, checksum.offset)) {
    throw badProxyHeader("the checksum is wrong");
  }
  return { version: 2, kind: "proxy", endpoints, tlvs };
}

/** The checksum of the header with zeros where it has its own. */
function checksumOf(bytes: Uint8Array, offset: number): number {
  const before = crc32c(bytes.subarray(0, offset));
  return crc32c(bytes.subarray(offset + ZEROS.length), crc32c(ZEROS, before));
}

function readIps(cursor: ByteCursor, size: 4 | 16): ProxyEndpoints {
  const source = readIp(cursor, size);
  const destination = readIp(cursor, size);
  return {
    source: { ip: source, port: cursor.uint(2, "the source's port") },
    destination: { ip: destination, port: cursor.uint(2, "the destination's port") },
  };
}

function readIp(cursor: ByteCursor, size: 4 | 16): string {
  const words: number[] = [];
  for (let i = 0; i < size; i += 4) words.push(cursor.uint(4, "an address"));
  return formatIp(ipOfWords(words));
}

function readPaths(cursor: ByteCursor): ProxyEndpoints {
  const source = readPath(cursor.take(UNIX_PATH_BYTES, "the source's path"));
  return { source, destination: readPath(cursor.take(UNIX_PATH_BYTES, "the destination's path")) };
}

/** A path ends at its first zero, or fills the field; a name in the abstract namespace begins with a zero. */
function readPath(field: Uint8Array): ProxyAddress {
  const abstract = field[0] === 0;
  const name = abstract ? field.subarray(1) : field;
  const end = name.indexOf(0);
  const text = decodeUtf8(end === -1 ? name : name.subarray(0, end), "a path");
  return { ip: "unix", port: 0, path: abstract && text !== "" ? `@${text}` : text };
}
