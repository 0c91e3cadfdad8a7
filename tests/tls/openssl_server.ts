import { Child } from "../support/child.ts";
import { freePort, TemporaryFolder } from "../support/folder.ts";
import { until } from "../support/wait.ts";

/** What OpenSSL's server is to be. */
export interface OpensslServerSpec {
  /** Its own certificate, and the CA of the required client certificates. */
  readonly pki: {
    readonly ca: { readonly certPem: string };
    readonly server: { readonly chainPem: string; readonly keyPem: string };
  };
  /** `any`: both, the newer one preferred. */
  readonly version: "1.2" | "1.3" | "any";
  /** Whether all certificates of `chainPem` are shown. @default {false} the first alone */
  readonly chain?: boolean;
  /** What of that CA's has been revoked. */
  readonly crlPem?: string;
  /** More options of `openssl s_server`. */
  readonly more?: readonly string[];
}

/** A server of OpenSSL's. It sends lines back the other way round. */
export interface OpensslServer extends AsyncDisposable {
  readonly port: number;
  /** What it has said about its clients. */
  said(): string;
}

/** Starts a server that wants its clients' certificates; resolves when it listens. */
export async function startOpensslServer(spec: OpensslServerSpec): Promise<OpensslServer> {
  const { pki: { ca, server }, version, chain = false, crlPem, more = [] } = spec;
  const folder = new TemporaryFolder();
  const put = (name: string, text: string) => {
    Deno.writeTextFileSync(folder.file(name), text);
    return folder.file(name);
  };
  const port = freePort();
  const args = [
    "s_server",
    "-accept",
    `127.0.0.1:${port}`,
    ...(version === "any" ? [] : [version === "1.2" ? "-tls1_2" : "-tls1_3"]),
    "-rev",
  ];
  args.push("-cert", put("server.pem", server.chainPem), "-key", put("server.key", server.keyPem));
  if (chain) args.push("-cert_chain", put("chain.pem", server.chainPem));
  args.push("-CAfile", put("ca.pem", ca.certPem), "-Verify", "1", "-verify_return_error");
  if (crlPem !== undefined) args.push("-crl_check", "-CRL", put("crl.pem", crlPem));
  const child = new Child({ program: "openssl", args: [...args, ...more] });
  const dispose = async () => {
    await child[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  };
  const said = () => child.stderr + child.stdout;
  try {
    await until(() => child.stdout.includes("ACCEPT"), { what: "OpenSSL to listen", context: said });
  } catch (error) {
    await dispose();
    throw error;
  }
  return { port, said, [Symbol.asyncDispose]: dispose };
}
