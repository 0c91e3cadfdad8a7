import { CulvertError, describeError } from "../../core/errors.ts";
import { readCertificates } from "../../tls/x509/read_certificates.ts";

/**
 * Reads the certificates that a client would send: DER, its own first.
 *
 * @throws {CulvertError} `bad_certificate`, or `certificate_unreadable` if the file can't be read.
 */
export async function readChainFile(path: string): Promise<readonly Uint8Array[]> {
  let pem: string;
  try {
    pem = await Deno.readTextFile(path);
  } catch (cause) {
    if (cause instanceof Deno.errors.NotCapable) throw cause;
    const message = `Cannot read the certificate ${path}: ${describeError(cause)}`;
    throw new CulvertError("certificate_unreadable", message, { cause });
  }
  const chain = readCertificates(pem).map(({ der }) => der);
  if (chain.length > 0) return chain;
  throw new CulvertError("bad_certificate", `Cannot use ${path}: it has no certificate`);
}
