import { assertEquals } from "@std/assert";
import { release } from "../../../src/tls/session/release.ts";

Deno.test("memory that bytes have to themselves is given back; shared memory, and little of it, stays", () => {
  const own = new Uint8Array(4096);
  release(own);
  assertEquals([own.length, own.buffer.byteLength], [0, 0]);

  const shared = new Uint8Array(16_384);
  release(shared.subarray(0, 8192));
  release(shared.subarray(8192));
  assertEquals(shared.buffer.byteLength, 16_384);

  const little = new Uint8Array(4095);
  release(little);
  assertEquals(little.length, 4095);
});
