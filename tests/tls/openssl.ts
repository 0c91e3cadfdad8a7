import { run } from "../support/child.ts";
import { TemporaryFolder } from "../support/folder.ts";

/** What OpenSSL is asked about a chain. */
export interface OpensslQuestion {
  readonly leafPem: string;
  readonly trustPem: string;
  readonly sentPem?: string;
  readonly crlPem?: string;
  readonly now?: Date;
  readonly usage?: "client" | "server";
}

/** Whether OpenSSL would let this chain in, and what it says. */
export async function opensslVerify(question: OpensslQuestion): Promise<{ good: boolean; said: string }> {
  await using folder = new TemporaryFolder();
  const write = (name: string, text: string) => {
    Deno.writeTextFileSync(folder.file(name), text);
    return folder.file(name);
  };
  const { sentPem = "", crlPem, now, usage = "client" } = question;
  const purpose = usage === "client" ? "sslclient" : "sslserver";
  const args = [
    "verify",
    "-partial_chain",
    "-purpose",
    purpose,
    "-CAfile",
    write("ca.pem", question.trustPem),
  ];
  if (sentPem !== "") args.push("-untrusted", write("sent.pem", sentPem));
  if (crlPem !== undefined) args.push("-crl_check_all", "-CRLfile", write("crl.pem", crlPem));
  if (now !== undefined) args.push("-attime", String(Math.floor(now.getTime() / 1000)));
  const { code, stdout, stderr } = await run("openssl", [...args, write("leaf.pem", question.leafPem)]);
  return { good: code === 0, said: stdout + stderr };
}

/** What OpenSSL prints about something in PEM. */
export async function openssl(args: readonly string[], input: string): Promise<string> {
  const { code, stdout, stderr } = await run("openssl", args, { input });
  if (code !== 0) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  return stdout;
}
