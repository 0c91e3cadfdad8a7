import { CulvertError } from "../core/errors.ts";
import { readCertificates } from "../tls/x509/read_certificates.ts";
import { algorithmOf, type KeyAlgorithm } from "../tls/authority/generate_key.ts";
import type { CertRecord, CertsFolder } from "./certs_folder.ts";

/** What the letters of a word may be that a shell leaves as it is. */
const PLAIN = /^[\w@%+=:,./-]+$/;

/**
 * The command that makes a certificate with the names of this one and a new key, in the place of its files, for
 * a shell.
 */
export function reissueCommand(folder: string, record: CertRecord): string {
  const { kind } = record;
  const words = kind === "server" ? serverWords(record) : clientWords(record);
  return ["culvert", "certs", folder, kind, ...words, "--force"].map(quote).join(" ");
}

/** The first name is also that of the files: where they are called otherwise, it becomes one more. */
function serverWords({ name, names: { dns, ip } }: CertRecord): string[] {
  const names = [...dns, ...ip];
  const [first = ""] = names;
  return fileName(first) === name ? names : [name, ...names];
}

function clientWords({ name, names }: CertRecord): string[] {
  const { cn, ou, dns, uri, ip, email } = names;
  const options = Object.entries({
    cn: cn.length === 1 && cn[0] === name ? [] : cn,
    ou,
    dns,
    uri,
    ip,
    email,
  });
  return [name, ...options.flatMap(([option, values]) => values.flatMap((value) => [`--${option}`, value]))];
}

/** A name as that of a file: the colons of an address and the star of a wildcard have no place there. */
export function fileName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._@-]/g, "_");
}

/**
 * Of which kind the key of a certificate is. The certificate is asked, as the key may be what has been lost.
 *
 * @throws {CulvertError} `certs_unreadable` or `bad_certificate` when the certificate can't tell.
 */
export async function keyKindOf(folder: CertsFolder, file: string): Promise<KeyAlgorithm> {
  const [certificate] = readCertificates(await folder.read(file));
  const key = certificate?.publicKey();
  if (key !== undefined) return algorithmOf(key);
  const what = `Cannot use "${
    folder.pathOf(file)
  }": there is no certificate in it with a key of a known kind`;
  throw new CulvertError("certs_unreadable", what);
}

function quote(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
