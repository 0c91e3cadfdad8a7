import { certificatePaths } from "./certificate_paths.ts";
import type { Mode } from "./types.ts";

/** Connects to a port of loopback; the caller closes the connection. */
export type Connect = (port: number) => Promise<Deno.Conn>;

const hostname = "127.0.0.1";

/** How a load client connects. The runtime's TLS resumes nothing: each of its connections is a full handshake. */
export function connectorOf(mode: Mode, directory: string): Connect {
  if (mode === "plain" || mode === "http") return (port) => Deno.connect({ hostname, port });
  const { ca, clientCert, clientKey } = certificatePaths(directory);
  const caCerts = [Deno.readTextFileSync(ca)];
  const own = mode === "mtls"
    ? { cert: Deno.readTextFileSync(clientCert), key: Deno.readTextFileSync(clientKey) }
    : {};
  return (port) => Deno.connectTls({ hostname, port, caCerts, ...own });
}
