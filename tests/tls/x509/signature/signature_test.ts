import { assertEquals, assertStringIncludes } from "@std/assert";
import { algorithmIdentifierOf } from "../../../../src/tls/x509/algorithm_identifier.ts";
import { type Certificate, type SignedPart } from "../../../../src/tls/x509/certificate.ts";
import { parseCertificate } from "../../../../src/tls/x509/read_certificates.ts";
import { DerNode } from "../../../../src/tls/x509/der.ts";
import { keyFault } from "../../../../src/tls/x509/public_key.ts";
import { isSlowToCheck, signatureFault } from "../../../../src/tls/x509/signature/signature.ts";
import { output } from "../../../support/child.ts";
import { TemporaryFolder } from "../../../support/folder.ts";
import { testWith } from "../../../support/installed.ts";
import { commonName, oid, rawCertificate, seq, tlv } from "../raw_certificate.ts";

const MESSAGE = new TextEncoder().encode("what is signed ".repeat(20));
const HASHES = { sha224: "4", sha256: "1", sha384: "2", sha512: "3" } as const;
type Hash = keyof typeof HASHES;
const ALL = Object.keys(HASHES) as Hash[];
const NULL = tlv(5);
const digest = (hash: Hash) => seq(oid(`2.16.840.1.101.3.4.2.${HASHES[hash]}`), NULL);
const ecdsa = (hash: Hash) =>
  seq(oid(`1.2.840.10045.4.3.${{ sha224: 1, sha256: 2, sha384: 3, sha512: 4 }[hash]}`));
const pkcs1 = (hash: Hash) =>
  seq(oid(`1.2.840.113549.1.1.${{ sha224: 14, sha256: 11, sha384: 12, sha512: 13 }[hash]}`), NULL);
const pssParams = (hash: Hash, mgf: Hash, salt: number) =>
  seq(
    tlv(0xa0, digest(hash)),
    tlv(0xa1, seq(oid("1.2.840.113549.1.1.8"), digest(mgf))),
    tlv(0xa2, tlv(2, salt > 127 ? new Uint8Array([0, salt]) : new Uint8Array([salt]))),
  );
const pss = (hash: Hash, mgf: Hash, salt: number) =>
  seq(oid("1.2.840.113549.1.1.10"), pssParams(hash, mgf, salt));

/** Keys that OpenSSL makes and signs with, and the digests for which the runtime alone would not do. */
const CURVES: Readonly<Record<string, readonly Hash[]>> = {
  "P-224": [],
  "P-256": [],
  "P-384": [],
  "P-521": ["sha224", "sha256"],
  "secp256k1": ALL,
  "brainpoolP256r1": ALL,
  "brainpoolP384r1": ALL,
  "brainpoolP512r1": ALL,
};
/**
 * The RSA keys of a file, in its order, by their bits. `openssl genpkey` made them, those of 4096 and 8192 bits of three
 * and five primes: to make the longest takes six seconds.
 */
const RSA = [2048, 2056, 3072, 4096, 8192];

class Signer implements AsyncDisposable {
  readonly #folder = new TemporaryFolder();
  #count = 0;

  constructor() {
    Deno.writeFileSync(this.#folder.file("message"), MESSAGE);
  }

  /** Makes a key; gives its file and a certificate with it. */
  async key(...args: readonly string[]): Promise<{ file: string; issuer: Certificate }> {
    const file = this.#folder.file(`${this.#count++}.key`);
    await output("openssl", ["genpkey", "-out", file, ...args]);
    return await this.#withIssuer(file);
  }

  /** Takes a key that is there already. */
  async use(keyPem: string): Promise<{ file: string; issuer: Certificate }> {
    const file = this.#folder.file(`${this.#count++}.key`);
    Deno.writeTextFileSync(file, keyPem);
    return await this.#withIssuer(file);
  }

  async #withIssuer(file: string): Promise<{ file: string; issuer: Certificate }> {
    await output("openssl", ["pkey", "-in", file, "-pubout", "-outform", "DER", "-out", `${file}.pub`]);
    const spki = Deno.readFileSync(`${file}.pub`);
    return { file, issuer: parseCertificate(rawCertificate({ subject: commonName("CA"), spki }).der) };
  }

  async sign(file: string, ...args: readonly string[]): Promise<Uint8Array> {
    const message = this.#folder.file("message");
    await output("openssl", ["dgst", "-sign", file, ...args, "-out", `${file}.sig`, message]);
    return Deno.readFileSync(`${file}.sig`);
  }

  async signRaw(file: string): Promise<Uint8Array> {
    const message = this.#folder.file("message");
    await output("openssl", [
      "pkeyutl",
      "-sign",
      "-rawin",
      "-inkey",
      file,
      "-in",
      message,
      "-out",
      `${file}.sig`,
    ]);
    return Deno.readFileSync(`${file}.sig`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#folder[Symbol.asyncDispose]();
  }
}

/** Good as it is, and wrong with another message or another signature. */
function assertChecked(
  issuer: Certificate,
  algorithm: Uint8Array,
  signature: Uint8Array,
  about: string,
): void {
  const part = partOf(algorithm, signature);
  assertEquals(signatureFault(part, issuer), undefined, about);
  const changed = new Uint8Array(signature);
  changed[changed.length - 1]! ^= 1;
  for (const bad of [{ ...part, bytes: MESSAGE.subarray(1) }, { ...part, signature: changed }]) {
    const fault = { kind: "wrong", detail: "its signature is not its issuer's" } as const;
    assertEquals(signatureFault(bad, issuer), fault, about);
  }
}

function partOf(algorithm: Uint8Array, signature: Uint8Array): SignedPart {
  return { bytes: MESSAGE, algorithm: algorithmIdentifierOf(DerNode.whole(algorithm)), signature };
}

testWith(
  ["openssl"],
  "OpenSSL's signatures by ECDSA are good, on every curve with every digest",
  async () => {
    await using signer = new Signer();
    for (const [curve, slow] of Object.entries(CURVES)) {
      const { file, issuer } = await signer.key("-algorithm", "ec", "-pkeyopt", `ec_paramgen_curve:${curve}`);
      for (const hash of ALL) {
        const signature = await signer.sign(file, `-${hash}`);
        assertChecked(issuer, ecdsa(hash), signature, `${curve} ${hash}`);
        const isSlow = isSlowToCheck(partOf(ecdsa(hash), signature), issuer);
        assertEquals(isSlow, slow.includes(hash), `${curve} ${hash}`);
      }
    }
  },
);

testWith(
  ["openssl"],
  "OpenSSL's signatures by RSA are good, whatever the size, digests and salt",
  async () => {
    await using signer = new Signer();
    const keys = Deno.readTextFileSync(new URL("rsa_keys.pem", import.meta.url)).split(/(?=-----BEGIN)/);
    for (const [index, bits] of RSA.entries()) {
      const { file, issuer } = await signer.use(keys[index + 1]!);
      assertEquals(issuer.keyInfo.kind === "rsa" && issuer.keyInfo.bits, bits);
      for (const hash of ALL) {
        assertChecked(issuer, pkcs1(hash), await signer.sign(file, `-${hash}`), `${bits} ${hash}`);
      }
      for (
        const [hash, mgf, salt] of [
          ["sha256", "sha256", 0],
          ["sha384", "sha384", 20],
          ["sha224", "sha224", 28],
          [
            "sha512",
            "sha512",
            190,
          ],
          ["sha256", "sha512", 32],
          ["sha512", "sha224", 8],
        ] as const
      ) {
        const args = ["rsa_padding_mode:pss", `rsa_pss_saltlen:${salt}`, `rsa_mgf1_md:${mgf}`];
        const signature = await signer.sign(file, `-${hash}`, ...args.flatMap((arg) => ["-sigopt", arg]));
        assertChecked(issuer, pss(hash, mgf, salt), signature, `${bits} ${hash} ${mgf} ${salt}`);
        const otherSalt = partOf(pss(hash, mgf, salt + 1), signature);
        assertEquals(signatureFault(otherSalt, issuer)?.kind, "wrong");
      }
    }
  },
);

testWith(
  ["openssl"],
  "a key for RSASSA-PSS signs by that alone, and within the parameters it is bound to",
  async () => {
    await using signer = new Signer();
    const bound = ["rsa_pss_keygen_md:sha256", "rsa_pss_keygen_mgf1_md:sha256", "rsa_pss_keygen_saltlen:32"];
    for (const options of [[], bound]) {
      const { file, issuer } = await signer.key(
        ...["-algorithm", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
        ...options.flatMap((option) => ["-pkeyopt", option]),
      );
      for (const salt of [32, 40]) {
        const args = ["rsa_padding_mode:pss", `rsa_pss_saltlen:${salt}`].flatMap((arg) => ["-sigopt", arg]);
        const signature = await signer.sign(file, "-sha256", ...args);
        assertChecked(issuer, pss("sha256", "sha256", salt), signature, `${options.length} ${salt}`);
        assertEquals(signatureFault(partOf(pkcs1("sha256"), signature), issuer)?.kind, "wrong");
      }
      // What OpenSSL would not sign, said of a signature that is something else: the parameters alone are enough.
      const short = signatureFault(partOf(pss("sha256", "sha256", 20), new Uint8Array(256)), issuer);
      assertEquals(short?.detail.includes("bound to"), options.length > 0);
      const other = signatureFault(partOf(pss("sha512", "sha512", 64), new Uint8Array(256)), issuer);
      assertEquals(other?.detail.includes("bound to"), options.length > 0);
    }
  },
);

testWith(["openssl"], "OpenSSL's signatures by Ed25519 and Ed448 are good", async () => {
  await using signer = new Signer();
  for (const [kind, type] of [["ed25519", "1.3.101.112"], ["ed448", "1.3.101.113"]] as const) {
    const { file, issuer } = await signer.key("-algorithm", kind);
    assertChecked(issuer, seq(oid(type)), await signer.signRaw(file), kind);
  }
});

testWith(
  ["openssl"],
  "what cannot be checked is called unsupported, and never a wrong signature",
  async () => {
    await using signer = new Signer();
    const { issuer } = await signer.key("-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256");
    const algorithms: readonly [Uint8Array, string][] = [
      [seq(oid("1.2.840.113549.1.1.5"), NULL), "sha1WithRSAEncryption: SHA-1 is too weak"],
      [seq(oid("1.2.840.10045.4.1")), "ecdsa-with-SHA1: SHA-1 is too weak"],
      [seq(oid("1.2.840.113549.1.1.4"), NULL), "MD5 is too weak"],
      [seq(oid("1.2.840.113549.1.1.10"), seq()), "RSASSA-PSS with the digests 1.3.14.3.2.26"],
      [seq(oid("1.2.840.113549.1.1.10")), "SHA-1 is too weak"],
      [seq(oid("2.16.840.1.101.3.4.3.2")), "dsa-with-SHA256"],
      [seq(oid("1.2.156.10197.1.501")), "1.2.156.10197.1.501"],
    ];
    for (const [algorithm, name] of algorithms) {
      const fault = signatureFault(partOf(algorithm, new Uint8Array(8)), issuer);
      assertEquals(fault?.kind, "unsupported", name);
      assertStringIncludes(fault!.detail, name);
    }
    const keys: readonly [readonly string[], string][] = [
      [["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:1024"], "RSA key of 1024 bits is too short"],
      [["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"], "curve that is not supported"],
      [
        ["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"],
        "explicit parameters",
      ],
      [["-algorithm", "x25519"], "X25519"],
    ];
    for (const [args, why] of keys) {
      const { issuer } = await signer.key(...args);
      assertStringIncludes(keyFault(issuer.keyInfo)!, why);
      const fault = signatureFault(partOf(ecdsa("sha256"), new Uint8Array(8)), issuer);
      assertEquals(fault?.kind, "unsupported", why);
      assertStringIncludes(fault!.detail, why);
    }
  },
);
