import { assertEquals, assertRejects } from "@std/assert";
import { runCerts } from "../../src/cli/certs.ts";
import { CulvertError } from "../../src/core/errors.ts";
import { readCertificates } from "../../src/tls/x509/read_certificates.ts";
import { type ChainRefusal, verifyChain } from "../../src/tls/x509/path/chain.ts";
import { parseCrls } from "../../src/tls/x509/crl/read_crls.ts";
import { CrlSet } from "../../src/tls/x509/crl/set.ts";
import { identityOf } from "../../src/tls/x509/identity.ts";
import { TrustStore } from "../../src/tls/x509/path/trust_store.ts";
import type { TemporaryFolder } from "../support/folder.ts";

/** What the command makes in an empty folder. */
export const FIRST = [
  "ca.crl",
  "ca.key",
  "ca.pem",
  "client.key",
  "client.pem",
  "index.json",
  "server.key",
  "server.pem",
];

/** Runs the command in the folder `pki`, with the words of a line; resolves to what it says. */
export async function certs(
  folder: TemporaryFolder,
  line: string,
  options: { now?: () => number } = {},
): Promise<string[]> {
  return await certsOf(folder, line.split(" ").filter((word) => word !== ""), options);
}

/** The same with words that may have spaces in them. */
export async function certsOf(
  folder: TemporaryFolder,
  words: readonly string[],
  options: { now?: () => number } = {},
): Promise<string[]> {
  const said: string[] = [];
  await runCerts([folder.file("pki"), ...words], { print: (text) => said.push(text), ...options });
  return said;
}

/** The text of one of its files. */
export function read(folder: TemporaryFolder, name: string): string {
  return Deno.readTextFileSync(folder.file(`pki/${name}`));
}

/** The names of its files. */
export function names(folder: TemporaryFolder): string[] {
  return [...Deno.readDirSync(folder.file("pki"))].map(({ name }) => name).sort();
}

/** What it says of files that it has written. */
export function wrote(folder: TemporaryFolder, ...files: string[]): string[] {
  return files.map((name) => `wrote ${folder.file("pki")}/${name}`);
}

/** Whether a certificate of the folder is accepted by its CA and CRL. */
export function verdictOn(
  folder: TemporaryFolder,
  name: string,
  usage: "client" | "server",
): ChainRefusal | "trusted" {
  const verdict = verifyChain(readCertificates(read(folder, name)).map(({ der }) => der), {
    trust: new TrustStore(read(folder, "ca.pem")),
    crls: new CrlSet(parseCrls(read(folder, "ca.crl"))),
    now: new Date(),
    usage,
  });
  return verdict.trusted ? "trusted" : verdict.reason;
}

/** The identity in a certificate of the folder. */
export function identityIn(folder: TemporaryFolder, name: string) {
  return identityOf(readCertificates(read(folder, name))[0]!);
}

/** The kind of the key of a certificate of the folder, as `node:crypto` calls it. */
export function keyKindIn(folder: TemporaryFolder, name: string): string | undefined {
  return readCertificates(read(folder, name))[0]!.publicKey()?.asymmetricKeyType;
}

/** Sees to it that the command refuses a line with this code, and says this. */
export async function refused(
  folder: TemporaryFolder,
  line: string,
  expected: { code: string; message: string; now?: () => number },
): Promise<void> {
  const { code, message, ...options } = expected;
  const error = await assertRejects(() => certs(folder, line, options), CulvertError, message);
  assertEquals(error.code, code);
}
