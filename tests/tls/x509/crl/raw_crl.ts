import type { KeyObject } from "node:crypto";
import {
  bytes,
  ecdsaSigner,
  type Raw,
  rawExtension,
  type RawSigner,
  seq,
  tlv,
  utcTime,
} from "../raw_certificate.ts";
import { writePem } from "../../../../src/tls/x509/pem.ts";
import { TemporaryFolder } from "../../../support/folder.ts";
import { opensslVerdict } from "../path/openssl_verify.ts";

/** What a CRL of any form says. */
export interface RawCrlOptions {
  readonly issuer: Pick<Raw, "subject" | "privateKey">;
  /** The content of the INTEGER of each serial number. */
  readonly revoked?: readonly Uint8Array[];
  /** Extensions of each entry. */
  readonly entryExtensions?: readonly Uint8Array[];
  readonly extensions?: readonly Uint8Array[];
  /** @default {that of the issuer} */
  readonly privateKey?: KeyObject;
  readonly signer?: RawSigner;
  /** Its CRL number, or the content of the INTEGER; null leaves it out. @default {1} */
  readonly number?: number | Uint8Array | null;
  /** Days from now. @default {-1} */
  readonly thisUpdate?: number;
  /** Days from now; null leaves it out. @default {5} */
  readonly nextUpdate?: number | null;
}

/** A CRL made of parts, so that it may say what no honest CA would. PEM. */
export function rawCrl(options: RawCrlOptions): string {
  const { issuer, revoked = [], entryExtensions = [], number = 1, thisUpdate = -1, nextUpdate = 5 } = options;
  const { algorithm, sign } = options.signer ?? ecdsaSigner(options.privateKey ?? issuer.privateKey);
  const ofEntry = entryExtensions.length === 0 ? [] : [seq(...entryExtensions)];
  const entries = revoked.map((serial) => seq(tlv(2, serial), utcTime(-1), ...ofEntry));
  const numberContent = typeof number === "number" ? new Uint8Array([number]) : number;
  const extensions = [
    ...(numberContent === null ? [] : [rawExtension("2.5.29.20", tlv(2, numberContent))]),
    ...(options.extensions ?? []),
  ];
  const tbs = seq(
    ...[tlv(2, new Uint8Array([1])), algorithm, issuer.subject, utcTime(thisUpdate)],
    ...(nextUpdate === null ? [] : [utcTime(nextUpdate)]),
    ...(entries.length === 0 ? [] : [seq(...entries)]),
    ...(extensions.length === 0 ? [] : [tlv(0xa0, seq(...extensions))]),
  );
  return writePem("X509 CRL", seq(tbs, algorithm, tlv(3, new Uint8Array([0]), sign(tbs))));
}

const TRUE = new Uint8Array([255]);

/** The parts of an issuingDistributionPoint. */
export const Scope = {
  users: tlv(0x81, TRUE),
  cas: tlv(0x82, TRUE),
  indirect: tlv(0x84, TRUE),
  attributes: tlv(0x85, TRUE),
  /** Reasons as the bits of ReasonFlags, from its second octet on. */
  reasons: (first: number, second = 0) => tlv(0x83, new Uint8Array([7, first, second])),
  place: (...names: readonly Uint8Array[]) => tlv(0xa0, tlv(0xa0, ...names)),
  /** The name of the issuer with this attribute (type and value) below. */
  relative: (pair: Uint8Array) => tlv(0xa0, tlv(0xa1, pair)),
};

/** A name of a place. */
export function uriName(text: string): Uint8Array<ArrayBuffer> {
  return tlv(0x86, bytes(text));
}

/** A name of a place, of a Name in DER. */
export function directoryName(name: Uint8Array): Uint8Array<ArrayBuffer> {
  return tlv(0xa4, name);
}

/** An issuingDistributionPoint of these parts. */
export function issuingPoint(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return rawExtension("2.5.29.28", seq(...parts), true);
}

/** cRLDistributionPoints; each point is made of these parts. */
export function distributionPoints(...points: readonly (readonly Uint8Array[])[]): Uint8Array<ArrayBuffer> {
  return rawExtension("2.5.29.31", seq(...points.map((parts) => seq(...parts))));
}

/** What OpenSSL says of a chain by these CRLs: `OK`, or its error in words. */
export async function opensslCrlVerdict(options: {
  readonly trusted: string;
  readonly chain: readonly Uint8Array[];
  readonly crls: string;
  readonly args?: readonly string[];
}): Promise<string> {
  await using folder = new TemporaryFolder();
  await Deno.writeTextFile(folder.file("crls.pem"), options.crls);
  const args = ["-crl_check", "-extended_crl", "-CRLfile", folder.file("crls.pem"), ...options.args ?? []];
  return await opensslVerdict({ ...options, args });
}
