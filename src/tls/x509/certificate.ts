import type { KeyObject } from "node:crypto";
import type { AlgorithmIdentifier } from "./algorithm_identifier.ts";
import type { CertificateContent, KeyIds } from "./certificate_content.ts";
import type { Attribute } from "./distinguished_name.ts";
import type { PublicKeyInfo } from "./public_key.ts";

/**
 * A certificate, immutable. Its frame has been read; everything else is read when it is first asked for, as most
 * of what unauthenticated peers send is never read. Until {@linkcode readWhole} has been called, every property from
 * `signed` on may throw a `CulvertError` of the code `bad_certificate`.
 */
export interface Certificate extends CertificateContent, KeyIds {
  readonly der: Uint8Array<ArrayBuffer>;
  /** SHA-256 of the DER, as hexadecimal digits. */
  readonly fingerprint: string;
  readonly version: 1 | 2 | 3;
  /** Upper-case hexadecimal digits, without zeros in front. */
  readonly serial: string;
  /** The names in the form in which names are compared (`nameKey`): two are equal if these are. */
  readonly issuer: string;
  readonly subject: string;
  /** The subject's name as it stands in the certificate. */
  readonly subjectDer: Uint8Array;
  /** The public key's DER, as it stands in the certificate. */
  readonly spki: Uint8Array<ArrayBuffer>;
  /** What the issuer has signed, and how. */
  readonly signed: SignedPart;
  /** The subject for people to read, as `formatName` shows it. */
  readonly subjectName: string;
  /** The attributes of the subject in their order; those that are no text are left out. */
  readonly attributes: readonly Attribute[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** The public key by its kind and numbers. */
  readonly keyInfo: PublicKeyInfo;
  /** The public key, or `undefined` if it is of a kind that the runtime does not know. */
  publicKey(): KeyObject | undefined;
  /**
   * Reads everything at once.
   *
   * @throws {CulvertError} `bad_certificate` when something can't be read.
   */
  readWhole(): void;
}

/** What a signature covers, and the signature. */
export interface SignedPart {
  /** What is covered, as DER. */
  readonly bytes: Uint8Array;
  /** @internal */
  readonly algorithm: AlgorithmIdentifier;
  /** The signature itself. */
  readonly signature: Uint8Array;
}
