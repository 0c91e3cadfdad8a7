import { type CrlReading } from "../tls/x509/crl/crl.ts";
import { readCrls } from "../tls/x509/crl/read_crls.ts";

/** A file of CRLs as it was read. */
export interface CrlContent {
  /** The SHA-256 of the file. */
  readonly hash: string;
  readonly reading: CrlReading;
}

/** What was read, by its hash. It stays for as long as a listener uses it. */
const inUse = new Map<string, WeakRef<CrlContent>>();
const reading = new Map<string, Promise<CrlContent>>();
const forget = new FinalizationRegistry<string>((hash) => {
  if (inUse.get(hash)?.deref() === undefined) inUse.delete(hash);
});

/**
 * Reads the CRLs of a file in slices, so that the event loop goes on. A content that is in use already, by whichever
 * listener, is not read again.
 */
export async function crlContent(bytes: Uint8Array<ArrayBuffer>): Promise<CrlContent> {
  // Not by node:crypto, which would keep the event loop for as long as it takes.
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
  const known = inUse.get(hash)?.deref() ?? reading.get(hash);
  if (known !== undefined) return known;
  const work = read(bytes, hash);
  reading.set(hash, work);
  try {
    return await work;
  } finally {
    reading.delete(hash);
  }
}

async function read(bytes: Uint8Array, hash: string): Promise<CrlContent> {
  const content = { hash, reading: await readCrls(bytes) };
  inUse.set(hash, new WeakRef(content));
  forget.register(content, hash);
  return content;
}
