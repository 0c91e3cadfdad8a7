import { createHash } from "node:crypto";
import { BoundedCache } from "../../core/bounded_cache.ts";
import { runAtOnce, type Steps } from "../../core/slices.ts";
import type { Certificate } from "./certificate.ts";
import { CertificateReader } from "./certificate_reader.ts";
import { unreadable } from "./der.ts";
import { trustedCertificate } from "./openssl_trust.ts";
import { pemBlocks } from "./pem.ts";

/** Peers' certificates that are larger are not read: one of a hundred names has 4 KiB. */
export const MAX_CERTIFICATE_BYTES = 16_384;

/** How many certificates are remembered, and of how many bytes: reading one takes 200 µs. */
const CACHE_SIZE = 4096;
const CACHE_BYTES = 8 * 1024 * 1024;
/** The second is an old name for the same: RFC 7468 section 5.1. */
const CERTIFICATE_LABELS: ReadonlySet<string> = new Set(["CERTIFICATE", "X509 CERTIFICATE"]);
/** OpenSSL's own: a certificate, and behind it what it is trusted for. */
const TRUSTED_LABEL = "TRUSTED CERTIFICATE";
const trusted = new BoundedCache<Certificate>({
  entries: CACHE_SIZE,
  weight: CACHE_BYTES,
  weigh: ({ der }) => der.length,
});

/**
 * Reads the frame of a peer's certificate, RFC 5280 section 4.1. One that was remembered is not read again, and
 * is the same object.
 *
 * @throws {CulvertError} `bad_certificate` when it is no certificate, or larger than
 * {@linkcode MAX_CERTIFICATE_BYTES}.
 */
export function parseFrame(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) {
    throw unreadable(`it has ${der.length} bytes; at most ${MAX_CERTIFICATE_BYTES} are accepted`);
  }
  const fingerprint = fingerprintOf(der);
  // A copy: what the caller does with its own later must not reach what may be remembered.
  return trusted.get(fingerprint) ?? new CertificateReader(new Uint8Array(der), fingerprint);
}

/**
 * The same, and reads all of it.
 *
 * @throws {CulvertError} `bad_certificate` also when it says something twice, or what it says can't be understood.
 */
export function parseCertificate(der: Uint8Array): Certificate {
  const certificate = parseFrame(der);
  certificate.readWhole();
  return certificate;
}

/**
 * Remembers what a certificate says, so that it is not read again when its peer comes back. Only for those of
 * which a trusted CA has signed every byte: other peers must not be able to fill the cache or evict from it.
 */
export function rememberCertificate(certificate: Certificate): void {
  trusted.set(certificate.fingerprint, certificate);
}

/** How many certificates are remembered, and of how many bytes. */
export function rememberedCertificates(): { count: number; bytes: number } {
  return { count: trusted.size, bytes: trusted.weight };
}

/**
 * Reads every certificate of a trusted PEM text, in its order, whatever its size. Blocks of other kinds are left
 * aside, and so are blocks of `TRUSTED CERTIFICATE` that OpenSSL was told not to trust for clients or for servers.
 *
 * @throws {CulvertError} `bad_certificate` as {@linkcode parseCertificate} and {@linkcode readPem} do.
 */
export function readCertificates(pem: string): Certificate[] {
  return runAtOnce(certificatesIn(pem));
}

/** As {@linkcode readCertificates}, in steps: a bundle may have thousands of certificates. */
export function* certificatesIn(pem: string): Steps<Certificate[]> {
  const blocks = yield* pemBlocks(pem);
  const certificates = blocks.flatMap(({ label, der }) => {
    if (CERTIFICATE_LABELS.has(label)) return [der];
    return label === TRUSTED_LABEL ? trustedCertificate(der) : [];
  });
  const read: Certificate[] = [];
  for (const der of certificates) {
    yield;
    const certificate = new CertificateReader(der, fingerprintOf(der));
    certificate.readWhole();
    read.push(certificate);
  }
  return read;
}

function fingerprintOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}
