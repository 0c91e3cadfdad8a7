import { type Crl } from "../../src/tls/x509/crl/crl.ts";
import { parseCrls } from "../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../src/tls/x509/crl/set.ts";
import { readPem } from "../../src/tls/x509/pem.ts";

/** The DER of each block of a PEM text, in its order. */
export function derOf(...pems: readonly string[]): Uint8Array<ArrayBuffer>[] {
  return readPem(pems.join("")).map(({ der }) => der);
}

/** The set of all CRLs in these texts. */
export function crlSet(...pems: readonly string[]): CrlSet {
  return new CrlSet(pems.flatMap((pem): Crl[] => parseCrls(pem)));
}

/** A moment this many days from now. */
export function inDays(days: number): Date {
  return new Date(Date.now() + days * 86_400_000);
}

/** An unknown extension. */
export const STRANGE = { oid: "1.3.6.1.4.1.99999.1", value: new Uint8Array([5, 0]) } as const;
