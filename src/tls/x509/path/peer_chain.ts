import type { DetailedPeerCertificate, TLSSocket } from "node:tls";
import { MAX_CHAIN_BYTES } from "./chain.ts";

/** More than a peer has reason to send. */
const MAX_CERTIFICATES = 16;

/**
 * The certificates that the peer has sent, now or when the session that is being resumed was made: DER, the
 * leaf first, and none if there was none. After several the engine may add a trusted CA that it finds to match.
 * Where the first two alone are larger than any chain may be, there are these two.
 */
export function peerChain(socket: TLSSocket): Uint8Array[] {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return [];
  // The long way takes 50 µs more, and most peers send no more than one.
  const second = leaf.issuerCertificate;
  if (second === undefined) return [new Uint8Array(leaf.raw)];
  // It also makes objects of all that was sent, which may be thousands of names.
  if (leaf.raw.length + second.raw.length > MAX_CHAIN_BYTES) {
    return [new Uint8Array(leaf.raw), new Uint8Array(second.raw)];
  }
  const chain: Uint8Array[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < MAX_CERTIFICATES) {
    chain.push(new Uint8Array(certificate.raw));
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return chain;
}
