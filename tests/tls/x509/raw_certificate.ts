import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { writePem } from "../../../src/tls/x509/pem.ts";

/** One element of DER: its first octet, its length, and what is in it. */
export function tlv(tag: number, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const digits: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) digits.unshift(left & 255);
  const header = length < 128 ? [tag, length] : [tag, 0x80 | digits.length, ...digits];
  const whole = new Uint8Array(header.length + length);
  whole.set(header);
  let at = header.length;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** A SEQUENCE. */
export function seq(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  return tlv(0x30, ...parts);
}

/** An object identifier. */
export function oid(text: string): Uint8Array<ArrayBuffer> {
  const [first, second, ...others] = text.split(".").map(Number);
  const octets = [first! * 40 + second!, ...others].flatMap((number) => {
    const digits = [number % 128];
    for (let left = Math.floor(number / 128); left > 0; left = Math.floor(left / 128)) {
      digits.unshift(128 + left % 128);
    }
    return digits;
  });
  return tlv(6, new Uint8Array(octets));
}

/** The characters of a text as octets. */
export function bytes(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(text);
}

/** The tags of the string types. */
export const StringTag = { utf8: 12, printable: 19, teletex: 20, ia5: 22, universal: 28, bmp: 30 } as const;

/** One attribute of a name as a step of its own; `text` is encoded as its string type asks for. */
export function attribute(type: string, text: string, tag: number = StringTag.utf8): Uint8Array<ArrayBuffer> {
  return tlv(0x31, seq(oid(type), tlv(tag, encode(text, tag))));
}

/** A name of one common name. */
export function commonName(text: string, tag: number = StringTag.utf8): Uint8Array<ArrayBuffer> {
  return seq(attribute("2.5.4.3", text, tag));
}

function encode(text: string, tag: number): Uint8Array<ArrayBuffer> {
  const codes = [...text].map((char) => char.codePointAt(0)!);
  const width = { [StringTag.universal]: 4, [StringTag.bmp]: 2, [StringTag.teletex]: 1 }[tag];
  if (width === undefined) return bytes(text);
  return new Uint8Array(
    codes.flatMap((code) => [code >>> 24, code >>> 16 & 255, code >>> 8 & 255, code & 255].slice(4 - width)),
  );
}

/** An extension with its content as DER. */
export function rawExtension(type: string, value: Uint8Array, critical = false): Uint8Array<ArrayBuffer> {
  return seq(oid(type), ...(critical ? [tlv(1, new Uint8Array([255]))] : []), tlv(4, value));
}

/** Says that a certificate is a CA's, or not. */
export function basicConstraints(isCa: boolean, pathLen?: number): Uint8Array<ArrayBuffer> {
  const length = pathLen === undefined ? [] : [tlv(2, new Uint8Array([pathLen]))];
  return rawExtension("2.5.29.19", isCa ? seq(tlv(1, new Uint8Array([255])), ...length) : seq(), true);
}

/** A certificate and its key. */
export interface Raw {
  readonly subject: Uint8Array;
  /** The content of the INTEGER. */
  readonly serial: Uint8Array;
  readonly privateKey: KeyObject;
  readonly der: Uint8Array<ArrayBuffer>;
  readonly certPem: string;
}

/** How a signature is made: the DER of the algorithm's identifier, and the signature. */
export interface RawSigner {
  readonly algorithm: Uint8Array;
  sign(tbs: Uint8Array): Uint8Array;
}

const ECDSA_SHA256 = seq(oid("1.2.840.10045.4.3.2"));

/** ECDSA with SHA-256 by this key. */
export function ecdsaSigner(privateKey: KeyObject): RawSigner {
  return { algorithm: ECDSA_SHA256, sign: (tbs) => new Uint8Array(sign("sha256", tbs, privateKey)) };
}

/** A key on P-256. */
export function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

/** The DER of the public key. */
export function spkiOf(privateKey: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createPublicKey(privateKey).export({ type: "spki", format: "der" }));
}

/** A time in two digits for the year, this many days from now. */
export function utcTime(days: number): Uint8Array<ArrayBuffer> {
  const iso = new Date(Date.now() + days * 86_400_000).toISOString();
  return tlv(23, bytes(iso.slice(2, 19).replaceAll(/[-:T]/g, "") + "Z"));
}

/**
 * A certificate of any form, made of parts that are DER already, so that it may say what no honest CA would.
 * Without an issuer it signs itself.
 */
export function rawCertificate(options: {
  readonly subject: Uint8Array;
  readonly issuer?: Raw;
  /** @default {the subject of the issuer} */
  readonly issuerName?: Uint8Array;
  readonly version?: 1 | 2 | 3;
  /** The content of the INTEGER. @default {random} */
  readonly serial?: Uint8Array;
  readonly extensions?: readonly Uint8Array[];
  readonly uniqueIds?: readonly Uint8Array[];
  readonly validity?: Uint8Array;
  readonly privateKey?: KeyObject;
  /** @default {that of the private key} */
  readonly spki?: Uint8Array;
  readonly signer?: RawSigner;
}): Raw {
  const { subject, issuer, version = 3, extensions = [], uniqueIds = [] } = options;
  const serial = options.serial ?? new Uint8Array([1, ...randomBytes(8)]);
  const privateKey = options.privateKey ?? newKey();
  const signer = options.signer ?? ecdsaSigner(issuer?.privateKey ?? privateKey);
  const tbs = seq(
    ...(version === 1 ? [] : [tlv(0xa0, tlv(2, new Uint8Array([version - 1])))]),
    tlv(2, serial),
    signer.algorithm,
    options.issuerName ?? issuer?.subject ?? subject,
    options.validity ?? seq(utcTime(-1), utcTime(30)),
    subject,
    options.spki ?? spkiOf(privateKey),
    ...uniqueIds,
    ...(extensions.length === 0 ? [] : [tlv(0xa3, seq(...extensions))]),
  );
  const signature = tlv(3, new Uint8Array([0]), signer.sign(tbs));
  const der = seq(tbs, signer.algorithm, signature);
  return { subject, serial, privateKey, der, certPem: writePem("CERTIFICATE", der) };
}
