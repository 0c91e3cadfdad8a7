import { CulvertError, describeError } from "../core/errors.ts";
import { type Certificate, readCertificates } from "./certificate.ts";

/**
 * The CAs that are trusted, each in its own right: a path ends at the first of them, root or not, as it does
 * in the TLS engine. Immutable.
 */
export class TrustStore {
  /** In the order of the bundle, each once. */
  readonly certificates: readonly Certificate[];
  readonly #bySubject: ReadonlyMap<string, readonly Certificate[]>;
  readonly #fingerprints: ReadonlySet<string>;

  /**
   * Reads a bundle in PEM.
   *
   * @throws {CulvertError} `bad_certificate` when there is no certificate in it, or one that can't be read.
   */
  constructor(pem: string) {
    const all = readBundle(pem);
    const byFingerprint = new Map(all.map((certificate) => [certificate.fingerprint, certificate]));
    this.#fingerprints = new Set(byFingerprint.keys());
    this.certificates = [...byFingerprint.values()];
    this.#bySubject = Map.groupBy(this.certificates, ({ subject }) => subject);
  }

  /** Whether this very certificate is in the bundle. */
  has(certificate: Certificate): boolean {
    return this.#fingerprints.has(certificate.fingerprint);
  }

  /** Those of this name. */
  bySubject(subject: string): readonly Certificate[] {
    return this.#bySubject.get(subject) ?? [];
  }
}

function readBundle(pem: string): Certificate[] {
  let all: Certificate[];
  try {
    all = readCertificates(pem);
  } catch (cause) {
    throw new CulvertError("bad_certificate", `Cannot use the CA bundle: ${describeError(cause)}`, { cause });
  }
  if (all.length > 0) return all;
  throw new CulvertError("bad_certificate", "Cannot use the CA bundle: there is no certificate in it");
}
