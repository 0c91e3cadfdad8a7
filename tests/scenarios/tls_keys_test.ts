import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { ExitCode } from "../../src/cli/exit_code.ts";
import { createAuthority } from "../../src/tls/authority/authority.ts";
import { run } from "../support/child.ts";
import { testWith } from "../support/installed.ts";
import { connect, ending, readLine, startBackend } from "../support/peers.ts";
import { DENO, HEAD, MAIN, startCulvert } from "../support/program.ts";
import { helloOnce, OpensslClient, type OwnPaths, TlsFiles } from "../support/tls_files.ts";
import { openssl } from "../tls/openssl.ts";
import { startOpensslServer } from "../tls/openssl_server.ts";

/** How OpenSSL makes a key, and how the file that it makes begins. */
interface KeyKind {
  readonly what: string;
  readonly args: readonly string[];
  readonly begins: string;
  /** It can't be shown to backends that speak no TLS 1.3, which the program says at the start. */
  readonly needs13?: boolean;
}

const GOOD: readonly KeyKind[] = [
  { what: "Ed25519", args: ["genpkey", "-algorithm", "ed25519"], begins: "PRIVATE KEY" },
  {
    what: "P-256 by SEC1",
    args: ["ecparam", "-name", "prime256v1", "-genkey", "-noout"],
    begins: "EC PRIVATE KEY",
  },
  {
    what: "P-256 by SEC1 behind its parameters",
    args: ["ecparam", "-name", "prime256v1", "-genkey"],
    begins: "EC PARAMETERS",
  },
  {
    what: "P-384 by SEC1",
    args: ["ecparam", "-name", "secp384r1", "-genkey", "-noout"],
    begins: "EC PRIVATE KEY",
  },
  {
    what: "P-521 by SEC1",
    args: ["ecparam", "-name", "secp521r1", "-genkey", "-noout"],
    begins: "EC PRIVATE KEY",
    needs13: true,
  },
  { what: "RSA by PKCS#1", args: ["genrsa", "-traditional", "2048"], begins: "RSA PRIVATE KEY" },
  { what: "RSA by PKCS#8", args: ["genrsa", "3072"], begins: "PRIVATE KEY" },
];

const BAD: readonly (KeyKind & { readonly fault: RegExp })[] = [
  {
    what: "Ed448",
    args: ["genpkey", "-algorithm", "ed448"],
    begins: "PRIVATE KEY",
    fault: /kind/,
  },
  {
    what: "secp256k1",
    args: ["ecparam", "-name", "secp256k1", "-genkey", "-noout"],
    begins: "EC PRIVATE KEY",
    fault: /kind|curve/,
  },
  {
    what: "P-224",
    args: ["ecparam", "-name", "secp224r1", "-genkey", "-noout"],
    begins: "EC PRIVATE KEY",
    fault: /kind|curve/,
  },
  { what: "RSA of 1024 bits", args: ["genrsa", "1024"], begins: "PRIVATE KEY", fault: /too short/ },
  {
    what: "RSA for PSS alone",
    args: ["genpkey", "-algorithm", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"],
    begins: "PRIVATE KEY",
    fault: /kind/,
  },
  {
    what: "a key by PKCS#1 that is encrypted",
    args: ["genrsa", "-traditional", "-aes128", "-passout", "pass:secret", "2048"],
    begins: "RSA PRIVATE KEY",
    fault: /encrypted/,
  },
];

const NAMES =
  "subjectAltName=DNS:localhost,DNS:server.test,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n";

/** A CA of OpenSSL's. */
class OpensslCa {
  readonly #files: TlsFiles;
  readonly #cert: string;
  readonly #key: string;

  private constructor(files: TlsFiles, own: OwnPaths) {
    this.#files = files;
    this.#cert = own.cert;
    this.#key = own.key;
  }

  static async make(files: TlsFiles): Promise<OpensslCa> {
    const { certPem, keyPem } = await createAuthority();
    return new OpensslCa(files, { cert: files.put("ca.pem", certPem), key: files.put("ca.key", keyPem) });
  }

  get path(): string {
    return this.#cert;
  }

  /** A key of this kind, and a certificate for it. */
  async issue(name: string, { args, begins }: KeyKind): Promise<OwnPaths> {
    const keyPem = await openssl(args, "");
    assertStringIncludes(keyPem.slice(0, 40), `-----BEGIN ${begins}-----`);
    const key = this.#files.put(`${name}.key`, keyPem);
    const request = await openssl(
      ["req", "-new", "-key", key, "-passin", "pass:secret", "-subj", `/CN=${name}`],
      "",
    );
    const names = this.#files.put("names.cnf", NAMES);
    const by = ["-CA", this.#cert, "-CAkey", this.#key, "-CAcreateserial", "-extfile", names, "-days", "2"];
    return { cert: this.#files.put(`${name}.pem`, await openssl(["x509", "-req", ...by], request)), key };
  }
}

for (const version of ["1.2", "1.3"] as const) {
  testWith(
    ["openssl"],
    `TLS ${version}: keys of every kind are shown to clients and to backends`,
    async (t) => {
      await using files = new TlsFiles();
      using backend = startBackend(helloOnce);
      const ca = await OpensslCa.make(files);
      const theirs = await ca.issue("theirs", GOOD[0]!);
      const pki = {
        ca: { certPem: Deno.readTextFileSync(ca.path) },
        server: { chainPem: Deno.readTextFileSync(theirs.cert), keyPem: Deno.readTextFileSync(theirs.key) },
      };
      await using server = await startOpensslServer({ pki, version });
      const services: string[] = [];
      for (const index of GOOD.keys()) {
        const own = await ca.issue(`own${index}`, GOOD[index]!);
        const tls = JSON.stringify({ ...own, clientAuth: { ca: ca.path, allow: [{ cn: "theirs" }] } });
        const toBackend = JSON.stringify({ ca: ca.path, ...own, serverName: "server.test" });
        services.push(
          `{name: in${index}, tls: ${tls}, upstream: {backends: [{address: "${backend.address}"}]}`,
          `{name: out${index}, upstream: {tls: ${toBackend}, backends: [{address: "127.0.0.1:${server.port}"}]}`,
        );
      }
      const lines = services.map((service) => `  - ${service}, listen: ["127.0.0.1:0"]}\n`);
      await using culvert = await startCulvert(`${HEAD}services:\n${lines.join("")}`);
      const warnings = culvert.found({ level: "WARN" }).map(({ message }) => String(message));
      assertEquals(warnings.map((text) => /P-521/.test(text)), [true]);
      await using client = new OpensslClient(version);
      for (const [index, { what, needs13 = false }] of GOOD.entries()) {
        await t.step(what, async () => {
          assertEquals((await client.talk(culvert.port(`in${index}`), { own: theirs })).entered, true);
          const { identity } = await culvert.waitFor({ message: "connection closed", service: `in${index}` });
          assertEquals(identity, "CN=theirs");
          const accepted = version === "1.3" || !needs13;
          {
            using asking = await connect(culvert.port(`out${index}`));
            await asking.write(new TextEncoder().encode("ping\n"));
            if (accepted) assertEquals(await readLine(asking), "gnip");
            else await ending(asking);
          }
          const closed = await culvert.waitFor({ message: "connection closed", service: `out${index}` });
          if (accepted) assertEquals(closed.reason, "client-closed");
          else assertMatch(String(closed.error), /it sent the alert illegal_parameter/);
        });
      }
      await culvert.finish();
    },
  );
}

testWith(["openssl"], "a key that the runtime can't use is refused before anything listens", async (t) => {
  await using files = new TlsFiles();
  const ca = await OpensslCa.make(files);
  const owns: OwnPaths[] = [];
  for (const [index, kind] of BAD.entries()) owns.push(await ca.issue(`bad${index}`, kind));
  for (const where of ["tls", "upstreamTls"] as const) {
    await t.step(where, async () => {
      // One start tells of all keys, each in a line of its own.
      const services = owns.map((own, index) => {
        const tls = `tls: ${JSON.stringify(own)}`;
        const [service, upstream] = where === "tls" ? [`, ${tls}`, ""] : ["", `${tls}, `];
        const to = `upstream: {${upstream}backends: [{address: "127.0.0.1:1"}]}`;
        return `  - {name: s${index}, listen: ["127.0.0.1:0"], ${to}${service}}\n`;
      });
      const file = files.put("culvert.yaml", `${HEAD}services:\n${services.join("")}`);
      const args = ["run", "--allow-net", "--allow-read", MAIN, "--config", file];
      const { code, stderr } = await run(DENO, args);
      assertEquals(code, ExitCode.badConfig);
      const lines = stderr.trim().split("\n");
      assertEquals(lines.length, BAD.length, stderr);
      for (const [index, { what, fault }] of BAD.entries()) {
        const told = lines.filter((line) => line.includes(`bad${index}.`));
        assertEquals(told.length, 1, what);
        assertMatch(told[0]!, fault);
      }
    });
  }
});
