import type { SignedPart } from "../certificate.ts";
import type { CrlScope } from "../distribution_points.ts";

/** A list of what one issuer has revoked. Its signature has not been checked yet. Immutable. */
export interface Crl {
  /** The issuer's name in the form in which names are compared. */
  readonly issuer: string;
  /** The issuer's name for people to read. */
  readonly issuerName: string;
  /** The DER of the issuer's name. */
  readonly issuerDer: Uint8Array;
  /** What is signed, and the signature. */
  readonly signed: SignedPart;
  /** From when on it holds, in milliseconds. */
  readonly thisUpdateMs: number;
  /** When the next one is due, in milliseconds; `undefined` where the CRL does not say. */
  readonly nextUpdateMs: number | undefined;
  /** Its CRL number; `undefined` where it has none. */
  readonly number: bigint | undefined;
  /** What it covers; `undefined`: all that its issuer has issued. */
  readonly scope: CrlScope | undefined;
  /** How many certificates it names. */
  readonly size: number;
  /** What it says of a serial number (as {@linkcode PeerIdentity} has it), or `undefined`. O(1). */
  find(serial: string): CrlEntry | undefined;
}

/** What a CRL says of a certificate that was revoked. */
export interface CrlEntry {
  /** When it was revoked. */
  readonly at: Date;
  /** Such as `keyCompromise`; `unspecified` where nothing is said. */
  readonly reason: string;
}

/** A CRL that can't be used, or what should have been one. */
export interface UnusableCrl {
  /** The issuer's name in the form in which names are compared; absent where it can't be read. */
  readonly issuer?: string;
  /** The issuer's name for people to read. */
  readonly issuerName?: string;
  /** Why, such as `it is a delta CRL, which is not supported`. */
  readonly why: string;
}

/** What {@linkcode readCrls} has found. */
export interface CrlReading {
  /** Those that can be used, as far as is known without the keys of their issuers. */
  readonly crls: readonly Crl[];
  /** Those that can't. */
  readonly unusable: readonly UnusableCrl[];
}
