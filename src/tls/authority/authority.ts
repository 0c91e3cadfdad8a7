import { CulvertError } from "../../core/errors.ts";
import { parseIp } from "../../net/ip.ts";
import type {
  AuthorityOptions,
  AuthorityState,
  CrlOptions,
  Issued,
  IssueOptions,
  KeyMaker,
  Names,
} from "./options.ts";
import { caParts, exportKey, leafUsage, randomSerial, readKey, signerOf, wholeSeconds } from "./parts.ts";
import type { Signer } from "./certificate_builder.ts";
import type { Revocation } from "./crl_builder.ts";
import { algorithmOf, generateKey } from "./generate_key.ts";
import { type KeyUsage, Oid, type RevocationReason } from "../x509/oids.ts";
import { writePem } from "../x509/pem.ts";
import { normalizeSerial } from "../x509/serial_number.ts";

const DAY_MS = 86_400_000;
/** How long a leaf holds: the longest that Apple's systems accept from a private CA. */
const LEAF_DAYS = 825;
const CA_DAYS = 3650;
const CRL_DAYS = 30;
/** How long before now certificates become valid, for peers whose clocks are behind. */
const BACKDATE_MS = 3_600_000;

type Builders = typeof import("./builders.ts");

const CA_USAGE: readonly KeyUsage[] = ["keyCertSign", "cRLSign"];
const NO_NAMES = { dns: [], uri: [], ip: [], email: [] };

/**
 * Makes a CA in memory: for trying mutual TLS, and for tests. Its private key is not protected.
 *
 * @example
 * ```ts
 * import { createAuthority } from "./authority.ts";
 *
 * const ca = await createAuthority();
 * const server = await ca.issueServer({ names: ["localhost", "127.0.0.1"] });
 * const client = await ca.issueClient({ cn: "alice", uri: "spiffe://example.org/alice" });
 * ca.revoke(client.serial);
 * const crl = ca.crl();
 * console.log(ca.certPem, server.chainPem, server.keyPem, crl);
 * ```
 */
export async function createAuthority(options: AuthorityOptions = {}): Promise<Authority> {
  const { name = "Culvert CA", algorithm = "ecdsa-p256", now = Date.now, newKey = generateKey } = options;
  const builders = await import("./builders.ts");
  const privateKey = await newKey(algorithm);
  const self = signerOf(privateKey, builders.buildSubject({ cn: [name], ou: [] }));
  const period = {
    notBefore: options.notBefore ?? new Date(now() - BACKDATE_MS),
    notAfter: wholeSeconds(options.notAfter ?? new Date(now() + CA_DAYS * DAY_MS)),
  };
  const keyUsage = options.keyUsage ?? CA_USAGE;
  const extensions = options.extensions ?? [];
  const content = { ...self, ...period, keyUsage, extensions, isCa: true, pathLen: options.pathLen };
  const der = builders.buildCertificate(
    { ...content, serial: randomSerial(), extendedKeyUsage: [], names: NO_NAMES },
    self,
  );
  const certPem = writePem("CERTIFICATE", der);
  const { notAfter } = period;
  return new Authority({ builders, signer: self, certPem, above: "", now, newKey, notAfter });
}

/**
 * Loads a CA that was saved to files.
 *
 * @throws {CulvertError} `bad_certificate` when the certificate or the key cannot be read, or the two do not match.
 */
export async function loadAuthority(state: AuthorityState): Promise<Authority> {
  const builders = await import("./builders.ts");
  const { subject, spki, notAfter } = caParts(state.certPem);
  const privateKey = readKey(state.keyPem);
  const signer = signerOf(privateKey, subject);
  if (signer.spki.toHex() !== spki.toHex()) {
    throw new CulvertError("bad_certificate", "Cannot load the CA: its key does not match its certificate");
  }
  const { certPem, now = Date.now } = state;
  const newKey = generateKey;
  return new Authority({ builders, signer, certPem, above: "", now, newKey, notAfter }, state);
}

/** A CA that issues, revokes and publishes what it has revoked. Made by {@linkcode createAuthority}. */
export class Authority {
  /** Its own certificate. */
  readonly certPem: string;
  /** Until when it holds. */
  readonly notAfter: Date;
  readonly #parts: AuthorityParts;
  readonly #revoked = new Map<string, Revocation>();
  #crlNumber: number;

  /** Use {@linkcode createAuthority} or {@linkcode loadAuthority}. */
  constructor(parts: AuthorityParts, state: { revoked?: readonly Revocation[]; crlNumber?: number } = {}) {
    this.certPem = parts.certPem;
    this.#parts = parts;
    this.notAfter = parts.notAfter;
    this.#crlNumber = state.crlNumber ?? 0;
    for (const revocation of state.revoked ?? []) this.#revoked.set(revocation.serial, revocation);
  }

  /** Its key, PKCS#8. */
  get keyPem(): string {
    return exportKey(this.#parts.signer.privateKey);
  }

  /** What has been revoked, the oldest first. */
  get revoked(): readonly Revocation[] {
    return [...this.#revoked.values()];
  }

  /** The number of the last CRL; 0 before the first. */
  get crlNumber(): number {
    return this.#crlNumber;
  }

  /**
   * Issues a certificate for a server of these names, each a DNS name or an IP address; the first is the
   * common name as well.
   *
   * @throws {CulvertError} `bad_name` for a name that can't be put into a certificate, or where there is
   * none.
   */
  issueServer(options: IssueOptions & { readonly names: readonly string[] }): Promise<Issued> {
    const { names, ...more } = options;
    const [first] = names;
    if (first === undefined) throw new CulvertError("bad_name", "Cannot issue for a server without a name");
    const isIp = (name: string) => parseIp(name) !== undefined;
    return this.issue({
      cn: first,
      dns: names.filter((name) => !isIp(name)),
      ip: names.filter(isIp),
      extendedKeyUsage: [Oid.serverAuth],
      ...more,
    });
  }

  /**
   * Issues a certificate for a client.
   *
   * @throws {CulvertError} `bad_name` for a name that can't be put into a certificate.
   */
  issueClient(options: IssueOptions): Promise<Issued> {
    return this.issue({ extendedKeyUsage: [Oid.clientAuth], ...options });
  }

  /** Issues a CA below this one. Its certificates come with the chain up to, and without, the root. */
  async issueIntermediate(options: IssueOptions = {}): Promise<Authority> {
    const issued = await this.issue({ cn: "Culvert intermediate CA", isCa: true, ...options });
    const { subject, notAfter } = caParts(issued.certPem);
    const signer = signerOf(readKey(issued.keyPem), subject);
    const { certPem, chainPem: above } = issued;
    const { builders, now, newKey } = this.#parts;
    return new Authority({ builders, signer, certPem, above, now, newKey, notAfter });
  }

  /**
   * Issues any certificate, valid or not: {@linkcode issueServer} and {@linkcode issueClient} ask for
   * what is.
   *
   * @throws {CulvertError} `bad_name` for a name that can't be put into a certificate.
   */
  async issue(options: IssueOptions): Promise<Issued> {
    const { isCa = false, extensions = [], extendedKeyUsage = [] } = options;
    const privateKey = options.keyPem === undefined
      ? await this.#parts.newKey(options.algorithm ?? algorithmOf(this.#parts.signer.privateKey))
      : readKey(options.keyPem);
    const { buildCertificate, buildSubject } = this.#parts.builders;
    const subject = buildSubject({ cn: list(options.cn), ou: list(options.ou) });
    const { notBefore, notAfter } = this.#period(options);
    const serial = options.serial === undefined ? randomSerial() : normalizeSerial(options.serial);
    const { dns, uri, ip, email } = options;
    const names = { dns: list(dns), uri: list(uri), ip: list(ip), email: list(email) };
    const keyUsage = options.keyUsage ?? (isCa ? CA_USAGE : leafUsage(privateKey));
    const der = buildCertificate({
      ...signerOf(privateKey, subject),
      ...{ serial, notBefore, notAfter, isCa, pathLen: options.pathLen, keyUsage, extendedKeyUsage },
      ...{ names, extensions },
    }, this.#parts.signer);
    const certPem = writePem("CERTIFICATE", der);
    const keyPem = exportKey(privateKey);
    return { certPem, keyPem, chainPem: certPem + this.#parts.above, serial, notBefore, notAfter };
  }

  /** Revokes a certificate by its serial number. It is in every CRL from the next one on. */
  revoke(serial: string, options: { at?: Date; reason?: RevocationReason } = {}): void {
    const { at = new Date(this.#parts.now()), reason = "unspecified" } = options;
    const normal = normalizeSerial(serial);
    this.#revoked.set(normal, { serial: normal, at, reason });
  }

  /** Makes a CRL of all that has been revoked, as PEM. */
  crl(options: CrlOptions = {}): string {
    const now = options.now ?? new Date(this.#parts.now());
    this.#crlNumber = options.number ?? this.#crlNumber + 1;
    const der = this.#parts.builders.buildCrl({
      thisUpdate: now,
      nextUpdate: options.nextUpdate === undefined ? this.#crlEnd(now) : options.nextUpdate,
      number: this.#crlNumber,
      revoked: this.revoked,
      extensions: options.extensions ?? [],
    }, this.#parts.signer);
    return writePem("X509 CRL", der);
  }

  /** The end of the CA at the latest, unless the CA has expired already. */
  #crlEnd(now: Date): Date {
    const end = new Date(now.getTime() + CRL_DAYS * DAY_MS);
    return now < this.notAfter && this.notAfter < end ? this.notAfter : end;
  }

  /**
   * When it holds. By itself no certificate outlives its issuer: it would be good for nothing from then on.
   */
  #period(options: IssueOptions): { notBefore: Date; notAfter: Date } {
    const now = this.#parts.now();
    const days = options.isCa === true ? CA_DAYS : LEAF_DAYS;
    const end = Math.min(now + days * DAY_MS, this.notAfter.getTime());
    return {
      notBefore: wholeSeconds(options.notBefore ?? new Date(now - BACKDATE_MS)),
      notAfter: wholeSeconds(options.notAfter ?? new Date(end)),
    };
  }
}

interface AuthorityParts {
  readonly builders: Builders;
  readonly signer: Signer;
  readonly certPem: string;
  /** The chain that is sent with what it issues, as PEM. */
  readonly above: string;
  readonly now: () => number;
  readonly newKey: KeyMaker;
  readonly notAfter: Date;
}

function list(names: Names | undefined): readonly string[] {
  return typeof names === "string" ? [names] : names ?? [];
}
