import { enlarge } from "../../core/enlarge.ts";
import { CulvertError } from "../../core/errors.ts";
import type { Connection } from "../connection.ts";
import {
  badProxyHeader,
  PROXY_V2_SIGNATURE,
  type ProxyHeader,
  type ProxyParse,
  type ProxyTlv,
} from "./header.ts";
import { listProxyTlvs } from "./tlv_list.ts";
import { parseProxyV1 } from "./parse_v1.ts";
import { parseProxyV2 } from "./parse_v2.ts";

/** Options of {@linkcode readProxyHeader}. */
export interface ReadProxyHeaderOptions {
  /** What to read into; larger ones are made for a header that does not fit. @default a new one of 1 KiB */
  readonly buffer?: Uint8Array;
}

/** What {@linkcode readProxyHeader} has found. */
export interface ReadProxyHeader {
  /** What the sender says of the connection. */
  readonly header: ProxyHeader;
  /**
   * What came with the header and belongs to the next layer; most often empty. A view of the buffer that was
   * handed in (or of the larger one): copy it before the buffer is used for something else.
   */
  readonly rest: Uint8Array;
  /**
   * The TLVs of a header of version 2 as they came, those that are not known too, without checksum and padding; the
   * values are copies. Empty for version 1.
   */
  readonly tlvs: readonly ProxyTlv[];
}

const BUFFER_BYTES = 1024;
/** Room for most headers: a buffer that is handed in may have none. */
const SMALLEST_BYTES = 128;
const P = 0x50;

/**
 * Reads the PROXY header that a connection must begin with, of version 1 or 2, in whatever pieces it comes.
 * At most 32,784 bytes are waited for. Whether there is one cannot be detected: only call it for a sender that must
 * send one and is trusted (specification, section 5).
 *
 * The caller owns the connection and sees to the deadline: closing the connection makes this reject.
 *
 * @throws {CulvertError} `bad_proxy_header` for anything else than a header, an end of the stream within it
 * included; `no_proxy_header` if the stream ends before its first byte; or what the connection's `read` throws.
 */
export async function readProxyHeader(
  connection: Connection,
  options: ReadProxyHeaderOptions = {},
): Promise<ReadProxyHeader> {
  let buffer = options.buffer ?? new Uint8Array(BUFFER_BYTES);
  let filled = 0;
  for (;;) {
    const parsed = parseProxyHeader(buffer.subarray(0, filled));
    if (parsed.kind === "header") {
      const { header, length } = parsed;
      const tlvs = header.version === 1 ? [] : listProxyTlvs(buffer.subarray(0, length));
      return { header, tlvs, rest: buffer.subarray(length, filled) };
    }
    // As more comes, and not as more is announced.
    if (filled === buffer.length) buffer = enlarge(buffer, Math.max(SMALLEST_BYTES, 2 * filled));
    const count = await connection.read(buffer.subarray(filled));
    if (count === null) throw endsEarly(filled);
    filled += count;
  }
}

/**
 * Reads the PROXY header at the start of `bytes`, which are all that has come so far. What has been read of a
 * buffer may be overwritten afterwards.
 *
 * @throws {CulvertError} `bad_proxy_header`, as soon as the bytes can't become one.
 */
export function parseProxyHeader(bytes: Uint8Array): ProxyParse {
  const first = bytes[0];
  if (first === undefined) return { kind: "incomplete", atLeast: 1 };
  if (first === P) return parseProxyV1(bytes);
  if (first === PROXY_V2_SIGNATURE[0]) return parseProxyV2(bytes);
  const begins = Array.from(bytes.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  throw badProxyHeader(`there is none, the stream begins with ${begins}`);
}

/** A connection that ends without a byte has an error of its own: TCP health checks do that. */
function endsEarly(bytes: number): CulvertError {
  if (bytes > 0) return badProxyHeader(`the stream ends after ${bytes} bytes of it`);
  return new CulvertError("no_proxy_header", "Cannot read the PROXY header: the stream ends before it");
}
