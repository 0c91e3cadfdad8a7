/** Of less than this there is nothing to gain. */
const LEAST_BYTES = 4096;

/**
 * Frees the memory of bytes that are no longer needed. By itself it would be kept until the garbage is collected,
 * and by then a stream in bulk has gone through hundreds of megabytes of it, all of them cold. Does nothing where the
 * bytes are few, or share their memory with others.
 */
export function release(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (bytes.length < LEAST_BYTES || bytes.length !== buffer.byteLength) return;
  if (buffer instanceof ArrayBuffer) buffer.transfer(0);
}
