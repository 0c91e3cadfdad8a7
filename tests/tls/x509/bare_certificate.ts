import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import * as pkijs from "pkijs";
import {
  extension,
  integer,
  type RawExtension,
  signatureAlgorithm,
  signed,
  time,
} from "../../../src/tls/authority/certificate_builder.ts";
import { buildSubject } from "../../../src/tls/authority/name_builder.ts";
import { writePem } from "../../../src/tls/x509/pem.ts";
import { inDays } from "../pki.ts";

/** A certificate and its key. */
export interface Bare {
  readonly cn: string;
  readonly privateKey: KeyObject;
  readonly certPem: string;
}

/** A key of a kind that `generateKey` does not make, such as one that is too weak. */
export function keyOf(kind: { rsa: number } | { curve: string }): KeyObject {
  return "rsa" in kind
    ? generateKeyPairSync("rsa", { modulusLength: kind.rsa }).privateKey
    : generateKeyPairSync("ec", { namedCurve: kind.curve }).privateKey;
}

/**
 * A certificate that says nothing but its names, its dates and its key: no honest CA's are like this, so
 * `Authority` does not make them. `issuer` signs it, or itself does.
 */
export function bareCertificate(options: {
  readonly cn: string;
  readonly issuer?: Bare;
  readonly privateKey?: KeyObject;
  readonly version?: 1 | 3;
  readonly extensions?: readonly RawExtension[];
}): Bare {
  const { cn, issuer, version = 3, extensions = [] } = options;
  const privateKey = options.privateKey ?? keyOf({ curve: "prime256v1" });
  const signer = issuer?.privateKey ?? privateKey;
  const certificate = new pkijs.Certificate({
    version: version - 1,
    serialNumber: integer(randomBytes(8).toString("hex")),
    signature: signatureAlgorithm(signer),
    issuer: nameOf(issuer?.cn ?? cn),
    notBefore: time(inDays(-1)),
    notAfter: time(inDays(1)),
    subject: nameOf(cn),
    subjectPublicKeyInfo: pkijs.PublicKeyInfo.fromBER(spkiOf(privateKey)),
    ...(extensions.length === 0
      ? {}
      : { extensions: extensions.map(({ oid, critical, value }) => extension(oid, critical, value.buffer)) }),
  });
  return { cn, privateKey, certPem: writePem("CERTIFICATE", signed(certificate.encodeTBS(), signer)) };
}

function nameOf(cn: string): pkijs.RelativeDistinguishedNames {
  return pkijs.RelativeDistinguishedNames.fromBER(buildSubject({ cn: [cn], ou: [] }));
}

function spkiOf(privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createPublicKey(privateKey).export({ type: "spki", format: "der" }));
}
