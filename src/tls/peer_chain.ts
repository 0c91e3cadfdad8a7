import type { DetailedPeerCertificate, TLSSocket } from "node:tls";

/** More than any honest peer sends. */
const MAX_CERTIFICATES = 16;

/**
 * The certificates that the peer has sent, now or when the session that is being resumed was made: DER, the
 * leaf first, and none if there was none. After several the engine may add a CA of ours that it finds to fit.
 */
export function peerChain(socket: TLSSocket): Uint8Array[] {
  const leaf = socket.getPeerX509Certificate();
  if (leaf === undefined) return [];
  // The long way takes 50 µs more, and most peers send no more than one.
  if (leaf.issuerCertificate === undefined) return [new Uint8Array(leaf.raw)];
  const chain: Uint8Array[] = [];
  let certificate: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (certificate?.raw !== undefined && chain.length < MAX_CERTIFICATES) {
    chain.push(new Uint8Array(certificate.raw));
    const issuer: DetailedPeerCertificate | undefined = certificate.issuerCertificate;
    certificate = issuer === certificate ? undefined : issuer;
  }
  return chain;
}
