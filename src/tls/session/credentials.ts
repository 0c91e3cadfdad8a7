import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";
import { CulvertError, describeError } from "../../core/errors.ts";
import { type Certificate } from "../x509/certificate.ts";
import { readCertificates } from "../x509/read_certificates.ts";
import { formatAttributes } from "../x509/distinguished_name.ts";
import { identityOf, type PeerIdentity } from "../x509/identity.ts";
import { CURVES, MIN_RSA_BITS } from "../x509/public_key.ts";
import { Oid } from "../x509/oids.ts";
import { type PemBlock, readPem, writePem } from "../x509/pem.ts";
import { isSignedBy } from "../x509/signature/signature.ts";

/** A certificate of ours and its key, as texts. */
export interface Material {
  /** The certificate in PEM, and after it those of the CAs between it and the root. */
  readonly certPem: string;
  /** PKCS#8, SEC1 or PKCS#1, in PEM, not encrypted. */
  readonly keyPem: string;
  /** How errors and warnings call the two, such as the names of the files. @default {"the certificate"} */
  readonly certLabel?: string;
  /** @default {"the key"} */
  readonly keyLabel?: string;
  /** What we are with it. @default {"server"} */
  readonly usage?: "server" | "client";
}

/** What was found out about a {@linkcode Material} that can be used. */
export interface CheckedMaterial {
  /**
   * What the runtime is to be given: the certificates alone, and the key as PKCS#8, without what else was
   * there.
   */
  readonly certPem: string;
  readonly keyPem: string;
  /** The certificates, ours first. */
  readonly chain: readonly Certificate[];
  readonly identity: PeerIdentity;
  /** When the first of them ends. */
  readonly notAfter: Date;
  /**
   * What peers may take offence at: dates, usage, a chain with a hole. Each a sentence without a full stop.
   */
  readonly warnings: readonly string[];
}

/**
 * Checks a certificate of ours and its key before they are used: the runtime takes bad ones in silence, or
 * fails handshakes with them later. Dates are no error: a server with an expired certificate still serves
 * those who don't mind.
 *
 * @throws {CulvertError} `bad_certificate`, saying which of the two is wrong and how: it can't be read, is of
 * a kind that the runtime can't use, or they don't belong together.
 */
export function checkServerMaterial(material: Material, now: Date): CheckedMaterial {
  const { certLabel = "the certificate", keyLabel = "the key", usage = "server" } = material;
  const chain = readChain(material.certPem, certLabel);
  const key = readPrivateKey(material.keyPem, keyLabel);
  const [leaf] = chain;
  const publicKey = leaf!.publicKey();
  if (publicKey === undefined) throw bad(certLabel, "its key is of a kind that can't be used here");
  const keyOfOurs = createPublicKey(key);
  if (!isSame(publicKey, keyOfOurs)) {
    throw bad(keyLabel, `it does not match the certificate in ${certLabel}${hintOfOrder(chain, keyOfOurs)}`);
  }
  const warnings = [
    ...chain.flatMap((certificate) => dateWarnings(certificate, now)),
    ...usageWarnings(leaf!, usage),
    ...keyWarnings(key, usage),
    ...orderWarnings(chain),
  ];
  return {
    certPem: chain.map(({ der }) => writePem("CERTIFICATE", der)).join(""),
    keyPem: key.export({ type: "pkcs8", format: "pem" }) as string,
    chain,
    identity: identityOf(leaf!),
    notAfter: new Date(Math.min(...chain.map(({ notAfterMs }) => notAfterMs))),
    warnings: warnings.map((warning) => `${certLabel}: ${warning}`),
  };
}

function readChain(pem: string, label: string): Certificate[] {
  let chain: Certificate[];
  try {
    chain = readCertificates(pem);
  } catch (cause) {
    throw bad(label, describeError(cause), cause);
  }
  if (chain.length === 0) throw bad(label, "there is no certificate in PEM in it");
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
  if (block === undefined) throw bad(label, "there is no private key in PEM in it");
  if (more.length > 0) throw bad(label, "there are several private keys in it");
  let key: KeyObject;
  try {
    // The runtime's reader takes a file for broken that has anything else in front.
    key = createPrivateKey(writePem(block.label, block.der));
  } catch (cause) {
    throw bad(label, "it is not a private key, or of a kind that can't be used here", cause);
  }
  const fault = keyFault(key);
  if (fault !== undefined) throw bad(label, fault);
  return key;
}

/** What the runtime's TLS can't work with, though it can read it. */
function keyFault(key: KeyObject): string | undefined {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {};
  switch (key.asymmetricKeyType) {
    case "ed25519":
      return undefined;
    case "ec":
      return CURVES.includes(namedCurve ?? "") ? undefined : `curve ${namedCurve} can't be used here`;
    case "rsa":
      return (modulusLength ?? 0) >= MIN_RSA_BITS
        ? undefined
        : `RSA of ${modulusLength} bits is too short; ${MIN_RSA_BITS} are the least`;
    default:
      return `keys of kind ${key.asymmetricKeyType} can't be used here; use RSA, ECDSA or Ed25519`;
  }
}

function isSame(a: KeyObject, b: KeyObject): boolean {
  return a.asymmetricKeyType === b.asymmetricKeyType && a.equals(b);
}

/** Where the key is that of another certificate than the first one: which must make way for it. */
function hintOfOrder(chain: readonly Certificate[], key: KeyObject): string {
  const ours = chain.find((certificate) => {
    const publicKey = certificate.publicKey();
    return publicKey !== undefined && isSame(publicKey, key);
  });
  if (ours === undefined) return "";
  const [first, own] = [chain[0]!, ours].map(({ attributes }) => formatAttributes(attributes));
  return `; the first one there is ${first}, and ours, ${own}, must come before it`;
}

function dateWarnings(certificate: Certificate, now: Date): string[] {
  const { notBeforeMs, notAfterMs, attributes } = certificate;
  const name = formatAttributes(attributes);
  if (now.getTime() > notAfterMs) return [`${name} has expired on ${new Date(notAfterMs).toISOString()}`];
  if (now.getTime() >= notBeforeMs) return [];
  return [`${name} is not valid before ${new Date(notBeforeMs).toISOString()}`];
}

function usageWarnings(leaf: Certificate, usage: "server" | "client"): string[] {
  const { extendedKeyUsage, alternativeNames } = leaf;
  const wanted = usage === "server" ? Oid.serverAuth : Oid.clientAuth;
  const warnings: string[] = [];
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(wanted)) {
    warnings.push(`its extended key usage does not include ${usage}Auth, so most peers will refuse it`);
  }
  if (usage === "server" && !alternativeNames.some(({ kind }) => kind === "dns" || kind === "ip")) {
    warnings.push("it has no DNS name and no IP address, so most clients will refuse it");
  }
  return warnings;
}

/** With TLS 1.2 a client's key must be on a curve that the client offers, and the runtime has none for P-521. */
function keyWarnings(key: KeyObject, usage: "server" | "client"): string[] {
  if (usage !== "client" || key.asymmetricKeyDetails?.namedCurve !== "secp521r1") return [];
  return ["its key is on curve P-521, so servers that speak no TLS 1.3 will refuse it"];
}

/**
 * Each is to be followed by its issuer: RFC 8446 section 4.4.2 allows otherwise, but not every peer copes.
 */
function orderWarnings(chain: readonly Certificate[]): string[] {
  const gap = chain.slice(1).findIndex((issuer, index) => !isSignedBy(chain[index]!, issuer));
  if (gap === -1) return [];
  const [above, below] = [chain[gap + 1]!, chain[gap]!].map(({ attributes }) => formatAttributes(attributes));
  return [`${above} has not issued ${below}, which it follows`];
}

function bad(label: string, why: string, cause?: unknown): CulvertError {
  return new CulvertError("bad_certificate", `Cannot use ${label}: ${why}`, { cause });
}
