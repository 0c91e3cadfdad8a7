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

/** Bundles by their text, for as long as a store uses them: listeners often share one. */
const inUse = new Map<string, WeakRef<Bundle>>();
const forget = new FinalizationRegistry<string>((pem) => {
  if (inUse.get(pem)?.deref() === undefined) inUse.delete(pem);
});

/**
 * The CAs that are trusted, each in its own right: a path ends at the first of them, root or not, as it does
 * in the TLS engine. Immutable. A text that is in use already is not read again.
 */
export class TrustStore {
  readonly #bundle: Bundle;

  /**
   * Reads a bundle in PEM.
   *
   * @throws {CulvertError} `bad_certificate` when there is no certificate in it, or one that can't be read.
   */
  constructor(pem: string) {
    this.#bundle = inUse.get(pem)?.deref() ?? remember(pem, runAtOnce(readBundle(pem)));
  }

  /** The same in slices, between which the event loop goes on: a bundle may have thousands of certificates. */
  static async read(pem: string): Promise<TrustStore> {
    if (inUse.get(pem)?.deref() === undefined) remember(pem, await runInSlices(readBundle(pem)));
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

function remember(pem: string, bundle: Bundle): Bundle {
  inUse.set(pem, new WeakRef(bundle));
  forget.register(bundle, pem);
  return bundle;
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
