import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import {
  authorityKeyIdentifier,
  extension,
  integer,
  type RawExtension,
  signatureAlgorithm,
  signed,
  type Signer,
  time,
} from "./certificate_builder.ts";
import { Oid, REVOCATION_REASONS, type RevocationReason } from "../x509/oids.ts";

/** A certificate that was taken back. */
export interface Revocation {
  /** Upper-case hexadecimal digits. */
  readonly serial: string;
  /** When. */
  readonly at: Date;
  /** Why. */
  readonly reason: RevocationReason;
}

/** What a CRL shall say. */
export interface CrlTemplate {
  readonly thisUpdate: Date;
  /** Null leaves it out. */
  readonly nextUpdate: Date | null;
  readonly number: number;
  readonly revoked: readonly Revocation[];
  readonly extensions: readonly RawExtension[];
}

/** Makes a version 2 CRL, RFC 5280 section 5, and signs it. Returns its DER. */
export function buildCrl(content: CrlTemplate, signer: Signer): Uint8Array<ArrayBuffer> {
  const { thisUpdate, nextUpdate, number, revoked } = content;
  const crl = new pkijs.CertificateRevocationList({
    version: 1,
    signature: signatureAlgorithm(signer.privateKey),
    issuer: pkijs.RelativeDistinguishedNames.fromBER(signer.subject),
    thisUpdate: time(thisUpdate),
    ...(nextUpdate === null ? {} : { nextUpdate: time(nextUpdate) }),
    // An empty list must be left out altogether: RFC 5280 section 5.1.2.6.
    ...(revoked.length === 0 ? {} : { revokedCertificates: revoked.map(entry) }),
    crlExtensions: new pkijs.Extensions({
      extensions: [
        authorityKeyIdentifier(signer),
        extension(Oid.crlNumber, false, new asn1js.Integer({ value: number }).toBER()),
        ...content.extensions.map(({ oid, critical, value }) => extension(oid, critical, value.buffer)),
      ],
    }),
  });
  const [tbs] = crl.toSchema(true).valueBlock.value;
  return signed(tbs as asn1js.Sequence, signer.privateKey);
}

function entry(revocation: Revocation): pkijs.RevokedCertificate {
  const reason = REVOCATION_REASONS.indexOf(revocation.reason);
  const parts = { userCertificate: integer(revocation.serial), revocationDate: time(revocation.at) };
  // "unspecified" is said by saying nothing: RFC 5280 section 5.3.1.
  if (reason <= 0) return new pkijs.RevokedCertificate(parts);
  const code = extension(Oid.crlReason, false, new asn1js.Enumerated({ value: reason }).toBER());
  const crlEntryExtensions = new pkijs.Extensions({ extensions: [code] });
  return new pkijs.RevokedCertificate({ ...parts, crlEntryExtensions });
}
