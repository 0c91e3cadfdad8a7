/** A copy of `bytes` with room for `sizeBytes` bytes in all, which must not be fewer than there are. */
export function enlarge(bytes: Uint8Array, sizeBytes: number): Uint8Array<ArrayBuffer> {
  const larger = new Uint8Array(sizeBytes);
  larger.set(bytes);
  return larger;
}
