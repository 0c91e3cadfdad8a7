import { createPrivateKey, createPublicKey, type KeyObject, randomBytes } from "node:crypto";
import { CulvertError } from "../../core/errors.ts";
import { readCertificates } from "../x509/read_certificates.ts";
import type { Signer } from "./certificate_builder.ts";
import type { KeyUsage } from "../x509/oids.ts";
import { normalizeSerial } from "../x509/serial_number.ts";

/** What others need to know of a CA's certificate. */
export interface CaParts {
  readonly subject: Uint8Array<ArrayBuffer>;
  readonly spki: Uint8Array<ArrayBuffer>;
  readonly notAfter: Date;
}

/** The signer with this key and this name (DER). */
export function signerOf(privateKey: KeyObject, subject: Uint8Array<ArrayBuffer>): Signer {
  const spki = createPublicKey(privateKey).export({ type: "spki", format: "der" });
  return { privateKey, subject, spki: new Uint8Array(spki) };
}

/** A private key as PKCS#8. */
export function exportKey(privateKey: KeyObject): string {
  return privateKey.export({ type: "pkcs8", format: "pem" }) as string;
}

/** Reads a private key in PEM. Throws a {@linkcode CulvertError} `bad_certificate` when it is none. */
export function readKey(keyPem: string): KeyObject {
  try {
    return createPrivateKey(keyPem);
  } catch (cause) {
    throw new CulvertError("bad_certificate", "Cannot load a private key: not a key in PEM", { cause });
  }
}

/**
 * What goes on in what a CA issues: its name and its key as DER, and its end.
 *
 * @throws {CulvertError} `bad_certificate` when it can't be read.
 */
export function caParts(certPem: string): CaParts {
  const certificate = readCertificates(certPem)[0];
  if (certificate === undefined) {
    throw new CulvertError("bad_certificate", "Cannot load the CA: no certificate");
  }
  const { subjectDer, spki, notAfterMs } = certificate;
  return { subject: new Uint8Array(subjectDer), spki, notAfter: new Date(notAfterMs) };
}

/** What a leaf may use its key for. An RSA key takes part in the old key exchange of TLS 1.2 by deciphering. */
export function leafUsage(privateKey: KeyObject): readonly KeyUsage[] {
  const isRsa = privateKey.asymmetricKeyType === "rsa";
  return isRsa ? ["digitalSignature", "keyEncipherment"] : ["digitalSignature"];
}

/** A serial number of 128 random bits. */
export function randomSerial(): string {
  return normalizeSerial(randomBytes(16).toString("hex"));
}

/** A time in whole seconds, rounded down: a certificate can say no more than that. */
export function wholeSeconds(time: Date): Date {
  return new Date(Math.floor(time.getTime() / 1000) * 1000);
}
