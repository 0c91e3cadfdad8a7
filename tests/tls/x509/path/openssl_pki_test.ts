import { assertEquals } from "@std/assert";
import { exportKey } from "../../../../src/tls/authority/parts.ts";
import { verifyChain } from "../../../../src/tls/x509/path/chain.ts";
import { identityOf } from "../../../../src/tls/x509/identity.ts";
import { TrustStore } from "../../../../src/tls/x509/path/trust_store.ts";
import { output } from "../../../support/child.ts";
import { TemporaryFolder } from "../../../support/folder.ts";
import { testWith } from "../../../support/installed.ts";
import { crlSet, derOf } from "../../pki.ts";
import { testKey } from "../../test_keys.ts";

/** A PKI that OpenSSL makes, with keys and signatures of one kind. */
class OpensslPki implements AsyncDisposable {
  readonly #folder = new TemporaryFolder();
  readonly #keyArgs: readonly string[];
  readonly #signArgs: readonly string[];

  constructor(options: { keyArgs: readonly string[]; signArgs?: readonly string[] }) {
    this.#keyArgs = options.keyArgs;
    this.#signArgs = options.signArgs ?? [];
  }

  async root(name: string): Promise<void> {
    await this.#key(name);
    const extensions = ["basicConstraints=critical,CA:true", "keyUsage=critical,keyCertSign,cRLSign"];
    await this.#openssl([
      ...[
        "req",
        "-new",
        "-x509",
        "-subj",
        `/O=Lab/CN=${name}`,
        "-days",
        "30",
        "-out",
        this.#file(`${name}.crt`),
      ],
      ...[
        "-key",
        this.#file(`${name}.key`),
        "-config",
        this.#write("req.cnf", "[req]\ndistinguished_name=d\n[d]\n"),
      ],
      ...extensions.flatMap((extension) => ["-addext", extension]),
      ...this.#signArgs,
    ]);
  }

  /** Issues by `openssl ca`, so that it can be revoked; by default it is a client. */
  async issue(
    name: string,
    options: { by: string; extensions?: string; subject?: string; period?: string[] },
  ) {
    const { by, subject = `/CN=${name}`, period = ["-days", "10"] } = options;
    const extensions = options.extensions ?? "basicConstraints=CA:false\nextendedKeyUsage=clientAuth\n";
    await this.#key(name);
    const config = this.#write("req.cnf", "[req]\ndistinguished_name=d\n[d]\n");
    const request = this.#file(`${name}.csr`);
    await this.#openssl([
      ...["req", "-new", "-utf8", "-key", this.#file(`${name}.key`), "-subj", subject, "-config", config],
      ...["-out", request],
    ]);
    await this.#ca(by, [
      ...["-batch", "-notext", "-in", request, "-out", this.#file(`${name}.crt`), ...period],
      ...["-extfile", this.#write("ext", extensions)],
    ]);
  }

  async crl(by: string, revoked: readonly string[]): Promise<string> {
    for (const name of revoked) await this.#ca(by, ["-revoke", this.#file(`${name}.crt`)]);
    await this.#ca(by, ["-gencrl", "-out", this.#file(`${by}.crl`)]);
    return this.#read(`${by}.crl`);
  }

  certificate(name: string): string {
    return this.#read(`${name}.crt`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#folder[Symbol.asyncDispose]();
  }

  async #ca(by: string, args: readonly string[]): Promise<void> {
    for (const [name, text] of [["index", ""], ["number", "01\n"]]) {
      if (!this.#has(`${by}.${name}`)) this.#write(`${by}.${name}`, text!);
    }
    const lines = [
      ...["[ca]", "default_ca=d", "[d]", `database=${this.#file(`${by}.index`)}`, "rand_serial=yes"],
      ...[
        `crlnumber=${this.#file(`${by}.number`)}`,
        `new_certs_dir=${this.#folder.path}`,
        "default_md=sha256",
      ],
      ...["policy=p", "unique_subject=no", "default_crl_days=9", "preserve=yes", "[p]", "CN=supplied"],
      ...["organizationName=optional", "organizationalUnitName=optional", ""],
    ];
    const config = this.#write(`${by}.cnf`, lines.join("\n"));
    const issuer = ["-cert", this.#file(`${by}.crt`), "-keyfile", this.#file(`${by}.key`)];
    await this.#openssl(["ca", "-config", config, ...issuer, ...args, ...this.#signArgs]);
  }

  async #key(name: string): Promise<void> {
    if (this.#keyArgs.includes("rsa")) this.#write(`${name}.key`, exportKey(await testKey("rsa-2048")));
    else await this.#openssl(["genpkey", "-out", this.#file(`${name}.key`), ...this.#keyArgs]);
  }

  async #openssl(args: readonly string[]): Promise<void> {
    await output("openssl", args);
  }

  #file(name: string): string {
    return this.#folder.file(name);
  }

  #read(name: string): string {
    return Deno.readTextFileSync(this.#file(name));
  }

  #write(name: string, text: string): string {
    Deno.writeTextFileSync(this.#file(name), text);
    return this.#file(name);
  }

  #has(name: string): boolean {
    return [...Deno.readDirSync(this.#folder.path)].some((entry) => entry.name === name);
  }
}

const KINDS = {
  "ECDSA with P-256": { keyArgs: ["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] },
  "ECDSA with P-384": { keyArgs: ["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"] },
  "ECDSA with P-521 and SHA-256": { keyArgs: ["-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"] },
  "Ed25519": { keyArgs: ["-algorithm", "ed25519"] },
  "RSA": { keyArgs: ["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"] },
  "RSASSA-PSS": {
    keyArgs: ["-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
    signArgs: ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"],
  },
};

for (const [kind, options] of Object.entries(KINDS)) {
  testWith(["openssl"], `a PKI that OpenSSL made is judged right, with ${kind}`, async () => {
    await using pki = new OpensslPki(options);
    await pki.root("root");
    await pki.root("other");
    const past = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
    await pki.issue("good", { by: "root", subject: "/CN=Jürgen, CN=admin/OU=a/OU=b" });
    await pki.issue("revoked", { by: "root" });
    await pki.issue("expired", { by: "root", period: past });
    await pki.issue("server", { by: "root", extensions: "extendedKeyUsage=serverAuth\n" });
    await pki.issue("untrusted", { by: "other" });
    const ca = "basicConstraints=critical,CA:true,pathlen:0\nkeyUsage=critical,keyCertSign,cRLSign\n";
    await pki.issue("middle", { by: "root", extensions: ca });
    await pki.issue("below", { by: "middle" });

    const trust = new TrustStore(pki.certificate("root"));
    const crls = crlSet(await pki.crl("root", ["revoked"]), await pki.crl("middle", []));
    const now = new Date();
    const verdicts: Record<string, string> = {};
    for (const name of ["good", "revoked", "expired", "server", "untrusted", "below"]) {
      const chain = derOf(pki.certificate(name), name === "below" ? pki.certificate("middle") : "");
      const verdict = verifyChain(chain, { trust, crls, now, usage: "client" });
      verdicts[name] = verdict.trusted ? identityOf(verdict.path[0]!).subject : verdict.reason;
    }
    assertEquals(verdicts, {
      good: "OU=b,OU=a,CN=Jürgen\\, CN\\=admin",
      revoked: "revoked",
      expired: "expired",
      server: "wrong-usage",
      untrusted: "unknown-ca",
      below: "CN=below",
    });
  });
}
