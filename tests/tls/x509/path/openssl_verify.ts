import { writePem } from "../../../../src/tls/x509/pem.ts";
import { TemporaryFolder } from "../../../support/folder.ts";

/** What OpenSSL says of a chain: `OK`, or its error in words. */
export async function opensslVerdict(options: {
  /** The CAs that are trusted, in PEM. */
  readonly trusted: string;
  /** DER, the leaf first. */
  readonly chain: readonly Uint8Array[];
  /** More options of `openssl verify`. */
  readonly args?: readonly string[];
}): Promise<string> {
  await using folder = new TemporaryFolder();
  const [leaf, ...others] = options.chain.map((der) => writePem("CERTIFICATE", der));
  const args = ["verify", "-CAfile", folder.file("ca.pem"), ...(options.args ?? [])];
  await Deno.writeTextFile(folder.file("ca.pem"), options.trusted);
  await Deno.writeTextFile(folder.file("leaf.pem"), leaf!);
  if (others.length > 0) {
    await Deno.writeTextFile(folder.file("others.pem"), others.join(""));
    args.push("-untrusted", folder.file("others.pem"));
  }
  const command = new Deno.Command("openssl", { args: [...args, folder.file("leaf.pem")] });
  const { success, stderr } = await command.output();
  if (success) return "OK";
  return /lookup: (.*)/.exec(new TextDecoder().decode(stderr))?.[1] ?? new TextDecoder().decode(stderr);
}
