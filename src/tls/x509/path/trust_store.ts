import { WeakCache } from "../../../core/weak_cache.ts";
import { CulvertError, describeError } from "../../../core/errors.ts";
import { runAtOnce, runInSlices, type Steps } from "../../../core/slices.ts";
import { type Certificate } from "../certificate.ts";
import { certificatesIn } from "../read_certificates.ts";

/** What is in a bundle of CAs. */
interface Bundle {
  readonly certificates: readonly Certificate[];
  readonly bySubject: ReadonlyMap<string, readonly Certificate[]>;
  readonly fingerprints: ReadonlySet<string>;
}

/** Bundles that are in use, by their PEM text: listeners often share one. */
const bundles = new WeakCache<Bundle>();

/**
 * The CAs that are trusted, each in its own right: a path ends at the first of them, root or not, as it does
 * in the TLS engine. Immutable. A text that is in use already is not read again.
 */
export class TrustStore {
  readonly #bundle: Bundle;

  /**
   * Reads a bundle in PEM, or takes certificates that have been read.
   *
   * @throws {CulvertError} `bad_certificate` when there is no certificate in it, or one that cannot be read.
   */
  constructor(content: string | readonly Certificate[]) {
    this.#bundle = typeof content === "string"
      ? bundles.get(content) ?? bundles.set(content, runAtOnce(readBundle(content)))
      : runAtOnce(bundleOf(content));
  }

  /** The same in slices, between which the event loop goes on: a bundle may have thousands of certificates. */
  static async read(pem: string): Promise<TrustStore> {
    if (bundles.get(pem) === undefined) bundles.set(pem, await runInSlices(readBundle(pem)));
    return new TrustStore(pem);
  }

  /** In the order of the bundle, each once. */
  get certificates(): readonly Certificate[] {
    return this.#bundle.certificates;
  }

  /** Whether this very certificate is in the bundle. */
  has(certificate: Certificate): boolean {
    return this.#bundle.fingerprints.has(certificate.fingerprint);
  }

  /** Those of this name. */
  bySubject(subject: string): readonly Certificate[] {
    return this.#bundle.bySubject.get(subject) ?? [];
  }
}

function* readBundle(pem: string): Steps<Bundle> {
  let all: Certificate[];
  try {
    all = yield* certificatesIn(pem);
  } catch (cause) {
    throw new CulvertError("bad_certificate", `Cannot use the CA bundle: ${describeError(cause)}`, { cause });
  }
  if (all.length === 0) {
    throw new CulvertError("bad_certificate", "Cannot use the CA bundle: there is no certificate in it");
  }
  return yield* bundleOf(all);
}

function* bundleOf(all: readonly Certificate[]): Steps<Bundle> {
  const byFingerprint = new Map(all.map((certificate) => [certificate.fingerprint, certificate]));
  const certificates = [...byFingerprint.values()];
  const bySubject = new Map<string, Certificate[]>();
  for (const certificate of certificates) {
    yield; // Its name in the form in which names are compared is made here.
    const { subject } = certificate;
    bySubject.set(subject, [...bySubject.get(subject) ?? [], certificate]);
  }
  return { certificates, bySubject, fingerprints: new Set(byFingerprint.keys()) };
}
