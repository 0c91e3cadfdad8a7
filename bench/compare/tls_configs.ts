import { type Mode, TLS_CIPHER, TLS_GROUP } from "./types.ts";
import { certificatePaths } from "./certificate_paths.ts";

// What terminates the TLS of clients, with the same certificates for all; nothing without TLS.

/** The line of a service of Culvert. */
export function culvertTls(
  mode: Mode,
  { directory, native }: { directory: string; native: boolean },
): string {
  if (mode === "plain" || mode === "http") return "";
  const { serverCert, serverKey, ca } = certificatePaths(directory);
  const tls = {
    cert: serverCert,
    key: serverKey,
    ...(native ? { native } : {}),
    ...(mode === "mtls" ? { clientAuth: { ca, allow: [{ any: true }] } } : {}),
  };
  return `    tls: ${JSON.stringify(tls)}\n`;
}

/** The end of a `bind` line of HAProxy. */
export function haproxyTls(mode: Mode, directory: string): string {
  if (mode === "plain" || mode === "http") return "";
  const { serverBoth, ca } = certificatePaths(directory);
  const clients = mode === "mtls" ? ` ca-file ${ca} verify required` : "";
  return ` ssl crt ${serverBoth}${clients} ssl-min-ver TLSv1.3 ciphersuites ${TLS_CIPHER} curves ${TLS_GROUP}`;
}

/** The lines of a `server` block of nginx, or of the block around it. */
export function nginxTls(mode: Mode, directory: string): string {
  if (mode === "plain" || mode === "http") return "";
  const { serverCert, serverKey, ca } = certificatePaths(directory);
  const clients = mode === "mtls" ? [`ssl_client_certificate ${ca}`, "ssl_verify_client on"] : [];
  return [
    `ssl_certificate ${serverCert}`,
    `ssl_certificate_key ${serverKey}`,
    "ssl_protocols TLSv1.3",
    `ssl_conf_command Ciphersuites ${TLS_CIPHER}`,
    `ssl_ecdh_curve ${TLS_GROUP}`,
    ...clients,
  ].map((line) => `    ${line};\n`).join("");
}
