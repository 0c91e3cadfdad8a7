import { assertEquals, assertThrows } from "@std/assert";
import { CulvertError } from "../../../src/core/errors.ts";
import { compileRules } from "../../../src/tls/authorize/rules.ts";
import { createAuthority } from "../../../src/tls/authority/authority.ts";
import { readIdentity } from "../../../src/tls/x509/identity.ts";
import { readPem } from "../../../src/tls/x509/pem.ts";

const VAIN = [
  "spiffe://Example.org/x",
  "spiffe://example.orG",
  "SPIFFE://example.org/x",
  "Spiffe://**",
  "spiffe://*.Example.org/x",
  "spiffe://Example.org/**",
  "spiffe://*A/x",
  "spiffe://example.org/",
  "spiffe://example.org//x",
  "spiffe://example.org/a/../x",
  "spiffe://example.org:8443/x",
  "spiffe://example.org/x?y",
  "spiffe:x",
];

for (const uri of VAIN) {
  Deno.test(`a rule about ${uri} is refused, as no certificate can have such a name`, () => {
    const error = assertThrows(() => compileRules([{ uri }]), CulvertError, "a trust domain in lower case");
    assertEquals(error.code, "bad_rule");
  });
}

Deno.test("a rule that a SPIFFE ID can match is not refused", async () => {
  const ca = await createAuthority();
  const { certPem } = await ca.issueClient({ cn: "a", uri: "spiffe://example.org/ns/Prod/sa/Web-1" });
  const identity = readIdentity(readPem(certPem)[0]!.der);
  const rules = [
    "spiffe://example.org/ns/Prod/sa/Web-1",
    "spiffe://*.org/ns/Prod/sa/*",
    "spiffe://**Prod/**",
    "spiffe://ex**/Web-*",
    "spiffe://*/**",
    "spiffe:**Web-1",
    "spiffe:/**",
  ];
  for (const uri of rules) assertEquals(compileRules([{ uri }])(identity), { uri }, uri);
  // What is of no `spiffe:` is as it was.
  for (const uri of ["https://Example.org/", "urn:A", "evil+spiffe://X/"]) compileRules([{ uri }]);
});
