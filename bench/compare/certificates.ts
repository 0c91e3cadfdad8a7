import { createAuthority } from "../../src/tls/authority/authority.ts";
import { certificatePaths } from "./certificate_paths.ts";

/** Makes a CA and by it one certificate for every proxy and one for every client: ECDSA with P-256. */
export async function writeCertificates(directory: string): Promise<void> {
  const authority = await createAuthority({ algorithm: "ecdsa-p256" });
  const server = await authority.issueServer({ names: ["server.test", "127.0.0.1"] });
  const client = await authority.issueClient({ cn: "client" });
  const paths = certificatePaths(directory);
  await Deno.writeTextFile(paths.ca, authority.certPem);
  await Deno.writeTextFile(paths.serverCert, server.chainPem);
  await Deno.writeTextFile(paths.serverKey, server.keyPem);
  await Deno.writeTextFile(paths.serverBoth, server.chainPem + server.keyPem);
  await Deno.writeTextFile(paths.clientCert, client.chainPem);
  await Deno.writeTextFile(paths.clientKey, client.keyPem);
}
