import * as asn1js from "asn1js";
import * as pkijs from "pkijs";
import { CulvertError } from "../../core/errors.ts";
import { parseIp } from "../../net/ip.ts";
import { Oid } from "../x509/oids.ts";

/** The subject alternative names of a certificate, by kind. */
export interface NameLists {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  /** Literal addresses. */
  readonly ip: readonly string[];
  readonly email: readonly string[];
}

/** A subject of these, as DER: the units first, then the common names, each a step of its own. */
export function buildSubject(
  names: { readonly cn: readonly string[]; readonly ou: readonly string[] },
): Uint8Array<ArrayBuffer> {
  const steps = [
    ...names.ou.map((value) => attribute(Oid.organizationalUnit, value)),
    ...names.cn.map((value) => attribute(Oid.commonName, value)),
  ];
  return new Uint8Array(new asn1js.Sequence({ value: steps }).toBER());
}

/**
 * The alternative names of a subject, RFC 5280 section 4.2.1.6.
 *
 * @throws {CulvertError} `bad_name` for a name that can't be one of its kind.
 */
export function generalNames(names: NameLists): pkijs.GeneralNames {
  return new pkijs.GeneralNames({
    names: [
      ...names.email.map((value) => new pkijs.GeneralName({ type: 1, value: ascii(value) })),
      ...names.dns.map((value) => new pkijs.GeneralName({ type: 2, value: ascii(value) })),
      ...names.uri.map((value) => new pkijs.GeneralName({ type: 6, value: ascii(value) })),
      ...names.ip.map((value) => new pkijs.GeneralName({ type: 7, value: address(value) })),
    ],
  });
}

function attribute(type: string, value: string): asn1js.Set {
  const pair = [new asn1js.ObjectIdentifier({ value: type }), new asn1js.Utf8String({ value })];
  return new asn1js.Set({ value: [new asn1js.Sequence({ value: pair })] });
}

/** These names are of 7-bit characters: others would be cut to their lowest eight bits. */
function ascii(value: string): string {
  // deno-lint-ignore no-control-regex -- a NUL is allowed: readers of names must handle it.
  if (value === "" || !/^[\x00-\x7f]*$/.test(value)) throw badName(value, "expected ASCII characters");
  return value;
}

function address(value: string): asn1js.OctetString {
  const ip = parseIp(value);
  if (ip === undefined) throw badName(value, "expected an IP address");
  const bytes = new Uint8Array(ip.words.length * 4);
  const view = new DataView(bytes.buffer);
  ip.words.forEach((word, index) => view.setUint32(index * 4, word));
  return new asn1js.OctetString({ valueHex: bytes.buffer });
}

function badName(value: string, expected: string): CulvertError {
  return new CulvertError("bad_name", `Cannot put ${JSON.stringify(value)} into a certificate: ${expected}`);
}
