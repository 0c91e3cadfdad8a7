import { createPrivateKey, createPublicKey, hash, type KeyObject } from "node:crypto";
import { CulvertError, describeError } from "../../core/errors.ts";
import { WeakCache } from "../../core/weak_cache.ts";
import { type Certificate } from "../x509/certificate.ts";
import { readCertificates } from "../x509/read_certificates.ts";
import { formatAttributes } from "../x509/distinguished_name.ts";
import { identityOf, type PeerIdentity } from "../x509/identity.ts";
import { CURVES, MIN_RSA_BITS } from "../x509/public_key.ts";
import { Oid } from "../x509/oids.ts";
import { type PemBlock, readPem, writePem } from "../x509/pem.ts";
import { isSignedBy } from "../x509/signature/signature.ts";

/** A certificate chain and its private key in PEM. */
export interface CredentialsPem {
  /** The certificate, followed by those of the CAs between it and the root. */
  readonly certPem: string;
  /** PKCS#8, SEC1 or PKCS#1, not encrypted. */
  readonly keyPem: string;
}

/** How errors and warnings call the two, such as the names of the files. */
export interface CredentialLabels {
  /** @default {"the certificate"} */
  readonly certLabel?: string;
  /** @default {"the key"} */
  readonly keyLabel?: string;
}

/** A certificate chain and its key that were read and match. Immutable. */
export interface OwnCredentials extends CredentialsPem {
  /** What the runtime is given: the certificates alone. */
  readonly certPem: string;
  /** The key alone, as PKCS#8. */
  readonly keyPem: string;
  /** The certificates, the leaf first. */
  readonly chain: readonly Certificate[];
  readonly identity: PeerIdentity;
  /** When the first of the certificates expires. */
  readonly notAfter: Date;
  /** Whether the key is on curve P-521. */
  readonly isP521: boolean;
}

/** Credentials with what peers may reject them for. */
export interface CheckedCredentials extends Omit<OwnCredentials, "isP521"> {
  /** As of {@linkcode credentialWarnings}. */
  readonly warnings: readonly string[];
  /** Keeps the PEM from being parsed again for as long as this is in use. */
  readonly own: OwnCredentials;
}

/** Credentials that are in use, by a digest of their PEM: the same files are read for checks and for each reload. */
const inUse = new WeakCache<OwnCredentials>();

/**
 * Reads a certificate chain and its key, and checks that they match and that the runtime can use them: it accepts bad
 * ones without an error, or fails in handshakes later. PEM that is in use already is not parsed again.
 *
 * @throws {CulvertError} `bad_certificate`, which names the one of the two that is wrong: it cannot be read, is of a kind
 * that the runtime cannot use, or does not match the other.
 */
export function readCredentials(pem: CredentialsPem, labels: CredentialLabels = {}): OwnCredentials {
  const key = digestOf(pem);
  const known = inUse.get(key);
  if (known !== undefined) return known;
  const own = parseCredentials(pem, labels);
  inUse.set(digestOf(own), own);
  return inUse.set(key, own);
}

/** {@linkcode readCredentials} and {@linkcode credentialWarnings} in one. */
export function checkCredentials(
  { usage = "server", ...input }: CredentialsPem & CredentialLabels & {
    readonly usage?: "server" | "client";
  },
  now: Date,
): CheckedCredentials {
  const own = readCredentials(input, input);
  return { ...own, own, warnings: credentialWarnings(own, { usage, now, certLabel: input.certLabel }) };
}

/**
 * What peers may reject the credentials for: dates, usage, a gap in the chain. Each is a sentence without a full stop.
 * None is an error, as some peers do not check.
 */
export function credentialWarnings(
  { chain, isP521 }: OwnCredentials,
  options: { usage: "server" | "client"; now: Date; certLabel?: string | undefined },
): string[] {
  const { usage, now, certLabel = "the certificate" } = options;
  return [
    ...chain.flatMap((certificate) => dateWarnings(certificate, now)),
    ...usageWarnings(chain[0]!, usage),
    // With TLS 1.2 a client's key must be on a curve that the client offers, and the runtime has none for P-521.
    ...(usage === "client" && isP521
      ? ["its key is on curve P-521, so servers without TLS 1.3 will reject it"]
      : []),
    ...orderWarnings(chain),
  ].map((warning) => `${certLabel}: ${warning}`);
}

function parseCredentials(pem: CredentialsPem, labels: CredentialLabels): OwnCredentials {
  const { certLabel = "the certificate", keyLabel = "the key" } = labels;
  const chain = readChain(pem.certPem, certLabel);
  const key = readPrivateKey(pem.keyPem, keyLabel);
  const leaf = chain[0]!;
  const publicKey = leaf.publicKey();
  if (publicKey === undefined) throw bad(certLabel, "its key is of a kind that is not supported");
  const ofKey = createPublicKey(key);
  if (!isSame(publicKey, ofKey)) {
    throw bad(keyLabel, `it does not match the certificate in ${certLabel}${orderHint(chain, ofKey)}`);
  }
  return {
    certPem: chain.map(({ der }) => writePem("CERTIFICATE", der)).join(""),
    keyPem: key.export({ type: "pkcs8", format: "pem" }) as string,
    chain,
    identity: identityOf(leaf),
    notAfter: new Date(Math.min(...chain.map(({ notAfterMs }) => notAfterMs))),
    isP521: key.asymmetricKeyDetails?.namedCurve === "secp521r1",
  };
}

function digestOf({ certPem, keyPem }: CredentialsPem): string {
  return hash("sha256", `${certPem}\0${keyPem}`);
}

function readChain(pem: string, label: string): Certificate[] {
  let chain: Certificate[];
  try {
    chain = readCertificates(pem);
  } catch (cause) {
    throw bad(label, describeError(cause), cause);
  }
  if (chain.length === 0) throw bad(label, "it has no certificate in PEM");
  return chain;
}

/** Reads the one private key of a file; other things may stand beside it. */
function readPrivateKey(pem: string, label: string): KeyObject {
  let blocks: PemBlock[];
  try {
    blocks = readPem(pem).filter((block) => block.label.endsWith("PRIVATE KEY"));
  } catch (cause) {
    throw bad(label, describeError(cause), cause);
  }
  const [block, ...more] = blocks;
  if (block?.isEncrypted === true || block?.label.startsWith("ENCRYPTED") === true) {
    throw bad(label, "it is encrypted, which is not supported");
  }
  if (block === undefined) throw bad(label, "it has no private key in PEM");
  if (more.length > 0) throw bad(label, "it has several private keys");
  let key: KeyObject;
  try {
    // The runtime's reader rejects a file that has anything else before the key.
    key = createPrivateKey(writePem(block.label, block.der));
  } catch (cause) {
    throw bad(label, "it is not a private key, or of a kind that is not supported", cause);
  }
  const fault = keyFault(key);
  if (fault !== undefined) throw bad(label, fault);
  return key;
}

/** Why the runtime's TLS cannot use a key that the runtime can read. */
function keyFault(key: KeyObject): string | undefined {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return undefined;
    case "ec":
      return CURVES.includes(namedCurve ?? "") ? undefined : `curve ${namedCurve} is not supported`;
    case "rsa":
      return (modulusLength ?? 0) >= MIN_RSA_BITS
        ? undefined
        : `RSA of ${modulusLength} bits is too short; expected at least ${MIN_RSA_BITS}`;
    default:
      return `keys of kind ${key.asymmetricKeyType} are not supported; use RSA, ECDSA or Ed25519`;
  }
}

function isSame(a: KeyObject, b: KeyObject): boolean {
  return a.asymmetricKeyType === b.asymmetricKeyType && a.equals(b);
}

/** Says so where the key is that of another certificate of the file than the first one. */
function orderHint(chain: readonly Certificate[], key: KeyObject): string {
  const match = chain.find((certificate) => {
    const publicKey = certificate.publicKey();
    return publicKey !== undefined && isSame(publicKey, key);
  });
  if (match === undefined) return "";
  const [first, own] = [chain[0]!, match].map(({ attributes }) => formatAttributes(attributes));
  return `; the first certificate there is ${first}, but ${own}, which matches the key, must come first`;
}

function dateWarnings(certificate: Certificate, now: Date): string[] {
  const { notBeforeMs, notAfterMs, attributes } = certificate;
  const name = formatAttributes(attributes);
  if (now.getTime() > notAfterMs) return [`${name} expired on ${new Date(notAfterMs).toISOString()}`];
  if (now.getTime() >= notBeforeMs) return [];
  return [`${name} is not valid before ${new Date(notBeforeMs).toISOString()}`];
}

function usageWarnings(leaf: Certificate, usage: "server" | "client"): string[] {
  const { extendedKeyUsage, alternativeNames } = leaf;
  const wanted = usage === "server" ? Oid.serverAuth : Oid.clientAuth;
  const warnings: string[] = [];
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(wanted)) {
    warnings.push(`its extended key usage does not include ${usage}Auth, so most peers will reject it`);
  }
  if (usage === "server" && !alternativeNames.some(({ kind }) => kind === "dns" || kind === "ip")) {
    warnings.push("it has no DNS name and no IP address, so most clients will reject it");
  }
  return warnings;
}

/** Each should be followed by its issuer: RFC 8446 section 4.4.2 allows any order, but not every peer does. */
function orderWarnings(chain: readonly Certificate[]): string[] {
  const gap = chain.slice(1).findIndex((issuer, index) => !isSignedBy(chain[index]!, issuer));
  if (gap === -1) return [];
  const [above, below] = [chain[gap + 1]!, chain[gap]!].map(({ attributes }) => formatAttributes(attributes));
  return [`${above} follows ${below}, but has not issued it`];
}

function bad(label: string, why: string, cause?: unknown): CulvertError {
  return new CulvertError("bad_certificate", `Cannot use ${label}: ${why}`, { cause });
}
