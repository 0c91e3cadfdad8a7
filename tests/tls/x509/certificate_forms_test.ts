import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { parseCertificate } from "../../../src/tls/x509/read_certificates.ts";
import { bareCertificate } from "./bare_certificate.ts";
import { derOf, STRANGE } from "../pki.ts";

const ca = await createAuthority();

/** The certificate with one place in its hexadecimal digits changed, the last where there are several. */
function changed(der: Uint8Array, from: RegExp, to: string): Uint8Array<ArrayBuffer> {
  const hex = der.toHex();
  const match = [...hex.matchAll(from)].at(-1);
  if (match === undefined) throw new Error(`${from} is not there`);
  return Uint8Array.fromHex(hex.slice(0, match.index) + to + hex.slice(match.index + match[0].length));
}

async function issued(options: Parameters<typeof ca.issueClient>[0] = {}): Promise<Uint8Array> {
  return derOf((await ca.issueClient({ cn: "a", ...options })).certPem)[0]!;
}

function assertRefused(der: Uint8Array, message: string): void {
  const error = assertThrows(
    () => parseCertificate(der),
    CulvertError,
    `Cannot read a certificate: ${message}`,
  );
  assertEquals(error.code, "bad_certificate");
}

Deno.test("what is not signed can't be changed: the algorithm, and the bits of the signature", async () => {
  let der = await issued();
  // The last bit must be zero, or the runtime's reader takes offence at it.
  while (der.at(-1)! % 2 === 1) der = await issued();
  assertRefused(changed(der, /06082a8648ce3d040302/g, "06082a8648ce3d040303"), "it names two");
  assertRefused(
    changed(der, /(?<=034[0-9a-f])0030/g, "0130"),
    "its signature is not a whole number of octets",
  );
});

Deno.test("a key that the runtime's reader can't read makes a certificate unreadable", async () => {
  assertRefused(changed(await issued(), /301306072a8648ce3d0201/g, "311306072a8648ce3d0201"), "");
});

Deno.test("only version 3 has extensions, and there are no versions beyond", async () => {
  const extension = { ...STRANGE, critical: false };
  const pem = bareCertificate({ cn: "a", version: 1, extensions: [extension] }).certPem;
  assertRefused(derOf(pem)[0]!, "only version 3");
  assertRefused(changed(await issued(), /a003020102/g, "a003020103"), "its version is not known");
  for (const version of [1, 3] as const) {
    const [der] = derOf(bareCertificate({ cn: "a", version }).certPem);
    assertEquals(parseCertificate(der!).version, version);
  }
});

Deno.test("an object identifier has one form, and an end", async () => {
  const strange = await issued({ extensions: [{ ...STRANGE, critical: true }] });
  assertEquals(parseCertificate(strange).unsupported, [STRANGE.oid]);
  // The arc 99999 with another first octet: one that adds nothing to it.
  assertRefused(
    changed(strange, /2b06010401868d1f01/g, "2b06010401808d1f01"),
    "an object identifier is malformed",
  );
  const long = (arcs: number) =>
    issued({ extensions: [{ ...STRANGE, oid: `1.2${".3".repeat(arcs)}`, critical: true }] });
  assertEquals(parseCertificate(await long(63)).unsupported, [`1.2${".3".repeat(63)}`]);
  assertRefused(await long(64), "an object identifier is malformed");
  const oid = "2.25.329800735698586629295641978511506172918";
  const large = await issued({ extensions: [{ ...STRANGE, oid, critical: true }] });
  assertEquals(parseCertificate(large).unsupported, [oid]);
});

Deno.test("a length of paths is no negative number, and none that is huge", () => {
  const withLength = (hex: string) => {
    const extensions = [{ oid: "2.5.29.19", critical: true, value: Uint8Array.fromHex(hex) }];
    const [der] = derOf(bareCertificate({ cn: "a", extensions }).certPem);
    return der!;
  };
  for (const [hex, pathLen] of [["30060101ff020100", 0], ["30070101ff020200ff", 255]] as const) {
    assertEquals(parseCertificate(withLength(hex)).basicConstraints, { isCa: true, pathLen });
  }
  for (
    const hex of ["30060101ff0201ff", "300a0101ff02050100000000", "30050101ff0200", "30090101ff020100020100"]
  ) {
    assertRefused(withLength(hex), "its extension 2.5.29.19 is malformed");
  }
});

Deno.test("what a certificate says in full is read in full", async () => {
  const der = await issued({
    ...{ dns: ["a.test", "b.test"], uri: "urn:a", ip: "10.0.0.1", email: "a@b.test" },
    ...{ keyUsage: ["digitalSignature", "decipherOnly"], extendedKeyUsage: ["1.3.6.1.5.5.7.3.2", "2.999.3"] },
  });
  const { alternativeNames, keyUsage, extendedKeyUsage, basicConstraints, attributes } = parseCertificate(
    der,
  );
  assertEquals(alternativeNames, [
    { kind: "email", value: "a@b.test" },
    { kind: "dns", value: "a.test" },
    { kind: "dns", value: "b.test" },
    { kind: "uri", value: "urn:a" },
    { kind: "ip", bytes: new Uint8Array([10, 0, 0, 1]) },
  ]);
  assertEquals(keyUsage, ["digitalSignature", "decipherOnly"]);
  assertEquals(extendedKeyUsage, ["1.3.6.1.5.5.7.3.2", "2.999.3"]);
  assertEquals(basicConstraints, { isCa: false, pathLen: undefined });
  assertEquals(attributes, [{ type: "2.5.4.3", value: "a" }]);
});

Deno.test("the identifier of the issuer's key is found beside whatever may stand there, and nothing else", () => {
  const idIn = (hex: string) => {
    const extensions = [{ oid: "2.5.29.35", critical: false, value: Uint8Array.fromHex(hex) }];
    const [der] = derOf(bareCertificate({ cn: "a", extensions }).certPem);
    return parseCertificate(der!).authorityKeyId;
  };
  assertEquals([idIn("300480020a0b"), idIn("30058203aabbcc"), idIn("3000")], ["0a0b", undefined, undefined]);
  assertEquals(idIn("300980020a0b820301ffff"), "0a0b");
  for (const hex of ["300483020a0b", "3004a0020a0b", "0500"]) {
    assertThrows(() => idIn(hex), CulvertError, "its extension 2.5.29.35 is malformed");
  }
});
