import type { KeyObject } from "node:crypto";
import type { RawExtension } from "./certificate_builder.ts";
import type { Revocation } from "./crl_builder.ts";
import type { KeyAlgorithm } from "./generate_key.ts";
import type { KeyUsage } from "../x509/oids.ts";

/** Makes a new private key. */
export type KeyMaker = (algorithm: KeyAlgorithm) => Promise<KeyObject>;

/** One name or several. */
export type Names = string | readonly string[];

/**
 * The content of a certificate to be issued. The defaults make a valid certificate.
 */
export interface IssueOptions {
  /** The common names of the subject. */
  readonly cn?: Names;
  /** The organizational units of the subject. */
  readonly ou?: Names;
  /** DNS names; `*.` at the start of one is a wildcard. */
  readonly dns?: Names;
  /** URIs, such as a SPIFFE ID. */
  readonly uri?: Names;
  /** IP addresses. */
  readonly ip?: Names;
  /** Addresses of electronic mail. */
  readonly email?: Names;
  /** From when on it holds. @default an hour before now */
  readonly notBefore?: Date;
  /** Until when it holds. @default 825 days after now; 10 years for a CA; never after the issuer's own end */
  readonly notAfter?: Date;
  /** None leaves the extension out. @default what the kind of certificate needs */
  readonly keyUsage?: readonly KeyUsage[];
  /** Object identifiers. None leaves the extension out. @default what the kind of certificate needs */
  readonly extendedKeyUsage?: readonly string[];
  /** Whether it may issue others. @default {false} */
  readonly isCa?: boolean;
  /** How many CAs may follow below. @default no bound */
  readonly pathLen?: number;
  /** More extensions. */
  readonly extensions?: readonly RawExtension[];
  /** The kind of key. @default the authority's own kind */
  readonly algorithm?: KeyAlgorithm;
  /** A private key to use instead of a new one, as a renewal does. */
  readonly keyPem?: string;
  /** Hexadecimal digits. @default 128 random bits */
  readonly serial?: string;
}

/** A certificate and its key. */
export interface Issued {
  /** The certificate alone. */
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
  /** The certificate, and after it those of the intermediate CAs above: what a peer should be sent. */
  readonly chainPem: string;
  /** Upper-case hexadecimal digits. */
  readonly serial: string;
  /** From when on it holds. */
  readonly notBefore: Date;
  /** Until when it holds. */
  readonly notAfter: Date;
}

/** Options of `createAuthority`. */
export interface AuthorityOptions {
  /** The common name of the CA. @default {"Culvert CA"} */
  readonly name?: string;
  /** The kind of its key. @default {"ecdsa-p256"} */
  readonly algorithm?: KeyAlgorithm;
  /** From when on it holds. @default an hour before now */
  readonly notBefore?: Date;
  /** Until when it holds. @default 10 years after now */
  readonly notAfter?: Date;
  /** How many CAs may follow below. @default no bound */
  readonly pathLen?: number;
  /** What its key may be used for. @default keyCertSign and cRLSign */
  readonly keyUsage?: readonly KeyUsage[];
  /** More extensions. */
  readonly extensions?: readonly RawExtension[];
  /** Tells the time. @default {Date.now} */
  readonly now?: () => number;
  /** Makes its key, and those of all that it issues. @default {generateKey} */
  readonly newKey?: KeyMaker;
}

/** The content of a CRL to be issued. */
export interface CrlOptions {
  /** When it is made. @default the authority's clock */
  readonly now?: Date;
  /**
   * When the next one is due. Null leaves it out, which RFC 5280 does not allow.
   *
   * @default 30 days after `now`; never after the issuer's own end
   */
  readonly nextUpdate?: Date | null;
  /** Its number. @default one more than the last one's */
  readonly number?: number;
  /** More extensions. */
  readonly extensions?: readonly RawExtension[];
}

/** An {@linkcode Authority} as it is kept in files. */
export interface AuthorityState {
  /** Its certificate. */
  readonly certPem: string;
  /** Its key: PKCS#8, SEC1 or PKCS#1. */
  readonly keyPem: string;
  /** What has been revoked. @default nothing */
  readonly revoked?: readonly Revocation[];
  /** The number of the last CRL. @default {0} */
  readonly crlNumber?: number;
  /** Tells the time. @default {Date.now} */
  readonly now?: () => number;
}
