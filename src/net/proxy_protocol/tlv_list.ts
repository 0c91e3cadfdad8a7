import { ByteCursor } from "../../core/byte_cursor.ts";
import { badProxyHeader, type ProxyTlv, TLV } from "./header.ts";
import { ADDRESS_BYTES, HEAD_BYTES } from "./parse_v2.ts";

/** Those that are about the header itself. */
const OWN: ReadonlySet<number> = new Set([TLV.crc32c, TLV.noop]);

/**
 * Lists the TLVs of a whole header as they are on the wire, in their order, known or not; those of a header without
 * addresses, and checksum and padding, are left out. The values are copies.
 *
 * @throws {CulvertError} `bad_proxy_header` if a length reaches beyond the header.
 */
export function listProxyTlvs(header: Uint8Array): ProxyTlv[] {
  const [version = 0, family = 0] = header.subarray(12, 14);
  const addressBytes = ADDRESS_BYTES[family >> 4] ?? 0;
  if (version !== 0x21 || addressBytes === 0 || (family & 15) === 0) return [];
  const cursor = new ByteCursor(header, { fail: badProxyHeader, offset: HEAD_BYTES + addressBytes });
  const tlvs: ProxyTlv[] = [];
  while (cursor.left > 0) {
    const type = cursor.uint(1, "a TLV's type");
    const value = cursor.vector(2, "a TLV");
    if (!OWN.has(type)) tlvs.push({ type, value: value.slice() });
  }
  return tlvs;
}
