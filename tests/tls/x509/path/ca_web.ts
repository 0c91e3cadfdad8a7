import type { RawExtension } from "../../../../src/tls/authority/certificate_builder.ts";
import { type Bare, bareCertificate, keyOf } from "../bare_certificate.ts";

/** Basic constraints of a CA. */
const CA = { oid: "2.5.29.19", critical: true, value: Uint8Array.fromHex("30030101ff") };
/** Extensions that say nothing. They make a certificate slow to parse. */
function paddingOf(count: number): RawExtension[] {
  return Array.from({ length: count }, (_, index) => ({
    ...{ oid: `1.2.${index + 3}`, critical: false, value: new Uint8Array() },
  }));
}

/** A certificate under a web of CAs. */
export interface CaWeb {
  /** The leaf and all CAs, in PEM. */
  readonly chainPem: string;
  /** The private key of the leaf, in PEM. */
  readonly keyPem: string;
}

/**
 * CAs of one name, each of which has certified another, and a leaf under them: a search for a path to a trusted CA
 * that has no bound takes exponential time. Nine of them have 11 KB, and cost the engine of the runtime 2.4 s.
 */
export function makeCaWeb(
  { count = 9, padding = 100, cn = "web" }: { count?: number; padding?: number; cn?: string } = {},
): CaWeb {
  const keys = Array.from({ length: count }, () => keyOf({ curve: "prime256v1" }));
  const issuer = (index: number): Bare => ({ cn, privateKey: keys[index % count]!, certPem: "" });
  const cas = keys.map((privateKey, index) =>
    bareCertificate({
      cn,
      privateKey,
      issuer: issuer(index + 1),
      extensions: [CA, ...paddingOf(padding)],
    })
  );
  const leaf = bareCertificate({ cn: "untrusted", issuer: issuer(0) });
  return {
    chainPem: [leaf, ...cas].map(({ certPem }) => certPem).join(""),
    keyPem: leaf.privateKey.export({ type: "pkcs8", format: "pem" }) as string,
  };
}
