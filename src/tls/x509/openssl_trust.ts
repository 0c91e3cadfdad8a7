import { DerNode, Tag } from "./der.ts";
import { DerCursor } from "./der_cursor.ts";
import { Oid } from "./oids.ts";

/** The uses for which a list of OpenSSL's may trust: here a certificate is for clients or for servers. */
const ANY_USES: readonly string[] = [Oid.anyExtendedKeyUsage];
const OUR_USES: readonly string[] = [Oid.clientAuth, Oid.serverAuth];
const REJECTED = 0xa0;

/**
 * The certificate in a block of OpenSSL's `TRUSTED CERTIFICATE` (X509_CERT_AUX in `x509_trust(1)`), as a list of one. An
 * empty list where it is rejected for any use, or trusted for other uses only than those of TLS clients and servers:
 * as it is not known here for which of the two it will be used, it must be trusted for both.
 *
 * @throws {CulvertError} `bad_certificate` when it is malformed.
 */
export function trustedCertificate(der: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const cursor = new DerCursor(der);
  cursor.read(0, der.length);
  const { end } = cursor;
  const certificate = der.slice(0, end);
  if (end === der.length) return [certificate];
  const settings = DerNode.whole(der.subarray(end)).children(Tag.sequence);
  if (settings.some(({ tag }) => tag === REJECTED)) return [];
  const uses = settings.find(({ tag }) => tag === Tag.sequence)?.children(Tag.sequence).map((use) =>
    use.oid()
  );
  const isTrusted = uses === undefined || ANY_USES.some((use) => uses.includes(use)) ||
    OUR_USES.every((use) => uses.includes(use));
  return isTrusted ? [certificate] : [];
}
