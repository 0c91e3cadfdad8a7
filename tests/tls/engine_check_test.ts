import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { CulvertError } from "../../src/core/errors.ts";
import { checkEngine } from "../../src/tls/session/runtime_tls.ts";
import { output } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";
import { testWith } from "../support/installed.ts";

/** How OpenSSL makes a certificate, and what is said of it where the runtime cannot use it. */
const KINDS: readonly [name: string, args: readonly string[], fault?: string][] = [
  ["rsa-2048", ["-newkey", "rsa:2048"]],
  ["rsa-3072", ["-newkey", "rsa:3072"]],
  ["p-256", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]],
  ["p-384", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1"]],
  ["p-521", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp521r1"]],
  ["ed25519", ["-newkey", "ed25519"]],
  ["rsa-1024", ["-newkey", "rsa:1024"], "keys of this kind or size are not supported"],
  ["p-224", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp224r1"], "keys of this kind or size"],
  ["secp256k1", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"], "keys of this kind or size"],
  ["ed448", ["-newkey", "ed448"], "keys of this kind or size are not supported"],
  ["rsa-pss", ["-newkey", "rsa-pss", "-pkeyopt", "rsa_keygen_bits:2048"], "keys of this kind or size"],
  ["critical", ["-newkey", "rsa:2048", "-addext", "1.2.3.4=critical,DER:0500"], "critical extension"],
  ["version 1", ["-newkey", "rsa:2048", "-config", "FOLDER/v1.conf"], "is of version 1"],
];

testWith(["openssl"], "the runtime's TLS is found to refuse exactly what its listener refuses", async (t) => {
  await using folder = new TemporaryFolder();
  Deno.writeTextFileSync(folder.file("v1.conf"), "[req]\ndistinguished_name = dn\n[dn]\n");
  const made = new Map<string, { cert: string; key: string }>();
  for (const [name, args, fault] of KINDS) {
    await t.step(name, async () => {
      const files = ["-keyout", folder.file("key"), "-out", folder.file("cert")];
      const own = args.map((arg) => arg.replace("FOLDER", folder.path));
      await output("openssl", [
        "req",
        "-x509",
        "-nodes",
        "-days",
        "3",
        "-subj",
        "/CN=a.test",
        ...own,
        ...files,
      ]);
      const pems = { cert: read(folder, "cert"), key: read(folder, "key") };
      made.set(name, pems);
      agree(pems, fault);
    });
  }
  await t.step("the key of another certificate", () => {
    const mixed = { cert: made.get("rsa-2048")!.cert, key: made.get("rsa-3072")!.key };
    agree(mixed, "the key belongs to another certificate");
  });
  await t.step("without native only what no handshake could use is refused", () => {
    checkEngine(made.get("version 1")!, { native: false });
    const critical = made.get("critical")!;
    assertThrows(() => checkEngine(critical, { native: false }), CulvertError, "critical extension");
  });
});

function agree(pems: { cert: string; key: string }, fault: string | undefined): void {
  let refused: unknown;
  try {
    Deno.listenTls({ hostname: "127.0.0.1", port: 0, ...pems }).close();
  } catch (error) {
    refused = error;
  }
  assertEquals(refused !== undefined, fault !== undefined, String(refused));
  if (fault === undefined) return checkEngine(pems, { native: true });
  const error = assertThrows(() => checkEngine(pems, { native: true }), CulvertError);
  assertStringIncludes(error.message, fault);
}

function read(folder: TemporaryFolder, name: string): string {
  return Deno.readTextFileSync(folder.file(name));
}
