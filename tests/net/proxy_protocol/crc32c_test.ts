import { assertEquals } from "@std/assert";
import { crc32c } from "../../../src/net/proxy_protocol/crc32c.ts";

/** RFC 3720, appendix B.4, and the usual check value. */
const VECTORS: readonly [name: string, bytes: Uint8Array, checksum: number][] = [
  ["nothing", new Uint8Array(0), 0],
  ["the digits from 1 to 9", new TextEncoder().encode("123456789"), 0xe3069283],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 times 255", new Uint8Array(32).fill(255), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["31 to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
];

Deno.test("the checksum is that of the published vectors, in one piece and in two", () => {
  for (const [name, bytes, checksum] of VECTORS) {
    assertEquals(crc32c(bytes), checksum, name);
    const half = bytes.length >> 1;
    assertEquals(crc32c(bytes.subarray(half), crc32c(bytes.subarray(0, half))), checksum, name);
  }
});
