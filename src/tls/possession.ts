import { generateKeyPairSync } from "node:crypto";
import { describeError } from "../core/errors.ts";
import { type Certificate } from "./x509/certificate.ts";
import { parseFrame } from "./x509/read_certificates.ts";
import { DerNode, Tag } from "./x509/der.ts";
import { TlsHandshakeError } from "./session/handshake_errors.ts";
import { writePem } from "./x509/pem.ts";

/** Certificates that the engine can read. An entry lives as long as its certificate is remembered. */
const readable = new WeakSet<Certificate>();

/** A private key that belongs to no certificate. */
let strayKeyPem: string | undefined;

/**
 * Requires that the engine has verified the peer's signature with the key of `chain[0]` (CertificateVerify, RFC 8446
 * section 4.4.3), and thereby that the peer holds the private key. Call it for every certificate that authenticates
 * a peer, after the handshake.
 *
 * The engine skips that signature, in silence, for a certificate that its strict parser (rustls-webpki) refuses: any
 * of X.509 version 1, and some encodings that other parsers accept. Such a certificate proves nothing, as any peer
 * may have a copy of it.
 *
 * @throws {TlsHandshakeError} `bad-certificate` for such a certificate.
 */
export function requirePossession(chain: readonly Uint8Array[]): void {
  const certificate = parseFrame(chain[0]!);
  if (readable.has(certificate)) return;
  const problem = engineProblem(certificate);
  if (problem !== undefined) throw new TlsHandshakeError("bad-certificate", { detail: problem, chain });
  readable.add(certificate);
}

/** Why the engine can't read a certificate; `undefined` if it can. */
function engineProblem({ der, version, spki }: Certificate): string | undefined {
  if (version !== 3) {
    return `its certificate is of X.509 version ${version}, with which the runtime does not verify that the peer ` +
      "holds the private key; issue one of version 3 (openssl x509 -req needs -extfile or -copy_extensions)";
  }
  const answer = hasPlainKey(spki) ? askParser(der) : "its public key is not in DER";
  if (/KeyMismatch/.test(answer)) return undefined;
  return "the runtime can't parse its certificate, and so does not verify that the peer holds the private key; " +
    `issue one in strict DER (${answer})`;
}

/** Whether a SubjectPublicKeyInfo has the form of RFC 5280 section 4.1, which the engine looks at only later. */
function hasPlainKey(spki: Uint8Array): boolean {
  try {
    const [algorithm, key] = DerNode.whole(spki).children(Tag.sequence, 2);
    return algorithm?.tag === Tag.sequence && key?.content(Tag.bitString)[0] === 0;
  } catch {
    return false;
  }
}

/**
 * What the engine's parser says. The runtime has no function for that, but reads a client certificate with the same
 * parser before it compares its key with the private key. The one given here never fits: an error about that is
 * the proof that the certificate was parsed. It takes 0.2 ms and opens nothing.
 */
function askParser(der: Uint8Array): string {
  strayKeyPem ??= generateKeyPairSync("ec", {
    namedCurve: "P-256",
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  }).privateKey;
  try {
    Deno.createHttpClient({ cert: writePem("CERTIFICATE", der), key: strayKeyPem }).close();
    return "no answer";
  } catch (error) {
    return describeError(error);
  }
}
