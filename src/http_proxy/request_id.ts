const ID_BYTES = 16;
/** Random bytes are had in blocks: a call costs as much for one id as for hundreds. */
const BLOCK_BYTES = 256 * ID_BYTES;
/** What is kept of the ids that trusted proxies send. */
const GOOD_ID = /^[\w.:@/+=-]{1,128}$/;

const block = new Uint8Array(BLOCK_BYTES);
let used = BLOCK_BYTES;

/** An id that no other request has: 128 random bits in hexadecimal. */
export function newRequestId(): string {
  if (used === BLOCK_BYTES) {
    crypto.getRandomValues(block);
    used = 0;
  }
  return block.subarray(used, used += ID_BYTES).toHex();
}

/** Whether an id that came with a request may be passed on and logged. */
export function isGoodRequestId(id: string): boolean {
  return GOOD_ID.test(id);
}
